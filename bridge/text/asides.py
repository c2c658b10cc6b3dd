"""What an agent's loop writes around its answer: steps of reasoning, calls of tools, its own name, directions. Pure.

What a caller needs must never be lost, so only what has the whole shape of such a thing is taken: a word that merely
could begin one is read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bridge.text import markup

_LABELS = ("Thought", "Action Input", "Action", "Observation", "Final Answer")
_LABEL = re.compile(rf"({'|'.join(_LABELS)}):[ \t]*")
_ACTION = re.compile(r"Action:[ \t]*[\w.-]{1,60}[ \t]*\n{1,2}[ \t]*Action Input:")
_ACTION_BEGUN = re.compile(r"Action:[ \t]*[\w.-]{0,60}[ \t]*(?:\n{1,2}[ \t]*[A-Za-z]{0,6} ?[A-Za-z]{0,5})?\Z")
_SPEAKER = re.compile(r"(?:Assistant|ASSISTANT|AI)(?:\*\*)?:(?:\*\*)?(?=\s)")
_SPEAKERS = ("Assistant:", "ASSISTANT:", "AI:", "Assistant**:", "AI**:", "Assistant:**", "AI:**")
_VALUE = r"(?:\"[^\"\n]{0,120}+\"|'[^'\n]{0,120}+'|-?\d[\d.]{0,12}|True|False|None|true|false|null)"
_KEYWORD = rf"[A-Za-z_]\w{{0,30}} ?= ?{_VALUE}"
_CALL = re.compile(
    rf"(?:[a-z_][\w.]{{0,40}}\({_KEYWORD}(?:, ?{_KEYWORD}){{0,8}}\)"
    rf"|(?:functions\.)?[a-z]{{1,20}}(?:_[a-z]{{1,20}}){{1,4}}\((?:{_VALUE})?\));?"
)
"""A name in lower case: an answer begins with a capital, and its first word need not wait for what follows."""
_CALL_BEGUN = re.compile(r"[a-z_][\w.]{0,40}(?:\((?:[A-Za-z_'\"][^()\n]{0,300}+)?\)?|\(\s{0,2}(?:\{\s{0,4})?)?\Z")
_OBJECT_CALL = re.compile(r"[a-z_][\w.]{0,60}\(\s{0,2}(?=\{\s{0,4}[\"'])")
"""A call whose arguments are an object: `saveAnswer({"id": 1})`."""
_RECIPIENT = re.compile(r"to=functions\.\w{1,60}[^\n{]{0,40}")
"""Whom a call is meant for, in a model's own notation, and what stands between it and the arguments."""
_RECIPIENT_BEGUN = re.compile(r"to(?:=[a-z]{0,9}(?:\.\w{0,60}[^\n{]{0,40})?)?\Z")
_NAME = re.compile(r"[a-z][\w.]{0,60}\(?")
_MARKED = frozenset(".!?:…")
"""What stands before a call within a line: a sentence's words in lower case may be in brackets."""
_OBSERVED = re.compile(r"\n[ \t]*(?:(?P<label>Thought|Action|Observation|Final Answer):|(?P<blank>\n))")
_LONGEST_STEP = 1500
"""Characters within which the next step or the answer must follow a thought of several lines."""


class Aside(NamedTuple):
    """Something at the beginning of a line that nobody is to hear."""

    end: int
    rest_of_line: bool = False
    """Whether the rest of the line is not said either."""
    steps: bool = False
    """Whether a loop's steps go on after it."""
    closes: bool = False
    """Whether an object and a bracket that closes the call follow."""


def aside_at(held: str, at: int, *, first: bool, steps: bool, final: bool) -> Aside | bool | None:
    """The aside that a line begins with; None where there is none, False where more text must tell.

    `first`: nothing was said yet; `steps`: the line before was a step of the loop.
    """
    waits = not final and len(held) - at <= 2 * markup.LONGEST_CLOSER
    rest = held[at : at + 16]
    if label := _LABEL.match(held, at):
        if label.end() == len(held) and not final:
            return False
        return _step(label, held, at, steps=steps, final=final)
    if waits and any(f"{label}:".startswith(rest) for label in _LABELS):
        return False
    if first:
        if speaker := _SPEAKER.match(held, at):
            return Aside(speaker.end())
        if waits and any(speaker.startswith(rest) for speaker in _SPEAKERS):
            return False
    return call_at(held, at, steps=steps, final=final)


def call_at(held: str, at: int, *, steps: bool = False, final: bool) -> Aside | bool | None:
    """A call of a tool that was written as text; None where there is none, False where more text must tell."""
    if call := _CALL.match(held, at):
        return Aside(call.end(), steps=steps) if call.end() < len(held) or final else False
    if call := _OBJECT_CALL.match(held, at):
        return Aside(call.end(), steps=steps, closes=True)
    if held.startswith("to=f", at) and (call := _RECIPIENT.match(held, at)):
        return Aside(call.end(), steps=steps) if call.end() < len(held) or final else False
    if not final and (_CALL_BEGUN.match(held, at) or _RECIPIENT_BEGUN.match(held, at)):
        return False
    return None


def may_call(held: str, at: int, end: int, last: str) -> int:
    """Where in plain text from a place on a call of a tool may begin within its line; its end where none may.

    last  what was given out before it
    """
    start = held.rfind(" ", at, end) + 1 or at
    if held.startswith("to", start) and "to=functions".startswith(held[start:end][:12]):
        return start
    if (leaked := held.find(" to=functions", at, end)) >= 0:
        return leaked + 1
    before = held[start - 2 : start - 1] if start - 2 >= at else last
    return start if before in _MARKED and _NAME.fullmatch(held, start, end) else end


def _step(label: re.Match[str], held: str, at: int, *, steps: bool, final: bool) -> Aside | bool | None:
    """A line that begins with the name of a step."""
    name = label[1]
    if name == "Final Answer":
        return Aside(label.end())
    if name == "Action" and not steps and not _ACTION.match(held, at):
        return False if not final and _ACTION_BEGUN.match(held, at) else None
    if name == "Observation" and not steps:
        return None
    if not final and markup.OBJECT_BEGUN.match(held, label.end()):
        return False
    if name in ("Thought", "Observation"):
        following = _OBSERVED.search(held, label.end(), label.end() + _LONGEST_STEP)
        if following is None and not final and len(held) - label.end() < _LONGEST_STEP:
            return False
        if following is not None and following["label"]:  # its other lines are nobody's to hear either
            return Aside(following.start(), steps=True)
    is_object = markup.OBJECT.match(held, label.end()) is not None  # it may take several lines
    return Aside(label.end(), rest_of_line=not is_object, steps=True)


_SOFT = frozenset(
    "soft softly light lightly nervous deep long short brief slight small warm gentle quiet heavy".split()
)
_SOUNDS = frozenset("breath smile silence nod grin".split())
_ACTS = {
    "checks": "the my your calendar schedule notes records system screen list computer clock watch file files",
    "looks": "at through up over around down", "types": "", "shuffles": "", "scrolls": "", "glances": "", "leans": "",
    "consults": "", "clicks": "", "taps": "", "flips": "through", "pulls": "up", "thinks": "", "scribbles": "",
}  # fmt: skip
"""What actors do who look something up, and the words of which one must follow, if any must."""
_FIRST = markup.DIRECTIONS | _SOFT | _ACTS.keys() | {f"{verb[:-1]}ing" for verb in _ACTS}


def is_direction(words: str) -> bool:
    """Whether words in brackets or stars are told to an actor: "laughs softly", "soft chuckle", "checks the list"."""
    said = words.lower().replace(",", " ").split()
    if said[0] in markup.DIRECTIONS:
        return True
    second = said[1] if len(said) > 1 else ""
    if said[0] in _SOFT:
        return len(said) == 2 and second in markup.DIRECTIONS | _SOUNDS
    verb = said[0] if said[0] in _ACTS else f"{said[0].removesuffix('ing')}s"
    if verb not in _ACTS or (verb == said[0]) == said[0].endswith("ing"):
        return False
    return bool(second) and (not _ACTS[verb] or second in _ACTS[verb].split())


def may_be_direction(word: str, *, whole: bool) -> bool:
    """Whether a direction begins with this word, or with one that begins so."""
    word = word.lower()
    return word in _FIRST if whole else any(one.startswith(word) for one in _FIRST)
