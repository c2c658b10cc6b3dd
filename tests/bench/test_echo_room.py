"""Our own voice comes back over a noisy line: it never stops us, and a caller over it is heard all the same."""

from __future__ import annotations

import pytest

from tests.bench.echo_room import EchoPath, story
from tests.bench.turn_taking import CALLER_DB, CLIPS, Engines, read_ulaw

PATHS = [
    pytest.param(EchoPath(echo_db, delay_s, noise_db), level_db, id=f"{echo_db}-{delay_s}-{noise_db}-{level_db}")
    for echo_db, delay_s, noise_db, level_db in (
        (-12, 0.4, -30, None),
        (-12, 0.4, -30, CALLER_DB),
        (-8, 0.1, -20, None),
        (-12, 0.1, -20, None),
        (-20, 0.2, -20, None),
        (-16, 0.3, -30, None),
        (-20, 0.5, -30, None),
        (-8, 0.6, -40, CALLER_DB),
        (-12, 0.6, -20, None),
        (-20, 0.6, -30, CALLER_DB),
    )
]
OVER = [EchoPath(-12, 0.4, -30), EchoPath(-8, 0.6, -20), EchoPath(-20, 0.1, -40), EchoPath(-8, 0.2, -30)]
INTERRUPTION, ONSET_S = "interruption_07.wav", 0.63
"""'That's not what I asked for.'"""


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


@pytest.mark.parametrize(("path", "level_db"), PATHS)
def test_our_own_voice_never_stops_us(engines: Engines, path: EchoPath, level_db: float | None) -> None:
    heard = story(engines, path, caller_level_db=level_db)
    assert heard.stopped_at is None
    assert (heard.turns, heard.transcriptions) == (0, 0)
    assert len(heard.ducked_at) <= 1, "and hardly lowers it"


@pytest.mark.parametrize("level_db", [None, CALLER_DB])
@pytest.mark.parametrize("path", OVER, ids=str)
def test_a_caller_over_the_echo_takes_the_floor(engines: Engines, path: EchoPath, level_db: float | None) -> None:
    clip = read_ulaw(CLIPS / INTERRUPTION)
    heard = story(engines, path, caller_level_db=level_db, clip=clip, onset_s=ONSET_S)
    assert heard.stopped_at is not None
    assert 0.0 < heard.stopped_at < 0.5
    assert heard.turns == 1
