"""The body of a request for speech: read, checked, and put into words that say what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web

from bridge.api.access import ApiError
from bridge.api.formats import ResponseFormat, format_of
from bridge.gateway.settings import SpeechApiSettings
from bridge.system.connections import read_body
from bridge.text import ssml
from bridge.text.spoken.languages import language
from bridge.worker.protocol import FASTEST, SLOWEST

MODEL = "bridge"
MODELS = (MODEL, "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Ours, and those that programs made for OpenAI ask for."""
OPENAI_SPEEDS = (0.25, 4.0)
_WHERE = re.compile(r".*at `\$\.(\w+)|.*field `(\w+)`")


class VoiceId(msgspec.Struct, frozen=True):
    """A voice, named as OpenAI names those that somebody has made."""

    id: str


class SpeechBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/audio/speech`; what else is in it is ignored."""

    input: str
    model: str = MODEL
    voice: str | VoiceId | None = None
    response_format: str = "wav"
    sample_rate: int | None = None
    speed: float = 1.0
    stream_format: str = "audio"
    language: str = ""
    """In which digits, signs and abbreviations are said, such as `de-DE`; empty: the voice's own."""


_fields = msgspec.json.Decoder(dict[str, Any])


async def read(request: web.Request, settings: SpeechApiSettings) -> SpeechBody:
    """The request's body. Raises ApiError that says what is wrong with it."""
    try:
        body = await read_body(request)
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(413, "body_too_large", f"the body is too large: {error.text}") from None
    try:
        given = {name: value for name, value in _fields.decode(body).items() if value is not None}
        wanted = msgspec.convert(given, SpeechBody)
    except msgspec.ValidationError as error:
        where = _WHERE.search(str(error))
        param = (where[1] or where[2]) if where else None
        code = "missing_required_parameter" if "missing required" in str(error) else "invalid_value"
        raise ApiError(400, code, f"{error}".replace("`", "'"), param=param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, "invalid_json", f"the body is not a JSON object: {error}") from None
    if not wanted.input.strip():
        raise ApiError(400, "missing_required_parameter", "input is empty", param="input")
    most = settings.text_chars
    if len(wanted.input) > most:
        raise ApiError(400, "text_too_long", f"input has {len(wanted.input)} characters, at most {most}", param="input")
    try:
        ssml.validate(wanted.input)
    except ValueError as error:
        raise ApiError(400, "bad_ssml", f"input: {error}", param="input") from None
    if wanted.language:
        try:
            language(wanted.language)
        except KeyError as error:
            raise ApiError(400, "unknown_language", error.args[0], param="language") from None
    known_model(wanted.model)
    if wanted.stream_format not in ("audio", "sse"):
        raise ApiError(
            400,
            "invalid_value",
            f"stream_format {wanted.stream_format!r} is not supported; supported are: audio, sse",
            param="stream_format",
        )
    return msgspec.structs.replace(wanted, speed=_speed(wanted.speed, settings))


def _speed(wanted: float, settings: SpeechApiSettings) -> float:
    """A speed that voices have. Raises ApiError."""
    slowest, fastest = (SLOWEST, FASTEST) if settings.refuse_odd_speeds else OPENAI_SPEEDS
    if not slowest <= wanted <= fastest:
        message = f"speed {wanted:g} is not within {slowest:g} to {fastest:g}"
        raise ApiError(400, "bad_speed", message, param="speed")
    return min(max(wanted, SLOWEST), FASTEST)


def asked_format(wanted: SpeechBody) -> ResponseFormat:
    """The format of the sound that is asked for. Raises ApiError."""
    try:
        return format_of(wanted.response_format, wanted.sample_rate)
    except ValueError as error:
        param = "sample_rate" if str(error).startswith("sample_rate") else "response_format"
        raise ApiError(400, "unsupported_format", str(error), param=param) from None


def known_model(name: str) -> str:
    """The name of a model that there is. Raises ApiError."""
    if name not in MODELS:
        raise ApiError(404, "model_not_found", f"no model {name!r}; there are: {', '.join(MODELS)}", param="model")
    return name
