"""How patient, how polite, how far ahead: the settings of a call, with their units in their names."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from bridge.text.sentences import sentences

_SENTENCES = ("not_understood", "apology", "last_apology", "goodbye", "time_is_up", "shutdown", "filler")
"""Settings with a sentence of ours in every language (`bridge.text.sentences`)."""
_DIALLED = re.compile(r"\+[1-9]\d{6,14}|sips?:[^\s@<>\"]+@[^\s@<>\"]+", re.ASCII)


class FloorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When caller speech over the bot counts as an interruption (`bridge.call.floor`)."""

    on_suspicion: Literal["duck", "hold", "ignore"] = "duck"
    """What suspected speech does to our voice: lower it, silence it, or nothing until it is confirmed."""
    duck_db: float = -18.0
    suspect_probability: float = 0.3
    """A window of at least this probability raises a suspicion over our voice: being early costs a soft word."""
    probability: float = 0.5
    """A window of at least this probability is speech."""
    confirm_ms: int = 260
    """A suspicion that has lasted this long is an interruption, if enough of it was speech."""
    backchannel_ms: int = 900
    """The same while a live recogniser has heard nothing but a listener's noises ("yeah", "mm-hm")."""
    voiced_ratio: float = 0.7
    """How much of `confirm_ms` must be speech; gaps between words are allowed."""
    gap_ms: int = 130
    """In a pause of the caller's own turn, speech this soon after the last goes on with it, however short."""
    restore_ms: int = 400
    """Suspicion that has not grown into an interruption after this much silence was a false alarm."""
    words_ms: int = 900
    """The same while the recogniser is asked whether that was a word ("no", "stop"); 0: it is not asked."""
    below_caller_db: float = 14.0
    """Speech this far below the caller's own running level is somebody else in the room."""
    minimum_level_db: float = -52.0
    above_noise_db: float = 4.0
    """Sound that stands out of the line's own noise by less cannot take the floor: the voice model still hears the last
    word in it for a while, and a caller this soft could not be understood."""
    echo: float = 0.6
    """Activity explained this well by our own voice is echo."""
    protect_start_ms: int = 300
    """The first utterance cannot be broken off this soon: an open microphone must not starve it."""


class EndpointSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the caller's turn is over (`bridge.call.endpointing`)."""

    guess_ms: int = 120
    """Silence after which the recogniser and the end-of-turn model are asked."""
    speculate: bool = True
    """Begin the answer as soon as the words are known; none of it is sent before the turn is over."""
    short_ms: int = 420
    """Silence that ends a turn which sounds finished."""
    doubtful_ms: int = 780
    """Silence that ends a turn which may be finished."""
    unheard_ms: int = 650
    """Silence that ends a turn of which nobody can tell how finished it sounds, there being no recogniser."""
    long_ms: int = 1250
    """Silence that ends a turn which sounds unfinished."""
    lone_ms: int = 640
    """The most that ends a turn of one short sound, a word or none known: the tone of so short a sound says little."""
    ceiling_ms: int = 2000
    """Silence that ends any turn, whatever is still unanswered."""
    second_thoughts_ms: int = 1000
    """While less of an answer than this was heard, a caller who speaks goes on with the turn before: nobody reacts so
    soon. The answer is taken back then, and does not count before. 0: until a first word of it was heard."""
    unsettled_ms: int = 800
    """Silence that ends a turn whose words so far are complete, though a live recogniser has not settled them."""
    finished_probability: float = 0.65
    """A turn is taken for finished from this probability on, all that is known weighed (`bridge.call.completion`)."""
    doubtful_probability: float = 0.35
    """Below it a turn sounds unfinished."""
    decided_by: Literal["ours", "engine", "either"] = "ours"
    """Whose word ends a turn: ours, that of a recogniser which has an opinion, or whichever comes first. With `engine`
    our longest silence still ends any turn."""
    engine_strength: float = 0.5
    """Weaker opinions of the recogniser count for nothing."""
    words_every_s: float = 10.0
    """A turn without a pause is recognised as far as it goes this often."""
    longest_turn_s: float = 60.0
    voice_probability: float = 0.75
    """Windows of at least this probability were a voice, for `not_understood`: a lone word may have few of them."""
    voice_ms: int = 64
    """So much of a turn, behind the two windows that began it, must have been a voice for its speaker to be asked
    again when no word of it was recognised. A cough seldom has as much."""


class PlayoutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far ahead of the caller's ear audio is sent (`bridge.call.playout`)."""

    lead_ms: int = 200
    """Bound of the carrier's buffer in calm weather; between this and a message less is kept there."""
    lead_max_ms: int = 400
    """The bound may widen to this when underruns or jitter ask for it."""
    uncleared_lead_ms: int = 120
    """The same bound where the carrier cannot clear: all that lies there is heard after an interruption, too."""
    uncleared_lead_max_ms: int = 240
    mark_ms: int = 200
    reserve_ms: int = 800
    """Audio kept ready beyond the lead; nothing more is pulled from synthesis."""
    mark_deadline_ms: int = 3000
    """Once the clock says that all was heard, wait this long for the last mark."""
    unanswered_ms: int = 1500
    """Audio sent beyond the last echoed mark, lead and round trip aside, before sending stops."""
    stalled_s: float = 60.0
    """A carrier that echoes nothing for this long while we wait is given up."""


class FallbackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where callers go whose agent cannot be had at all."""

    transfer: str = ""
    """An E.164 number or a SIP address; empty: they hear `last_apology`, and the call ends."""
    text: str = "I'm sorry, something went wrong on our side. I'll connect you to somebody who can help."
    """Said to the caller before that."""

    def __post_init__(self) -> None:
        if self.transfer and not _DIALLED.fullmatch(self.transfer):
            raise ValueError(
                f'transfer {self.transfer!r}: expected an E.164 number such as "+15550100" or a SIP address'
            )


class CallSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a call's decisions depend on besides its events."""

    floor: FloorSettings = FloorSettings()
    endpoint: EndpointSettings = EndpointSettings()
    playout: PlayoutSettings = PlayoutSettings()
    shadow: FloorSettings | None = None
    """A second set of floor settings that is judged on the same call without acting."""
    listens: bool = True
    """False: no recogniser; the end of a caller's turn is reported to the agent without words."""
    no_input_s: float = 7.0
    """Silence of the caller's after which the agent is told of it; 0: it is never told, and the call goes on."""
    no_input_limit: int = 3
    inter_digit_s: float = 3.0
    answer_ends_with_question: bool = True
    """An expected answer that an agent declared ends when the agent replies to it. False: it stays until another."""
    longest_call_s: float = 3600.0
    agent_deadline_s: float = 10.0
    speech_deadline_s: float = 4.0
    failure_limit: int = 3
    """This many failures of agent or speech in a row end the call."""
    language: str = "en"
    """The language that callers are expected to speak, a tag such as `en-US`; a prompt may name another. The sentences
    below are said in it unless they are set (`bridge.text.sentences`)."""
    hints: tuple[str, ...] = ()
    """Words that any caller may say, for the recogniser: names, products."""
    not_understood: str = "Sorry, could you say that again?"
    """Said when somebody surely spoke and no word was recognised, at most twice in a row; empty: never."""
    apology: str = "I'm sorry, I had a problem for a moment. Could you say that again, please?"
    last_apology: str = "I'm sorry, something went wrong on our side. Please call again later. Goodbye."
    fallback: FallbackSettings = FallbackSettings()
    interruptible_goodbye: bool = False
    """A caller who speaks over the agent's goodbye, or over ours for want of an answer, holds the line."""
    goodbye: str = "I still can't hear you, so I'll hang up now. Goodbye."
    time_is_up: str = "We have reached the end of our time. Goodbye."
    shutdown: str = "I'm sorry, I have to end this call now. Please call again in a moment. Goodbye."
    """Said to those who are still there when the service stops; empty: what was begun is finished, and that is all."""
    filler: str = "One moment."
    """Said before an answer that is late while the service has too much to do (`gateway.pressure`); empty: nothing."""

    def __post_init__(self) -> None:
        """Sentences that were left alone are said in the call's language."""
        own = sentences(self.language)
        for field in _SENTENCES:
            if getattr(self, field) == sentences("en")[field]:
                msgspec.structs.force_setattr(self, field, own[field])
        if self.fallback.text == sentences("en")["fallback"]:
            fallback = msgspec.structs.replace(self.fallback, text=own["fallback"])
            msgspec.structs.force_setattr(self, "fallback", fallback)
