"""Phrases that were made under other rules of reading are not played, so that a change of the rules must say so."""

from __future__ import annotations

import hashlib

from bridge.text.spoken.form import RULES_VERSION, spoken_form
from bridge.text.spoken.languages import language
from tests.text.spoken.test_english import TABLES
from tests.text.spoken.test_languages import ROWS

SAID = {9: "12058016611e1fdf"}
"""By the rules' version: a checksum of all that the tables say. Another one needs another version."""


def checksum() -> str:
    """Of what is said for everything in the tables."""
    english = [(code, written) for rows in TABLES.values() for written in rows for code in ("en-US", "en-GB")]
    written = sorted({*english, *((code, text) for code, text, _ in ROWS)})
    said = "\n".join(spoken_form(text, language(code)).text for code, text in written)
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def test_other_words_come_with_another_version() -> None:
    assert {RULES_VERSION: checksum()} == SAID, "raise RULES_VERSION in bridge/text/spoken/form.py, and renew this"
