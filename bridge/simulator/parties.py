"""Whoever a caller is handed to: rung by a `<Dial>`, or by a call of their own, to meet the caller in a room.

A room is a carrier's conference: who waits in one that has not started hears its music, and when somebody leaves whose
leaving ends it, it is over for all. What a person does about being called is the scenario's `person`.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge.http import environment_proxy
from bridge.simulator.carriers.base import Webhook
from bridge.simulator.carriers.verbs import Dial, Gather, Hangup, Play, Redirect, Room, Say, Verb
from bridge.simulator.media_connection import whole_address
from bridge.simulator.trunk import Webhooks

if TYPE_CHECKING:
    from bridge.simulator.phone_call import PhoneCall

SAYING_S = 0.06
"""For each character that the carrier's own voice says."""
_TALKS_S = 1.0
_PLAIN = {"declined": "no_answer", "hangs_up": "no_answer"}
"""What becomes of a `<Dial>` with a person who would not take the call; a machine has answered it."""
_DOCUMENTS = 10


async def dial(phone: PhoneCall, verb: Dial, base: str) -> Webhook | None:
    """Ring somebody: they hear the announcement and are connected, or the caller comes back by this request."""
    person = phone.scenario.person
    phone.note("transfer", ", ".join(verb.targets))
    does = _PLAIN.get(person.does, person.does)
    if does in ("answered", "machine") or not verb.action:
        phone.facts.transferred_to = verb.targets[0]
        if verb.announce:
            asked = phone.company.party_answered(phone.call, whole_address(phone.company, base, verb.announce))
            verbs, _ = await phone.webhooks.document(asked)
            phone.facts.announced = " ".join(one.text for one in verbs if isinstance(one, Say))
            phone.note("announced", phone.facts.announced[:300])
        return None
    await asyncio.sleep(person.after_ms / 1000.0)
    phone.note("not_answered", does)
    action = whole_address(phone.company, base, verb.action)
    return phone.company.after_dial(phone.call, replace(verb, action=action), does)  # type: ignore[arg-type]


@dataclass(eq=False)
class Conference:
    """A room with somebody in it."""

    inside: set[object] = field(default_factory=set)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Conferences:
    """The rooms of one account, by name."""

    def __init__(self) -> None:
        self._meetings: dict[str, Conference] = {}

    def enter(self, verb: Room, who: object) -> Conference:
        """Go into a room, which begins to be one with the first who does."""
        meeting = self._meetings.setdefault(verb.name, Conference())
        meeting.inside.add(who)
        if verb.starts and len(meeting.inside) > 1:
            meeting.started.set()
        return meeting

    def leave(self, verb: Room, who: object) -> None:
        """Go out of it again."""
        meeting = self._meetings.get(verb.name)
        if meeting is not None and who in meeting.inside:
            meeting.inside.discard(who)
            if verb.ends or not meeting.inside:
                meeting.over.set()
                self._meetings.pop(verb.name, None)


async def wait_in_room(phone: PhoneCall, verb: Room, base: str) -> Webhook | None:
    """The caller waits, and talks; the request of what comes after, or None where another course is ordered, or they
    have hung up."""
    meeting = phone.rooms.enter(verb, phone)
    phone.note("on_hold", verb.name)
    try:
        await _music(phone, verb, base)
        patience_s = phone.scenario.person.caller_waits_ms / 1000.0
        await _first(patience_s, phone.ordered, meeting.started.wait(), meeting.over.wait())
        if phone.ordered.done():
            return None
        after = phone.company.document(phone.call, whole_address(phone.company, base, verb.action), "POST", "completed")
        if not meeting.started.is_set() and not meeting.over.is_set():
            phone.hang_up("hung up while on hold")
            phone.rooms.leave(verb, phone)
            await phone.webhooks.notify(after)
            return None
        if meeting.started.is_set():
            phone.note("connected", "with whoever was called")
            await _first(None, phone.ordered, meeting.over.wait())
            if phone.ordered.done():
                return None
        return phone.company.document(phone.call, after.url, "POST", "in-progress")
    finally:
        phone.rooms.leave(verb, phone)


async def _music(phone: PhoneCall, verb: Room, base: str) -> None:
    """Listen to what is played in a room that has not started: a document of the server's, and the sound it names."""
    if not verb.music:
        return
    document = phone.company.document(phone.call, whole_address(phone.company, base, verb.music), "GET", "in-progress")
    verbs, _ = await phone.webhooks.document(document)
    for one in verbs:
        if not isinstance(one, Play):
            raise phone.company.error("document", f"<{type(one).__name__}> cannot be heard on hold")
        url = phone.webhooks.real_address(whole_address(phone.company, base, one.url))
        async with phone.session.get(url, proxy=environment_proxy(url)) as answer:
            sound = await answer.read()
        if answer.status == 200 and _is_heard(sound):
            phone.facts.music = one.url
            phone.note("music", one.url)


def _is_heard(sound: bytes) -> bool:
    try:
        with wave.open(io.BytesIO(sound)) as file:
            return any(file.readframes(file.getnframes()))
    except (wave.Error, EOFError):
        return False


async def _first(seconds: float | None, *what: object) -> None:
    """Wait for whatever comes first."""
    tasks = [asyncio.ensure_future(one) for one in what]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task, one in zip(tasks, what, strict=True):
            if task is not one:
                task.cancel()


class PersonCall:
    """A call to somebody that the server asked for by REST, for the caller of another."""

    def __init__(self, phone: PhoneCall, target: str, url: str, told: str, *, events: str = "completed") -> None:
        """`events` are those of the call that are told, apart from its end, which always is."""
        self.company = phone.company
        self.call = phone.company.new_call(phone.call.called, target, f"{phone.call.seed}/person")
        self.over = False
        self.answered = False
        self._events = events.split()
        self._phone = phone
        self._url = url
        self._told = told
        self._webhooks = Webhooks(phone.trunk, self.call, phone.session)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def order(self, what: Sequence[Verb] | Webhook) -> None:
        """The server ends this call: all that it may do to it here."""
        if not isinstance(what, Webhook) and any(isinstance(one, Hangup) for one in what) and not self._ended.done():
            self._phone.note("person_hung_up_on" if self.answered else "ringing_stopped", self.call.called)
            self._ended.set_result(None)

    async def run(self) -> None:
        """Ring, and do what this person does about it; then report how it ended."""
        person, phone = self._phone.scenario.person, self._phone
        phone.note("person_rings", self.call.called)
        if "initiated" in self._events:
            await self._report("initiated")
        await asyncio.wait([self._ended], timeout=person.after_ms / 1000.0)
        status = "canceled"
        if not self._ended.done():
            status = "completed"
            if person.does in ("busy", "no_answer", "failed"):
                phone.note("not_answered", person.does)
                status = person.does.replace("_", "-")
            else:
                self.answered = True
                talk = asyncio.ensure_future(self._answered())
                await asyncio.wait([talk, self._ended], return_when=asyncio.FIRST_COMPLETED)
                talk.cancel()
        self.over = True
        await self._report(status)

    async def _report(self, status: str) -> None:
        if not self._phone.scenario.carrier.status_callbacks:
            return
        await self._webhooks.notify(self.company.outgoing(self.company.document(self.call, self._told, "POST", status)))

    async def _answered(self) -> None:
        course = self.company.document(self.call, self._url, "POST", "in-progress")
        for _ in range(_DOCUMENTS):
            verbs, _text = await self._webhooks.document(self.company.outgoing(course))
            following = await self._follow(verbs, course.url)
            if following is None:
                return
            course = following

    async def _follow(self, verbs: Sequence[Verb], base: str) -> Webhook | None:
        for verb in verbs:
            match verb:
                case Say():
                    if not await self._hears(verb):
                        return None
                case Gather():
                    if not all([await self._hears(one) for one in verb.says]):
                        return None
                    key = {"answered": self._phone.scenario.person.presses, "declined": "2"}.get(
                        self._phone.scenario.person.does, ""
                    )
                    if key:
                        self._phone.note("person_presses", key)
                        asked = self.company.document(
                            self.call, whole_address(self.company, base, verb.action), "POST", "in-progress"
                        )
                        return replace(asked, form={**asked.form, "Digits": key})
                    await asyncio.sleep(verb.seconds)
                case Room():
                    await self._meets(verb)
                case Redirect():
                    return self.company.redirected(self.call, verb)
                case _:
                    return None
        return None

    async def _hears(self, verb: Say) -> bool:
        """Listen to the carrier's voice; False when they hang up in the middle."""
        hangs_up = self._phone.scenario.person.does == "hangs_up"
        await asyncio.sleep(SAYING_S * len(verb.text) * (0.5 if hangs_up else 1.0))
        if not hangs_up:
            self._phone.facts.announced = verb.text
            self._phone.note("announced", verb.text[:300])
        return not hangs_up

    async def _meets(self, verb: Room) -> None:
        rooms = self._phone.rooms
        meeting = rooms.enter(verb, self)
        try:
            if meeting.started.is_set():
                self._phone.facts.transferred_to = self.call.called
            await _first(_TALKS_S, meeting.over.wait())
        finally:
            rooms.leave(verb, self)
