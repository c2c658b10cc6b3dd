"""Twilio ConversationRelay on the wire, from the relay's end: what an application is told, and what it answers.

An application written for the relay is a WebSocket server: we open the socket as Twilio does, tell it what the caller
says, and say what it writes. One `RelaySession` a call keeps the rules of its talk cycles. No socket, no clock.

Sources: https://www.twilio.com/docs/voice/conversationrelay/websocket-messages and
https://www.twilio.com/docs/voice/twiml/connect/conversationrelay (August 2026); `info` messages as four public
applications read them. What no page says is marked "ours".
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Literal

import msgspec

from bridge.carriers.twilio.signatures import SIGNATURE, sign
from bridge.errors import BadMessage

AUTH_TOKEN_VARIABLE = "TWILIO_AUTH_TOKEN"
"""The environment variable whose value signs the handshake, unless the settings name another."""
INVALID_MESSAGE = 64107
"""Twilio's error for a message that cannot be read; the session goes on without it."""

Interruptible = Literal["none", "dtmf", "speech", "any"]
"""What breaks off our voice: nothing, keys, speech, or both."""

_DIGITS = re.compile(r"[0-9*#wW]{1,90}", re.ASCII)
_MOST_LOOPS = 1000
_LONGEST_SOURCE = 2000
_LONGEST_TAG = 35
_MOST_UNANSWERED = 50
"""Prompts and keys; an application that has answered none of so many is told of the last ones."""
_MOST_SAID = 4_000
"""Characters of an answer that are told apart from its repetition."""
_SHOWN = 120


class AppText(msgspec.Struct, frozen=True, tag="text", kw_only=True):
    """Some words of a talk cycle, which `last` ends."""

    token: str
    last: bool = False
    lang: str | None = None
    interruptible: Interruptible | bool | None = None
    preemptible: bool | None = None
    preempts: bool = False
    """Ours: it begins a cycle, and the cycle before allows it to cut that one short."""


class AppPlay(msgspec.Struct, frozen=True, tag="play", kw_only=True):
    """Play the sound at this address; 0 loops are as many as Twilio plays, a thousand."""

    source: str
    loop: int = 1
    interruptible: Interruptible | bool | None = None
    preemptible: bool | None = None
    preempts: bool = False
    """Ours: the cycle before allows it to cut that one short."""


class AppDigits(msgspec.Struct, frozen=True, tag="sendDigits"):
    """Let the other end of the line hear these keys; `w` is a pause of half a second."""

    digits: str


class AppLanguage(msgspec.Struct, frozen=True, tag="language", rename="camel"):
    """Speak, or listen, in another language from now on."""

    tts_language: str | None = None
    transcription_language: str | None = None


class AppEnd(msgspec.Struct, frozen=True, tag="end", rename="camel"):
    """End the session; the call goes on as the caller of the application decides, who gets these data."""

    handoff_data: Any = None

    @property
    def handoff(self) -> str:
        """The data as text: Twilio passes a text on as it is, and some applications send an object."""
        data = self.handoff_data
        return data if isinstance(data, str) else "" if data is None else msgspec.json.encode(data).decode()


AppMessage = AppText | AppPlay | AppDigits | AppLanguage | AppEnd
"""Everything that an application may send."""

_decoder: msgspec.json.Decoder[AppMessage] = msgspec.json.Decoder(AppMessage)


def handshake_headers(auth_token: str, url: str) -> dict[str, str]:
    """The signature of the WebSocket's handshake, over the `wss://` address alone; nothing without a token."""
    return {SIGNATURE: sign(auth_token, url)} if auth_token else {}


class RelaySession:
    """One session with an application: what to send it, and what its messages mean while callers interrupt."""

    def __init__(self, session_id: str, *, preemptible: bool = False) -> None:
        self.session_id = session_id
        self._preemptible = preemptible
        self._cycle_open = False
        self._awaited = False
        """The application was told something, and has not said a word since."""
        self._dropping = False
        """The caller has broken a cycle off whose rest is still on its way."""
        self._may_be_cut = False
        """The last cycle allows the next one to cut it short."""
        self._unanswered: deque[str] = deque(maxlen=_MOST_UNANSWERED)
        """What the application was told since it sent anything, as it would be told once more."""
        self._answering: tuple[str, ...] = ()
        """What it was told before that, and has begun to answer, or has answered."""
        self._said = self._said_before = ""
        """Its words since; and what they were before it was lost, while it may repeat them."""

    @property
    def cycle_open(self) -> bool:
        """Whether the application is in the middle of saying something."""
        return self._cycle_open

    @property
    def unanswered(self) -> tuple[str, ...]:
        """What the application was told and has not answered, or not to the end, as it would be told once more."""
        return (*(self._answering if self._cycle_open else ()), *self._unanswered)

    @property
    def said(self) -> str:
        """The words of the answer that it is in the middle of, if it was told anything to be answered."""
        return self._said_before if self._said_before.startswith(self._said) else self._said

    def owes(self, words: str, language: str) -> bool:
        """Whether the application was told that the caller said this, and has not answered it to the end."""
        return _once_more(words, language) in self.unanswered

    def resume(self, session_id: str, unanswered: tuple[str, ...], said: str = "") -> None:
        """Be the session of this name, to go on with it on a socket of its own."""
        self.session_id = session_id
        self._unanswered.extend(unanswered)
        self._said_before = said

    # -- to the application ------------------------------------------------------------------------

    def setup(
        self,
        *,
        call_id: str,
        account_id: str,
        from_number: str,
        to_number: str,
        parameters: dict[str, str],
        outbound: bool = False,
    ) -> str:
        """The first message of every socket."""
        return _text(
            type="setup",
            sessionId=self.session_id,
            accountSid=account_id,
            parentCallSid="",
            callSid=call_id,
            **{"from": from_number},
            to=to_number,
            forwardedFrom="",
            callType="PSTN",
            callerName="",
            direction="outbound-api" if outbound else "inbound",
            callStatus="IN-PROGRESS" if outbound else "RINGING",
            customParameters=parameters,
        )

    def prompt(self, words: str, language: str, *, last: bool = True) -> str:
        """What the caller said; without `last` a first version of it, while they speak."""
        if last:
            self._awaited, self._dropping, self._said_before = True, False, ""
            self._unanswered.append(_once_more(words, language))
        return _text(type="prompt", voicePrompt=words, lang=language, last=last)

    def dtmf(self, digit: str) -> str:
        """One key that the caller pressed."""
        self._awaited, self._dropping = True, False
        self._unanswered.append(_text(type="dtmf", digit=digit, again=True))
        return _text(type="dtmf", digit=digit)

    def interrupt(self, heard: str, heard_ms: int) -> str:
        """The caller has broken us off, having heard these words.

        What is still to come of the cycle is dropped until its `last`, or until the application is told something new
        (ours: no page says what becomes of it).
        """
        self._dropping = self._cycle_open or self._awaited
        self._awaited = self._may_be_cut = False
        self._unanswered.clear()
        self._answering, self._said_before = (), ""
        return _text(type="interrupt", utteranceUntilInterrupt=heard, durationUntilInterruptMs=heard_ms)

    def again(self) -> list[str]:
        """What an application that was lost has not answered, told once more: `again` marks it (ours, on no page).

        Of a cycle that it has begun nothing more comes, so what that answered is told once more, too.
        """
        unanswered, self._said_before = self.unanswered, self.said if self._cycle_open else self._said_before
        self._unanswered.clear()
        self._unanswered.extend(unanswered)
        self._cycle_open = self._dropping = self._may_be_cut = False
        return list(unanswered)

    def error(self, description: str) -> str:
        """Tell the application what it did wrong."""
        return _text(type="error", description=f"{INVALID_MESSAGE}: {description}")

    def speaker(self, who: Literal["agentSpeaking", "clientSpeaking"], on: bool, epoch_ms: int) -> str:
        """Tell who has begun to speak, or has stopped."""
        return _text(type="info", name=who, value="on" if on else "off", ts=epoch_ms)

    def tokens_played(self, words: str) -> str:
        """Tell which words the caller has heard since the last message of this kind."""
        return _text(type="info", name="tokensPlayed", value=words)

    # -- from the application ----------------------------------------------------------------------

    def read(self, raw: str | bytes) -> AppMessage | None:
        """What the application wants; None for what belongs to a cycle that was broken off.

        Raises BadMessage saying what is wrong with a message, which then counts for nothing.
        """
        message = self._read(raw)
        if message is None:
            return None
        if self._unanswered:
            self._answering, self._said = tuple(self._unanswered), ""
            self._unanswered.clear()
        if isinstance(message, AppText) and len(self._said) < _MOST_SAID:
            self._said += message.token
        return message

    def _read(self, raw: str | bytes) -> AppMessage | None:
        try:
            message = _decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise BadMessage(f"invalid message: {str(error)[:_SHOWN]}") from None
        match message:
            case AppText():
                return self._text(message)
            case AppPlay():
                return self._play(message)
            case AppDigits(digits) if not _DIGITS.fullmatch(digits):
                raise BadMessage("invalid message: digits: expected 1 to 90 of 0-9, *, #, w")
            case AppLanguage(spoken, heard):
                for name, tag in (("ttsLanguage", spoken), ("transcriptionLanguage", heard)):
                    _check_tag(name, tag)
        return message

    def _text(self, text: AppText) -> AppText | None:
        _check_tag("lang", text.lang)
        if self._dropping:
            self._dropping = not text.last
            self._cycle_open = False
            return None
        begins = not self._cycle_open
        self._cycle_open, self._awaited = not text.last, False
        preempts = begins and self._may_be_cut
        if begins or text.preemptible is not None:
            self._may_be_cut = self._preemptible if text.preemptible is None else text.preemptible
        return msgspec.structs.replace(text, preempts=preempts)

    def _play(self, play: AppPlay) -> AppPlay | None:
        if not play.source.startswith(("https://", "http://")) or len(play.source) > _LONGEST_SOURCE:
            raise BadMessage("invalid message: source: expected the address of a sound, https://...")
        if not 0 <= play.loop <= _MOST_LOOPS:
            raise BadMessage(f"invalid message: loop: expected 0 to {_MOST_LOOPS}")
        if self._dropping:
            return None
        preempts, self._awaited = self._may_be_cut and not self._cycle_open, False
        self._may_be_cut = self._preemptible if play.preemptible is None else play.preemptible
        return msgspec.structs.replace(play, preempts=preempts)


def _check_tag(name: str, tag: str | None) -> None:
    if tag is not None and not (0 < len(tag) <= _LONGEST_TAG and all(c.isalnum() or c == "-" for c in tag)):
        raise BadMessage(f"invalid message: {name}: expected a language such as en-US")


def _once_more(words: str, language: str) -> str:
    return _text(type="prompt", voicePrompt=words, lang=language, last=True, again=True)


def _text(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()
