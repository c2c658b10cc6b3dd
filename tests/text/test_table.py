from __future__ import annotations

from tests.text.table import PAGE, SENTENCES, renewed


def test_the_page_says_what_the_code_says() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert len(SENTENCES) == 40
    assert renewed(page) == page, "run python -m tests.text.table"
