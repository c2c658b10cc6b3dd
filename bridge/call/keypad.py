"""Digits from the keypad, gathered until they are an answer."""

from __future__ import annotations

NUMBERS = frozenset({"digits", "phone", "number", "amount"})
"""Kinds of answers of which any row of digits may be the beginning."""


class Keypad:
    """Gathers digits; complete at the expected number, at `#`, when nothing longer is known, or after a pause."""

    def __init__(self, inter_digit_s: float) -> None:
        self._inter_digit_s = inter_digit_s
        self.digits = ""
        self._last_at = 0.0
        self._ended = False
        self._taken_number = False
        """The last answer was a number that no `#` has ended, so that one which follows at once belongs to it."""

    def press(self, digit: str, now: float, keys: tuple[str, ...] = ()) -> bool:
        """Add one key. False when it only ends a number that is complete already, which is nobody's answer.

        `#` ends the number instead of joining it, unless it is the only key or one of the sequences of `keys` goes on
        with it.
        """
        late, self._taken_number = self._taken_number and now <= self._last_at + self._inter_digit_s, False
        self._last_at = now
        if digit == "#" and late and not self.digits:
            self._taken_number = True  # and so does a second one
            return False
        if digit == "#" and self.digits and not _begins(self.digits + digit, keys):
            self._ended = True
        else:
            self.digits += digit
        return True

    def complete_at(self, answer: str, keys: tuple[str, ...] = ()) -> float | None:
        """When the digits so far are a whole answer; None while there are none.

        With `keys`, the sequences that mean something now, keys that can become nothing longer are an answer at once.
        """
        if not self.digits:
            return None
        kind, _, count = answer.partition(":")
        wanted = int(count) if count.isdecimal() and count.isascii() else 0
        is_number = kind in NUMBERS and self.digits.isdecimal()
        enough = is_number and wanted and len(self.digits) >= wanted
        longer = is_number or any(_begins(self.digits, (key,)) and key != self.digits for key in keys)
        whole = enough or self._ended or (keys and not longer)
        return self._last_at if whole else self._last_at + self._inter_digit_s

    @property
    def ended(self) -> bool:
        """Whether `#` has ended the number."""
        return self._ended

    def restore(self, digits: str, ended: bool, now: float) -> None:
        """Go on with digits that were pressed before another process took the call over."""
        self.digits, self._ended, self._last_at = digits, ended, now

    def take(self) -> str:
        """The digits, which are then forgotten."""
        digits = self.digits
        self._taken_number = digits.isdecimal() and not self._ended
        self.digits, self._ended = "", False
        return digits


def _begins(digits: str, keys: tuple[str, ...]) -> bool:
    return any(key.startswith(digits) for key in keys)
