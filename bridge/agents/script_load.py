"""Load a script's file into states that can run.

Both functions raise one ConfigError that lists every mistake of the file, a line each; what is odd but
can run (a state that no way leads to) becomes a warning of the script, with its file and line, too.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.addresses import is_address
from bridge.agents.script_check import find_mistakes, find_oddities
from bridge.agents.script_graph import without_end
from bridge.agents.script_hours import HoursSpec, OpeningHours, Standing, opening_hours
from bridge.agents.script_mistakes import Mistakes
from bridge.agents.script_schema import (
    Go,
    HttpSpec,
    Include,
    IntentSpec,
    Lines,
    LineSpec,
    ScriptSpec,
    StateSpec,
    StepSpec,
    parse,
)
from bridge.agents.script_states import (
    READ_OUT,
    VALUE,
    HoursCheck,
    HttpStep,
    Script,
    ScriptLine,
    State,
    Step,
    Switch,
    formats_of,
    slots_of,
)
from bridge.agents.tools.http import Request
from bridge.agents.transfers import Origin, TransferRefused, Transfers
from bridge.call.actions import Interruption
from bridge.errors import ConfigError
from bridge.text.spoken.languages import CODES, language
from bridge.understanding.phrases import Intent, normalise
from bridge.understanding.understand import ANSWER, ANSWERS

_SLOT = re.compile(r"\{\w+\}")
_KEYS = re.compile(r"[0-9*#A-D]+")
_LONGEST_PAUSE_S = 30.0
_LONGEST_REQUEST_S = 60.0
_CHECKS = (
    ("http", ("on_result", "on_failed"), ()),
    ("hours", ("open", "closed"), ("holiday",)),
    ("switch", ("otherwise",), ("cases",)),
)
"""What is looked at in a state: the ways on that it needs, and those that it may have."""


def load_script(path: Path, transfers: Transfers | None = None) -> Script:
    """Read and check a script file; `transfers` says whom callers may be connected to."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = f"not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ConfigError(f"{path}: the script cannot be read: {why}") from None
    return compile_script(text, str(path), transfers, beside(path))


def beside(path: Path) -> Include:
    """How a script that is this file includes others: their names are relative to its folder."""
    return lambda name: (path.parent / name).read_text(encoding="utf-8")


def compile_script(
    text: str, source: str, transfers: Transfers | None = None, include: Include | None = None
) -> Script:
    """Check a script's YAML and make it ready to run; `source` stands before each mistake."""
    script, mistakes = examined(text, source, transfers, include)
    if script is None or mistakes:
        raise ConfigError("\n".join(mistakes))
    return script


def examined(
    text: str, source: str, transfers: Transfers | None = None, include: Include | None = None
) -> tuple[Script | None, list[str]]:
    """A script as far as it can be made of its YAML, and all that is wrong with it, each with its file and line."""
    mistakes = Mistakes()
    spec = parse(text, mistakes, include)
    if mistakes and not spec.states:
        return None, mistakes.placed(source, mistakes)
    spoilt = tuple({mistake.partition(":")[0].partition(",")[0] for mistake in mistakes})
    read = len(mistakes)
    places = [mistake.partition(": ")[0] for mistake in mistakes]
    script = _Compiler(spec, mistakes, transfers or Transfers()).script()
    # what was taken out of a place is not missing there
    mistakes[read:] = [one for one in mistakes[read:] if not _follows(one.partition(": ")[0], places)]
    found = [mistake for mistake in find_mistakes(script) if mistake.partition(":")[0].partition(",")[0] not in spoilt]
    odd = [] if mistakes or found else find_oddities(script)
    odd += [f"state {name!r}: no way leads from here to the end of the call" for name in without_end(script)]
    script = dataclasses.replace(script, warnings=tuple(mistakes.placed(source, odd)))
    return script, mistakes.placed(source, [*mistakes, *found])


def _follows(place: str, spoilt: list[str]) -> bool:
    """Whether something inside this place could not be read, by a comma more than a state has."""
    return "," in place and any(one == place or one.startswith(f"{place}, ") for one in spoilt)


class _Compiler:
    """Turns specs into states, noting what does not fit on the way."""

    def __init__(self, spec: ScriptSpec, mistakes: Mistakes, transfers: Transfers) -> None:
        self._spec = spec
        self._transfers = transfers
        self._mistakes = mistakes
        self._hours = dict(self._opening_hours(spec.hours))
        self._intents = {name: self._intent(name, intent) for name, intent in spec.intents.items()}

    def script(self) -> Script:
        """Build the script from all that its file says."""
        spec = self._spec
        if not spec.states:
            self._mistakes.note("states", {}, "expected at least one state")
        return Script(
            name=spec.name,
            start=spec.start,
            states={name: self._state(name, state) for name, state in spec.states.items()},
            values=spec.values,
            parameters=frozenset(spec.parameters),
            transfers=self._transfers,
        )

    def _state(self, name: str, spec: StateSpec) -> State:
        where = f"state {name!r}"
        whole = self._spec
        interruption = spec.interruption or whole.interruption
        say = self._lines(spec.say, f"{where}, say", interruption)
        asked = tuple(line for line in say if line.text)[-1:]
        anywhere = [(intent, go, "anywhere") for intent, go in whole.anywhere.items()]
        here = [(intent, go, f"{where}, when") for intent, go in spec.when.items()]
        if spec.attempts < 0:
            self._mistakes.note(f"{where}, attempts", spec.attempts, "expected a number above 0")
        return State(
            name=name,
            say=say,
            ask=self._lines(spec.ask, f"{where}, ask", interruption) or asked,
            expect=self._expect(spec, where),
            hints=(*spec.hints, *spec.choices, *(word for words in spec.choices.values() for word in words)),
            choices={name: tuple(words) for name, words in spec.choices.items()},
            capture=spec.capture,
            intents=tuple(self._wanted([*here, *anywhere])),
            digits=self._keys(whole.anywhere_digits, "anywhere_digits") | self._keys(spec.digits, f"{where}, digits"),
            on_yes=self._step(spec.on_yes, f"{where}, on_yes"),
            on_no=self._step(spec.on_no, f"{where}, on_no"),
            on_answer=self._step(spec.on_answer, f"{where}, on_answer"),
            on_speech=self._step(spec.on_speech, f"{where}, on_speech"),
            no_input=self._lines(spec.no_input or whole.no_input, f"{where}, no_input", interruption),
            not_understood=self._lines(
                spec.not_understood or whole.not_understood, f"{where}, not_understood", interruption
            ),
            attempts=spec.attempts or max(1, whole.attempts),
            sure_from=self._sure_from(spec, where),
            read_back=self._read_back(spec, where, interruption),
            give_up=self._step(spec.give_up or whole.give_up, f"{where}, give_up"),
            onward=self._onward(spec, where),
            check=self._check(spec, where),
            language=self._language(spec.language, where),
            transfer_failed=self._lines(whole.transfer_failed, "transfer_failed", whole.interruption),
            on_transfer_failed=self._step(
                spec.on_transfer_failed or whole.on_transfer_failed, f"{where}, on_transfer_failed"
            ),
        )

    def _sure_from(self, spec: StateSpec, where: str) -> float:
        value = self._spec.sure_from if spec.sure_from is None else spec.sure_from
        if not 0 <= value <= 1:
            self._mistakes.note(f"{where}, sure_from", value, "expected a number from 0 to 1")
        return value

    def _read_back(self, spec: StateSpec, where: str, interruption: Interruption) -> tuple[ScriptLine, ...]:
        lines = self._lines(spec.read_back or self._spec.read_back, f"{where}, read_back", interruption)
        if lines and not any(VALUE in line.slots for line in lines):
            self._mistakes.note(f"{where}, read_back", lines[0].text, "expected `{value}` in it")
        return lines

    def _language(self, code: str, where: str) -> str:
        try:
            return language(code).code if code else ""
        except KeyError:
            self._mistakes.note(f"{where}, language", code, f"expected one of {', '.join(CODES)}")
            return ""

    def _expect(self, spec: StateSpec, where: str) -> str:
        if spec.expect and not ANSWER.fullmatch(spec.expect):
            self._mistakes.note(f"{where}, expect", spec.expect, f"expected {ANSWERS}")
        if (spec.expect == "choice") != bool(spec.choices) and (spec.expect or spec.choices):
            expected = "expected `choices` and `expect: choice` together"
            self._mistakes.note(f"{where}, choices", dict(spec.choices), expected)
        if spec.expect:
            return spec.expect
        if spec.on_yes or spec.on_no:
            return "yes_no"
        if spec.digits and not spec.when and not spec.on_speech:
            longest = max(len(keys) for keys in spec.digits)
            return f"digits:{longest}"
        return "open"

    def _wanted(self, entries: Iterable[tuple[str, Go, str]]) -> Iterable[tuple[Intent, Step]]:
        for name, go, where in entries:
            intent = self._intents.get(name)
            step = self._step(go, f"{where}, {name}")
            if intent is None:
                known = ", ".join(sorted(self._intents)) or "none yet"
                self._mistakes.note(where, name, f"expected the name of an intent; `intents` has {known}")
            elif step is not None:
                yield intent, step

    def _keys(self, entries: Mapping[str, Go], where: str) -> dict[str, Step]:
        steps: dict[str, Step] = {}
        for keys, go in entries.items():
            if not _KEYS.fullmatch(keys):
                self._mistakes.note(where, keys, "expected keys of a telephone: 0-9, *, #")
            step = self._step(go, f"{where}, {keys}")
            if step:
                steps[keys] = step
        return steps

    def _onward(self, spec: StateSpec, where: str) -> Step | None:
        go = StepSpec(goto=spec.goto, transfer=spec.transfer, summary=spec.summary, hang_up=spec.hang_up)
        return self._step(go, where) if spec.goto or spec.transfer or spec.hang_up else None

    def _opening_hours(self, specs: Mapping[str, HoursSpec]) -> Iterable[tuple[str, OpeningHours]]:
        for name, spec in specs.items():
            try:
                yield name, opening_hours(spec)
            except ValueError as error:
                self._mistakes.append(f"hours {name!r}, {error}")

    def _check(self, spec: StateSpec, where: str) -> HoursCheck | Switch | HttpStep | None:
        """What is looked at in this state, if anything is."""
        kinds = [key for key in ("http", "hours", "switch") if getattr(spec, key)]
        onward = [key for key in ("goto", "transfer", "hang_up") if getattr(spec, key)]
        if len(kinds) > 1 or (kinds and onward):
            ways = ", ".join([*kinds, *onward])
            self._mistakes.append(f"{where}: {ways}: expected only one of http, hours, switch, goto, transfer")
        self._check_keys(spec, kinds, where)
        if spec.hours:
            return self._hours_check(spec, where)
        if spec.switch:
            cases = {key.lower(): step for key, go in spec.cases.items() if (step := self._step(go, f"{where}, {key}"))}
            return Switch(spec.switch, cases, self._step(spec.otherwise, f"{where}, otherwise"))
        return None if spec.http is None else self._http(spec.http, spec, where)

    def _check_keys(self, spec: StateSpec, kinds: list[str], where: str) -> None:
        """Each kind of look needs its own ways on, and no others."""
        for kind, needed, more in _CHECKS:
            for key in (*needed, *more):
                if getattr(spec, key) and kind not in kinds:
                    self._mistakes.note(where, key, f"expected `{kind}` beside it")
            for key in needed:
                if kind in kinds and not getattr(spec, key):
                    self._mistakes.note(f"{where}, {kind}", key, f"expected `{key}`, which says where to go then")

    def _hours_check(self, spec: StateSpec, where: str) -> HoursCheck | None:
        hours = self._hours.get(spec.hours)
        if hours is None:
            known = ", ".join(sorted(self._spec.hours)) or "none yet"
            self._mistakes.note(
                f"{where}, hours", spec.hours, f"expected the name of opening hours; `hours` has {known}"
            )
            return None
        steps: dict[Standing, Step] = {}
        goes: tuple[tuple[Standing, Go], ...] = (
            ("open", spec.open),
            ("closed", spec.closed),
            ("holiday", spec.holiday or spec.closed),
        )
        for standing, go in goes:
            step = self._step(go, f"{where}, {standing}")
            if step:
                steps[standing] = step
        return HoursCheck(hours, steps)

    def _http(self, http: HttpSpec, spec: StateSpec, where: str) -> HttpStep:
        where = f"{where}, http"
        if not is_address(http.url) or "{" in http.url.split("/")[2]:
            expected = "expected an address that starts with http:// or https://, and a host without slots"
            self._mistakes.note(f"{where}, url", http.url, expected)
        for name in slots_of(http.url):
            if name in http.fields:
                self._mistakes.note(f"{where}, fields", name, "expected another name than the address has")
        if not 0 < http.deadline_s <= _LONGEST_REQUEST_S:
            self._mistakes.note(f"{where}, deadline_s", http.deadline_s, f"expected up to {_LONGEST_REQUEST_S:g}")
        statuses = {}
        for status, go in http.on_status.items():
            step = self._step(go, f"{where}, on_status, {status}")
            if not (status.isascii() and status.isdecimal() and len(status) == 3):
                self._mistakes.note(f"{where}, on_status", status, "expected a status such as 404")
            elif step:
                statuses[int(status)] = step
        filler = self._lines(http.filler, f"{where}, filler", self._spec.interruption)
        if not filler:
            self._mistakes.note(f"{where}, filler", http.filler, "expected words to say")
        return HttpStep(
            request=Request(http.method, http.url, frozenset(), http.headers),
            fields=http.fields,
            headers_env=http.headers_env,
            keep=http.keep,
            changes=http.method != "GET" if http.changes is None else http.changes,
            deadline_s=http.deadline_s,
            filler=(*filler, ScriptLine(""))[0],
            on_result=self._step(spec.on_result, f"{where}, on_result"),
            on_failed=self._step(spec.on_failed, f"{where}, on_failed"),
            on_status=statuses,
        )

    def _step(self, go: Go, where: str) -> Step | None:
        if not go:
            return None
        if isinstance(go, str):
            return Step(goto=go)
        ways = [key for key in ("goto", "transfer", "hang_up", "repeat") if getattr(go, key)]
        if len(ways) > 1:
            told = ", ".join(ways)
            self._mistakes.append(f"{where}: {told}: expected only one of goto, transfer, hang_up and repeat")
        if go.summary and not go.transfer:
            self._mistakes.note(where, "summary", "expected a transfer beside it")
        if go.transfer and not _SLOT.fullmatch(go.transfer):
            self._check_target(go.transfer, f"{where}, transfer")
        return Step(
            say=self._lines(go.say, f"{where}, say", self._spec.interruption),
            set=tuple(go.set.items()),
            goto=go.goto,
            transfer=go.transfer,
            summary=go.summary,
            hang_up=go.hang_up,
            repeat=go.repeat,
        )

    def _check_target(self, target: str, where: str) -> None:
        try:
            self._transfers.dialled(target, Origin.OPERATOR)
        except TransferRefused as refused:
            expected = (
                'expected an E.164 number such as "+15550100", a SIP address, a name of transfers.targets or a {slot}'
            )
            self._mistakes.note(where, target, f"{expected}; {refused}")

    def _lines(self, lines: Lines, where: str, interruption: Interruption) -> tuple[ScriptLine, ...]:
        if not lines:
            return ()
        listed = lines if isinstance(lines, list) else [lines]
        return tuple(self._line(line, where, interruption) for line in listed)

    def _line(self, spec: str | LineSpec, where: str, interruption: Interruption) -> ScriptLine:
        if isinstance(spec, str):
            spec = LineSpec(text=spec)
        if not spec.text.strip() and not spec.pause_s > 0:
            self._mistakes.note(where, spec.text, "expected words to say, or pause_s above 0")
        if not 0 <= spec.pause_s <= _LONGEST_PAUSE_S:
            self._mistakes.note(where, spec.pause_s, f"expected a pause_s of at most {_LONGEST_PAUSE_S:g}")
        if spec.text and spec.pause_s:
            self._mistakes.note(where, spec.text, "expected either a text or a pause_s, in two entries")
        for way in formats_of(spec.text):
            if way not in READ_OUT:
                self._mistakes.note(where, spec.text, f"a slot can be read out as {' or '.join(READ_OUT)}, not {way!r}")
        return ScriptLine(
            text=" ".join(spec.text.split()),
            pause_s=spec.pause_s,
            interruption=spec.interruption or interruption,
            voice=spec.voice or self._spec.voice,
        )

    def _intent(self, name: str, spec: list[str] | IntentSpec) -> Intent:
        where = f"intent {name!r}"
        if isinstance(spec, list):
            spec = IntentSpec(phrases=spec)
        if not (spec.phrases or spec.words or spec.patterns):
            self._mistakes.note(where, [], "expected phrases, words or patterns")
        return Intent(
            phrases=self._phrases(spec.phrases, f"{where}, phrases"),
            word_sets=self._phrases([" ".join(words) for words in spec.words], f"{where}, words"),
            patterns=tuple(self._patterns(spec.patterns, f"{where}, patterns")),
            unless=self._phrases(spec.unless, f"{where}, unless"),
        )

    def _phrases(self, phrases: list[str], where: str) -> tuple[tuple[str, ...], ...]:
        for phrase in phrases:
            if not normalise(phrase):
                self._mistakes.note(where, phrase, "expected words")
        return tuple(normalise(phrase) for phrase in phrases if normalise(phrase))

    def _patterns(self, patterns: list[str], where: str) -> Iterable[re.Pattern[str]]:
        for pattern in patterns:
            try:
                yield re.compile(pattern)
            except re.error as error:
                self._mistakes.note(where, pattern, f"expected a regular expression: {error}")
