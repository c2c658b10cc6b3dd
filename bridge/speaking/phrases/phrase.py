"""A spoken phrase that is ready to send, the key it is kept under, and its bytes at rest. Pure."""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.audio.mulaw import decode
from bridge.call.events import Word
from bridge.errors import BadMessage
from bridge.text import marks
from bridge.text.spoken.form import RULES_VERSION

WORKER = "worker"
"""The provider that every service has: its speech workers."""
FORMAT_VERSION = 3
"""Of the key and of the bytes at rest; entries of another version are ignored."""

_QUIET_DB = -42.0
"""Relative to the loudest 10 ms: below this it counts as pause."""
_STEP_MS = 10
_LONGEST_MEASURED_MS = 600
_MAGIC = b"BPHR"
_HEADER = struct.Struct("<4sHHI16s")
"""Magic, format version, zero, length of the description, checksum of all that follows."""

_CAPITONYMS = frozenset(
    "august polish job lima mobile nice reading tangier herb rainier natal said degas ravel worms slough".split()
)
"""Words whose sound changes with their capital: `Polish` is a people, `polish` is for shoes."""
_SPACE_BEFORE_MARK = re.compile(r" +(?=[.,!?;:…]+(?: |$))")
_FIRST_WORD = re.compile(r"[\"'(\[]*([^\W\d_]+)(?!\.[^\W\d_])")


def normalise(text: str) -> str:
    """The form of a text under which it is kept: what sounds the same meets, nothing else does.

    - Unicode is composed (NFC), white space is one space, and a space before a mark goes: `hello !` is `hello!`.
    - The capital of the first word goes, since it only says that a sentence begins: `Hello!` is `hello!`.
      It stays where case is sound: all capitals (`US` is not `us`), single letters (`A` may be the letter),
      names that are other words without it (`Polish`), and every later word.
    - Marks stay, because they are intonation: `Yes?` is not `Yes.`. Digits stay apart: `1 0` is not `10`.

    Where in doubt, two texts do not meet: that costs one synthesis, the other mistake would say a wrong word.
    """
    text = _SPACE_BEFORE_MARK.sub("", " ".join(unicodedata.normalize("NFC", text).split()))
    first = _FIRST_WORD.match(text)
    if first:
        word = first[1]
        if len(word) > 1 and word[0].isupper() and word[1:].islower() and word.lower() not in _CAPITONYMS:
            text = text[: first.start(1)] + word.lower() + text[first.end(1) :]
    return text


class PhraseKey(msgspec.Struct, frozen=True, dict=True):
    """Everything the sound depends on, and whose it is. `text` is normalised."""

    text: str
    voice: str
    """What its provider calls the voice."""
    engine: str
    """Engine and model version, as the provider names it."""
    speed: float = 1.0
    tenant: str = "default"
    format: str = MULAW_8000.name
    provider: str = WORKER
    """Who speaks: the same voice's name means another sound elsewhere."""
    language: str = ""
    """In which the text is read; empty: as the provider reads it."""

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits that name it in every tier."""
        parts = (FORMAT_VERSION, RULES_VERSION, *(getattr(self, name) for name in self.__struct_fields__))
        return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()

    @property
    def audio_format(self) -> AudioFormat:
        """The format of its audio."""
        return FORMATS[self.format]


class Phrase(msgspec.Struct, frozen=True, dict=True):
    """A phrase ready to send.

    audio   in the key's format, whole frames of 20 ms
    words   the text's tokens, in milliseconds from the first sample
    """

    key: PhraseKey
    audio: bytes
    words: tuple[Word, ...] = ()
    loudness_db: float = -120.0
    """Level of the speech in it, pauses left out, in dBFS."""
    synthesis_ms: float = 0.0
    """What it took to make, and so what a hit saves."""

    @property
    def audio_ms(self) -> int:
        """The length of the phrase's audio in milliseconds."""
        return len(self.audio) // self.key.audio_format.bytes_per_ms

    @cached_property
    def quiet_start_ms(self) -> int:
        """Milliseconds of silence at the start of the audio, as `quiet_ms` measures it."""
        return quiet_ms(self.audio, self.key.audio_format, at_end=False)

    @cached_property
    def quiet_end_ms(self) -> int:
        """Milliseconds of silence at the end of the audio, as `quiet_ms` measures it."""
        return quiet_ms(self.audio, self.key.audio_format, at_end=True)

    @property
    def cost(self) -> int:
        """Bytes it takes in memory, about."""
        return len(self.audio) + 120 * len(self.words) + len(self.key.text) + 800

    def words_of(self, text: str) -> tuple[Word, ...]:
        """The word times under another spelling of the same text, so that a ledger reads what its agent wrote."""
        return relabel(self.words, text)


class CacheEntry(msgspec.Struct, frozen=True):
    """One line of the cache's list."""

    digest: str
    tenant: str
    voice: str
    engine: str
    text: str
    bytes: int
    audio_ms: int
    used_at: float
    """Seconds since 1970; 0 where it is not known."""
    hits: int


def entry(phrase: Phrase, taken: int, *, used_at: float = 0.0, hits: int = 0) -> CacheEntry:
    """A phrase as a line of the list; `taken` is what it takes in its tier, in bytes."""
    key = phrase.key
    return CacheEntry(key.digest, key.tenant, key.voice, key.engine, key.text, taken, phrase.audio_ms, used_at, hits)


class _Description(msgspec.Struct, array_like=True):
    key: PhraseKey
    words: tuple[Word, ...]
    loudness_db: float
    synthesis_ms: float
    audio_bytes: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Description)


def pack(phrase: Phrase) -> bytes:
    """A phrase as bytes at rest: versioned and checksummed."""
    description = _encoder.encode(
        _Description(
            phrase.key,
            phrase.words,
            phrase.loudness_db,
            phrase.synthesis_ms,
            len(phrase.audio),
        )
    )
    body = description + phrase.audio
    checksum = hashlib.blake2b(body, digest_size=16).digest()
    return _HEADER.pack(_MAGIC, FORMAT_VERSION, 0, len(description), checksum) + body


def unpack(data: bytes) -> Phrase:
    """Read what `pack` wrote. Raises BadMessage for anything foreign, damaged or of another version."""
    if len(data) < _HEADER.size:
        raise BadMessage(f"phrase: {len(data)} bytes, the header alone takes {_HEADER.size}")
    magic, version, _, length, checksum = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != FORMAT_VERSION:
        raise BadMessage(f"phrase: begins with {magic!r} version {version}, expected {_MAGIC!r} {FORMAT_VERSION}")
    body = data[_HEADER.size :]
    if hashlib.blake2b(body, digest_size=16).digest() != checksum:
        raise BadMessage("phrase: checksum does not match")
    try:
        described = _decoder.decode(body[:length])
    except msgspec.DecodeError as error:
        raise BadMessage(f"phrase: {error}") from None
    audio, audio_format = body[length:], FORMATS.get(described.key.format)
    if audio_format is None:
        raise BadMessage(f"phrase: is in the unknown format {described.key.format!r}")
    if len(audio) != described.audio_bytes or len(audio) % audio_format.frame_bytes:
        raise BadMessage(f"phrase: {len(audio)} bytes of audio, {described.audio_bytes} announced")
    return Phrase(described.key, audio, described.words, described.loudness_db, described.synthesis_ms)


def verified(phrase: Phrase) -> bool:
    """Whether a finished phrase may be kept: whole frames, not silent, words in order and inside the audio."""
    if not phrase.audio or len(phrase.audio) % phrase.key.audio_format.frame_bytes or phrase.loudness_db < -60.0:
        return False
    previous = 0
    for word in phrase.words:
        if not previous <= word.start_ms <= word.end_ms <= phrase.audio_ms:
            return False
        previous = word.start_ms
    return True


def tokens(text: str) -> list[str]:
    """White-space separated tokens as they are written, a mark that stands alone joined to the word before it."""
    return marked_tokens(marks.plain(text))


def marked_tokens(text: str) -> list[str]:
    """Split a text into its tokens with the marks (`bridge.text.marks`) that are in it."""
    joined: list[str] = []
    for token in text.split():
        if joined and not token.strip(".,!?;:…"):
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def relabel(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """Words with the spelling of `text`, where it has as many tokens; unchanged otherwise."""
    spelled = tokens(text)
    if len(spelled) != len(words):
        return tuple(words)
    return tuple(Word(token, word.start_ms, word.end_ms) for token, word in zip(spelled, words, strict=True))


def spread(text: str, start_ms: float, end_ms: float) -> list[Word]:
    """Words at even pace by their letters, where nobody says when they are heard: near enough to know what was."""
    spoken = tokens(text)
    letters = sum(map(len, spoken)) + len(spoken)
    words, at = [], start_ms
    for token in spoken:
        until = at + (end_ms - start_ms) * (len(token) + 1) / letters
        words.append(Word(token, round(at), round(until)))
        at = until
    return words


def linear(audio: bytes | bytearray, audio_format: AudioFormat) -> NDArray[np.float32]:
    """Samples of audio in any format, full scale at 32768."""
    if audio_format.codec == "mulaw":
        return decode(bytes(audio)).astype(np.float32)
    return np.frombuffer(bytes(audio), "<i2").astype(np.float32)


def loudness_db(audio: bytes, audio_format: AudioFormat = MULAW_8000) -> float:
    """Level of the speech in some audio in dBFS; -120 for silence.

    The mean power of the 20 ms frames that pass the relative gate of ITU-R BS.1770-4, 10 dB below the mean, which
    leaves pauses out. Frames are shorter than the 400 ms there, since phrases are short, and not weighted.
    """
    whole = len(audio) - len(audio) % audio_format.frame_bytes
    if not whole:
        return -120.0
    samples = linear(audio[:whole], audio_format) / 32768.0
    frame = audio_format.frame_bytes // audio_format.sample_bytes
    power = np.square(samples).reshape(-1, frame).mean(axis=1)
    sounding = power[power > 1e-7]
    if not len(sounding):
        return -120.0
    return float(10 * np.log10(sounding[sounding >= sounding.mean() / 10].mean()))


def quiet_ms(audio: bytes | bytearray, audio_format: AudioFormat = MULAW_8000, *, at_end: bool) -> int:
    """How long audio is quiet at its start or its end, in steps of 10 ms; at most 600."""
    step = _STEP_MS * audio_format.bytes_per_ms
    edge = min(len(audio), _LONGEST_MEASURED_MS * audio_format.bytes_per_ms)
    edge -= edge % step
    if not edge:
        return 0
    part = audio[-edge:] if at_end else audio[:edge]
    power = np.square(linear(part, audio_format)).reshape(-1, step // audio_format.sample_bytes).mean(axis=1)
    loud = np.flatnonzero(power > max(power.max(), 1e4) * 10 ** (_QUIET_DB / 10))
    if not len(loud):
        return int(audio_format.duration_ms(audio[:edge]))
    steps = len(power) - 1 - loud[-1] if at_end else loud[0]
    return int(steps) * _STEP_MS
