"""Every word of a call with its state: queued, sent, heard or cut. The one source of what was said.

Invariant: `history` holds no word of ours that the caller's ear did not hear to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import UNSET, UnsetType

from bridge.call.actions import RECORDING, Interruption, Spoken, recording_from
from bridge.call.events import Word
from bridge.text.cleaning import Cleaner
from bridge.text.marks import plain

NOTHING_UNDERSTOOD = "(nothing understood)"
SPOKE = "(spoke)"
"""What people read where the caller spoke: without a recognised word, and where nobody listens for words."""


class Utterance:
    """One utterance of ours: its text, and its words as synthesis placed them in time."""

    def __init__(self, number: int, interruption: Interruption = "interruptible", *, by_bridge: bool = False) -> None:
        self.number = number
        self.by_bridge = by_bridge
        """Not the agent's words, but an apology or a goodbye of ours."""
        self.interruption = interruption
        self.voice: str | None = None
        self.by: str | UnsetType = UNSET
        """Which agent of a team says it."""
        self.cacheable = True
        self.language = ""
        """In which its text is written; empty: the language that the call began in."""
        self.text = ""
        """As the agent wrote it, with what is not said: tags, Markdown, pictures."""
        self.words: list[Word] = []
        self.audio_ms = 0.0
        self.complete = False
        """All its audio has arrived, so that `audio_ms` is its length."""
        self.heard_ms = 0.0
        self.cut = False
        self.mute = False
        """It was to be said, and not a sound came of it."""
        self._cleaner = Cleaner()
        self._of = self._cleaned = ""
        """The text that the cleaner has seen, and what it gave out: when more is written, nothing is cleaned anew."""
        self._said: str | None = ""
        """What of that text is said, once somebody has asked."""

    def write(self, text: str) -> None:
        """Add to the text, and clean what is added while it is short: later it would be one long piece of work."""
        self.text += text
        self._follow()

    def place(self, words: tuple[Word, ...]) -> None:
        """Note words that synthesis has placed in time."""
        self.words += words

    def finish(self, audio_ms: float) -> None:
        """Note the final length; words beyond it are pulled in, words that were never placed are spread over it."""
        self.audio_ms, self.complete = audio_ms, True
        if not self.words:
            self.words = list(spread(self.said, audio_ms))
        self.words = [
            Word(w.text, min(w.start_ms, int(audio_ms)), min(w.end_ms, int(audio_ms))) if w.end_ms > audio_ms else w
            for w in self.words
        ]

    @property
    def said(self) -> str:
        """What is said of the text: without tags, Markdown, pictures and all else that is nobody's to hear."""
        if self._said is None or self._of != self.text:
            self._follow()
            self._said = plain(self._cleaned + self._cleaner.would_finish())
        return self._said

    def _follow(self) -> None:
        """Clean what was added to the text, or all of it where it is another one."""
        if not self.text.startswith(self._of):
            self._cleaner, self._of, self._cleaned = Cleaner(), "", ""
        self._cleaned += self._cleaner.feed(self.text[len(self._of) :])
        self._of, self._said = self.text, None

    @property
    def all_heard(self) -> bool:
        """Whether the caller heard it to its end."""
        return self.complete and self.heard_ms >= self.audio_ms

    def heard_words(self, heard_ms: float | None = None) -> list[Word]:
        """Words heard to their end, now or when so much of the utterance is heard."""
        heard_ms = self.heard_ms if heard_ms is None else heard_ms
        return [w for w in self.words if w.end_ms <= heard_ms]

    def heard_text(self, heard_ms: float | None = None) -> str:
        """The text of what was heard, now or when so much of the utterance is heard."""
        if self.all_heard:
            return self.said
        return " ".join(w.text for w in self.heard_words(heard_ms))

    def rest_text(self, heard_ms: float | None = None) -> str:
        """What the caller has not heard to its end, from the first unheard word on."""
        tokens, heard = self.said.split(), self.heard_words(heard_ms)
        if [w.text for w in heard] == tokens[: len(heard)]:
            return " ".join(tokens[len(heard) :])
        return " ".join(w.text for w in self.words[len(heard) :])

    def rest_voice(self, heard_ms: float | None = None) -> str | None:
        """Which voice says the rest: a recording goes on where the caller stopped hearing it."""
        if self.voice is None or not self.voice.startswith(RECORDING):
            return self.voice
        return recording_from(self.voice, self.heard_ms if heard_ms is None else heard_ms)

    def word_start_ms(self, offset_ms: float) -> float:
        """Where the word that sounds at this offset begins; the offset itself if it lies between words."""
        for word in self.words:
            if word.start_ms <= offset_ms < word.end_ms:
                return float(word.start_ms)
        return offset_ms


def spread(text: str, audio_ms: float) -> Iterator[Word]:
    """Words laid over the audio in proportion to their letters: a guess for voices without word times."""
    tokens = text.split()
    total = sum(len(t) + 1 for t in tokens)
    at = 0
    for token in tokens:
        start, at = at, at + len(token) + 1
        yield Word(token, int(audio_ms * start / total), int(audio_ms * at / total))


def _heard(utterance: Utterance, heard_ms: float | None = None) -> Spoken:
    return Spoken("bot", utterance.heard_text(heard_ms), utterance.cut, utterance.by_bridge, utterance.by)


class Ledger:
    """Both sides of the conversation in order."""

    def __init__(self) -> None:
        self._entries: list[Utterance | Spoken] = []
        self._utterances: dict[int, Utterance] = {}

    def open(self, number: int, interruption: Interruption, *, by_bridge: bool = False) -> Utterance:
        """Begin an utterance of ours."""
        utterance = Utterance(number, interruption, by_bridge=by_bridge)
        self._entries.append(utterance)
        self._utterances[number] = utterance
        return utterance

    @property
    def entries(self) -> tuple[Utterance | Spoken, ...]:
        """Our utterances and the caller's turns in order, and first what was heard in another process."""
        return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, number: int) -> Utterance:
        return self._utterances[number]

    def __contains__(self, number: int) -> bool:
        return number in self._utterances

    def caller_said(self, text: str) -> None:
        """Note a turn of the caller; its text is empty where not a word was understood."""
        self._entries.append(Spoken("caller", text))

    def withdraw_caller(self) -> None:
        """Take the caller's last turn back, since it had not ended; a word of ours that was heard after it stays."""
        for i in range(len(self._entries) - 1, -1, -1):
            entry = self._entries[i]
            if isinstance(entry, Spoken) and entry.speaker == "caller":
                del self._entries[i]
                return

    def restore(self, history: tuple[Spoken, ...]) -> None:
        """Begin with what was heard before another process took the call over."""
        self._entries = list(history)

    def history(
        self, heard_ms: Mapping[int, float] = {}, *, wordless: str = "", first: int = 0, end: int | None = None
    ) -> tuple[Spoken, ...]:
        """What was really heard, both ways, neighbouring utterances of ours joined.

        `heard_ms` overrides how much of an utterance was heard: to ask what would have been, had the call ended now.
        `wordless` stands for a turn of the caller's of which not a word was understood; empty: such turns are left out.
        `first` and `end` are the entries between which it is told.
        """
        unknown = Spoken("caller", wordless)
        return joined(
            _heard(entry, heard_ms.get(entry.number))
            if isinstance(entry, Utterance)
            else (entry if entry.text or entry.speaker == "bot" else unknown)
            for entry in self._entries[first:end]
        )


def joined(turns: Iterable[Spoken]) -> tuple[Spoken, ...]:
    """Return a conversation without empty turns, and with neighbouring turns of the agent, or of the bridge, as one."""
    said: list[Spoken] = []
    for turn in turns:
        last = said[-1] if said else None
        if not turn.text:
            continue
        if last and turn.speaker == last.speaker == "bot" and turn.by_bridge == last.by_bridge and turn.by == last.by:
            interrupted = last.interrupted or turn.interrupted
            said[-1] = Spoken("bot", f"{last.text} {turn.text}", interrupted, turn.by_bridge, turn.by)
        else:
            said.append(turn)
    return tuple(said)
