"""How answers of chat models end: reasons in many spellings, and errors in many shapes. No socket, no clock.

Reasons: DeepSeek, Mistral (`model_length`), Zhipu (`sensitive`, `network_error`), vLLM (`abort`), DashScope (`null` as
a text), and Gemini's by gateways (`FinishReason.MAX_TOKENS`), as their documentation has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridge.agents.base import AgentError, Failure
from bridge.agents.lines import error_event, readable

_SHOWN = 200
_NOT_YET = frozenset({"", "null", "none", "nil", "undefined", "finish_reason_unspecified"})
_BROKEN = frozenset({"abort", "aborted", "cancelled", "canceled", "incomplete", "interrupted"})
_FAILED = frozenset({"error", "insufficient_system_resource", "failed", "failure", "timeout"})
_LENGTH = frozenset(
    """length max_tokens max_output_tokens model_length max_length token_limit model_context_window_exceeded
    context_length_exceeded max_completion_tokens""".split()
)
_FILTERED = frozenset(
    """content_filter contentfilter content_filtered safety sensitive recitation blocklist prohibited_content spii
    guardrail_intervened moderation blocked refusal policy_violation language image_safety""".split()
)
_ERROR_NAME = re.compile(r"err|(?<!de)fault|exception|(^|_)(message|msg|details?|reason)$")
_CODES = ("code", "status", "status_code", "statuscode")
_FINE = (0, 200, "0", "200")


def finish_reason(value: Any) -> str:
    """Return why an answer ended, in OpenAI's words where it is one of theirs; empty: it goes on. Raises AgentError."""
    if not isinstance(value, str):
        return ""
    reason = value.strip().rpartition(".")[2].lower().replace("-", "_").replace(" ", "_")
    if reason in _NOT_YET:
        return ""
    if reason in _BROKEN:
        raise AgentError(Failure.BROKEN_STREAM, f"the answer ended with finish_reason {reason}")
    if reason in _FAILED or reason.endswith("_error"):
        raise AgentError(Failure.SERVICE_ERROR, "the answer ended with finish_reason error", shown(value))
    if reason in _LENGTH:
        return "length"
    return "content_filter" if reason in _FILTERED else value


def reports_error(value: dict[str, Any]) -> bool:
    """Whether an object is an error, in one of the shapes that servers have for it."""
    if value.get("error") or value.get("object") == "error" or value.get("type") == "error":
        return True
    choices = value.get("choices")
    if isinstance(choices, list) and choices:
        return isinstance(choices[0], dict) and bool(choices[0].get("error"))
    names = {str(name).lower(): each for name, each in value.items()}
    code = next((names[name] for name in _CODES if name in names), None)
    if any(names.get(name) is False for name in ("success", "ok")) or _is_bad(code):
        return True
    if any(isinstance(names.get(name), str) and error_event(names[name]) for name in ("type", "event", "status")):
        return True
    if any(isinstance(each, dict) and (each.get("error") or _has_failed(each)) for each in value.values()):
        return True
    return code not in _FINE and any(each and _ERROR_NAME.search(name) for name, each in names.items())


def _has_failed(inner: dict[str, Any]) -> bool:
    """Whether an object within another one is a status that is not fine, as MiniMax's `base_resp`."""
    return any(isinstance(inner.get(name), int) and inner[name] not in (*_FINE, False) for name in _CODES)


def _is_bad(code: Any) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and code >= 400


def plain_body(raw: bytes) -> Any:
    """Return the JSON value of a body without any event. Raises AgentError for an empty one, a page and a text."""
    known, value = readable(raw)
    if known:
        return value
    if not raw:
        raise AgentError(Failure.BROKEN_STREAM, "an answer without a single event")
    what = "an answer that is no event stream"
    raise AgentError(Failure.UNREADABLE_EVENT, what, shown(raw.decode("utf-8", "replace")))


def reported(value: Any, data: str, *, is_error: bool) -> AgentError:
    """Return the failure that this value of a stream is."""
    if isinstance(value, dict) or is_error:
        return AgentError(Failure.SERVICE_ERROR, f"reported an error{_code(value)}", shown(data))
    return AgentError(Failure.UNREADABLE_EVENT, "an event that is no object", shown(data))


def _code(value: Any) -> str:
    """The error's code in brackets, where it is short enough to be one."""
    for place in _error_objects(value):
        for name in ("code", "type", "status"):
            code = place.get(name)
            if isinstance(code, int | str) and 0 < len(str(code)) <= 40 and code != "error" and str(code).isascii():
                return f" ({str(code) if str(code).replace('_', '').isalnum() else 'odd code'})"
    return ""


def _error_objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(inner := value.get("error"), dict):
            yield inner
        yield value


def shown(text: str) -> str:
    """Return the beginning of somebody else's words on one line."""
    return " ".join(text[:_SHOWN].split())
