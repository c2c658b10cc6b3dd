"""A whole call, written down: what another process needs to go on with it. Data only, and small.

Times are told as how long something has lasted, never as a time on anybody's clock. Audio is not kept: what the caller
has not heard is kept as words, to be made into speech again.

`encode` and `decode` are MessagePack; a state of another version is refused by name.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import UNSET, UnsetType

from bridge.call.actions import Interruption, Prompt, Say, Spoken
from bridge.call.commands import Disconnect, ExpectSpeech, Redirect
from bridge.call.events import Word
from bridge.call.ledger import joined
from bridge.call.settings import CallSettings
from bridge.errors import BadMessage

VERSION = 1
HISTORY_CHARACTERS = 12_000
"""Of what was said and heard, the latest; an hour's call has some 50,000, of which no agent needs the first."""
TIMED_WORDS = 200
"""Unheard words whose times are kept; later ones are kept without."""


class UnheardRest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The words of one utterance that the caller has not heard to their end."""

    text: str
    interruption: Interruption = "interruptible"
    voice: str | None = None
    cacheable: bool = True
    by_bridge: bool = False
    language: str = ""
    words: tuple[Word, ...] = ()
    """Those of them that are placed in time already, from the moment in which the state was written."""
    by: str | UnsetType = UNSET

    def say(self) -> Say:
        """The order to say them."""
        return Say(self.text, False, self.interruption, self.voice, self.cacheable, self.by, self.language)


class UnfinishedAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer that is still being written, and has brought words: whoever goes on has its rest written."""

    prompt: Prompt
    """What is answered; its history is left out, being the state's."""
    so_far: tuple[Say, ...]
    """The words that have come of it: heard, or among what is still to be said."""
    turns: int = 0
    """How many of the last turns in the history belong to it."""


class BotState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Our side: what was heard, what is still to be said, and what the agent was asked."""

    history: tuple[Spoken, ...] = ()
    rest: tuple[UnheardRest, ...] = ()
    """What was being said, or waited to be."""
    cut: tuple[UnheardRest, ...] = ()
    """What the caller has broken off, and will hear all the same if that was only a listener's noise."""
    utterance: int = 0
    """The number of the last utterance."""
    turn: int = 0
    """The number of the last prompt."""
    pending: Prompt | None = None
    """A prompt of whose answer nothing has come; its history is left out, being the state's."""
    unfinished: UnfinishedAnswer | None = None
    """The answer of which something has come, and not all."""
    replaces: bool = False
    """The next prompt replaces the last one."""
    unconfirmed: bool = False
    """The agent was not told yet that the last prompt counts."""
    expected: ExpectSpeech | None = None
    """The answer that is expected of the caller, and what the recogniser was told of it."""
    ending: Disconnect | Redirect | None = None
    """How the call ends once the last word was heard."""
    failures: int = 0
    language: str = ""
    """The call's language, where an agent has changed it."""


class TurnState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A turn of the caller that is not over."""

    text: str = ""
    """As far as it was recognised."""
    interrupted: bool = False


class CallerState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The caller's side: keys, the turn so far, and how the caller sounds."""

    keys: str = ""
    keys_ended: bool = False
    turn: TurnState | None = None
    no_input_attempts: int = 0
    wordless: int = 0
    caller_level_db: float | None = None
    room_level_db: float | None = None


class CallState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call at one moment. `bridge.call.machine.Call.state` writes it, `Call.resume` goes on from it."""

    version: int
    settings_hash: str
    length_s: float
    """How long the call has lasted."""
    bot: BotState
    caller: CallerState
    agent: bytes = b""
    """What the agent remembers (`bridge.agents.base.Agent.state`), which means something to it alone."""


def settings_hash(settings: CallSettings) -> str:
    """A short name of a call's settings; a state tells by it whether it was written under the same ones."""
    return sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:16]


def encode(state: CallState) -> bytes:
    """The state as bytes, for a store."""
    return msgspec.msgpack.encode(state)


def decode(data: bytes) -> CallState:
    """Read a state. Raises BadMessage for what is none, and for one of another version."""
    try:
        version = msgspec.msgpack.decode(data, type=_Versioned).version
        if version != VERSION:
            raise BadMessage(f"a call's state of version {version}; this release goes on from version {VERSION}")
        return msgspec.msgpack.decode(data, type=CallState)
    except msgspec.DecodeError as error:
        raise BadMessage(f"not a call's state: {error}") from None


class _Versioned(msgspec.Struct):
    version: int


def returned(state: CallState) -> CallState:
    """The state of a call that was transferred, for the caller who comes back: it has not ended, and all was said."""
    bot = msgspec.structs.replace(state.bot, ending=None, rest=(), cut=(), pending=None, unfinished=None)
    return msgspec.structs.replace(state, bot=bot, caller=msgspec.structs.replace(state.caller, turn=None))


def played_on(state: CallState, seconds: float) -> CallState:
    """The state after the voice has gone on for so long: what a crash left behind, when the stream has closed since.

    Only words that were placed in time count as heard by then. A caller who was heard meanwhile is not in it.
    """
    if seconds <= 0 or state.caller.turn is not None:
        return state
    past_ms = seconds * 1000
    rest, unfinished = state.bot.rest, state.bot.unfinished
    own = 0 if unfinished is None else max(len(state.bot.history) - unfinished.turns, 0)
    before, history = state.bot.history[:own], list(state.bot.history[own:])
    while rest:
        heard, left = _split(rest[0], past_ms)
        if heard:
            history.append(Spoken("bot", heard, by_bridge=rest[0].by_bridge, by=rest[0].by))
        if left is not None:
            rest = (left, *(_sooner(one, past_ms) for one in rest[1:]))
            break
        rest = rest[1:]
    answer = joined(history)
    if unfinished is not None:
        unfinished = msgspec.structs.replace(unfinished, turns=len(answer))
    bot = msgspec.structs.replace(state.bot, history=(*before, *answer), rest=rest, unfinished=unfinished)
    return msgspec.structs.replace(state, bot=bot, length_s=state.length_s + seconds)


def _split(rest: UnheardRest, past_ms: float) -> tuple[str, UnheardRest | None]:
    """What of it is heard within this time, and what is not."""
    heard = sum(word.end_ms <= past_ms for word in rest.words)
    tokens = rest.text.split()
    if heard >= len(tokens):
        return rest.text, None
    left = msgspec.structs.replace(rest, text=" ".join(tokens[heard:]), words=rest.words[heard:])
    return " ".join(tokens[:heard]), _sooner(left, past_ms)


def _sooner(rest: UnheardRest, past_ms: float) -> UnheardRest:
    """The same words, placed in time from so much later on."""
    words = tuple(Word(w.text, int(w.start_ms - past_ms), int(w.end_ms - past_ms)) for w in rest.words)
    return msgspec.structs.replace(rest, words=words)


def latest(history: tuple[Spoken, ...]) -> tuple[Spoken, ...]:
    """The end of a conversation that a state has room for."""
    room = HISTORY_CHARACTERS
    for place in range(len(history) - 1, -1, -1):
        room -= len(history[place].text)
        if room < 0:
            return history[place + 1 :] or (_shortened(history[place]),)
    return history


def _shortened(spoken: Spoken) -> Spoken:
    return msgspec.structs.replace(spoken, text=spoken.text[-HISTORY_CHARACTERS:])
