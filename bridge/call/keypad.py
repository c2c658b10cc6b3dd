"""Digits from the keypad, gathered until they are an answer."""

from __future__ import annotations


class Keypad:
    """Gathers digits; complete at the expected number, at `#`, or after a pause."""

    def __init__(self, inter_digit_s: float) -> None:
        self._inter_digit_s = inter_digit_s
        self.digits = ""
        self._last_at = 0.0
        self._ended = False

    def press(self, digit: str, now: float) -> None:
        """Add one key. `#` ends the number instead of joining it, unless it is the only key."""
        self._last_at = now
        if digit == "#" and self.digits:
            self._ended = True
        else:
            self.digits += digit

    def complete_at(self, answer: str) -> float | None:
        """When the digits so far are a whole answer; None while there are none."""
        if not self.digits:
            return None
        kind, _, count = answer.partition(":")
        enough = kind == "digits" and count.isdecimal() and len(self.digits) >= int(count)
        return self._last_at if enough or self._ended else self._last_at + self._inter_digit_s

    @property
    def ended(self) -> bool:
        """Whether `#` has ended the number."""
        return self._ended

    def restore(self, digits: str, ended: bool, now: float) -> None:
        """Go on with digits that were pressed before another process took the call over."""
        self.digits, self._ended, self._last_at = digits, ended, now

    def take(self) -> str:
        """The digits, which are then forgotten."""
        digits, self.digits, self._ended = self.digits, "", False
        return digits
