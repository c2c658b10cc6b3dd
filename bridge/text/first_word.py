"""Whether a text that is still being written holds anything that a voice will say. Pure."""

from __future__ import annotations

from bridge.text.cleaning import Cleaner


class FirstWord:
    """Waits for the first word of a text that is said: not of a thought, a citation, a code fence's head or a tag."""

    def __init__(self) -> None:
        self._cleaner = Cleaner()
        self.came = False

    def feed(self, delta: str) -> bool:
        """Take more of the text; whether a word to say has come by now."""
        if not self.came:
            self.came = _has_word(self._cleaner.feed(delta))
        return self.came

    def finish(self) -> bool:
        """Take note that the text is whole; whether there was a word to say in it."""
        if not self.came:
            self.came = _has_word(self._cleaner.finish())
        return self.came


def _has_word(said: str) -> bool:
    return any(char.isalnum() for char in said)
