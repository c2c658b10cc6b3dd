"""G.711 against the standard library, over its whole range."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import mulaw

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

ALL = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("linear", "code", "decoded"),
    [(0, 0xFF, 0), (-1, 0x7E, -8), (100, 0xF2, 104), (-100, 0x72, -104), (12345, 0x97, 12412), (-32768, 0x00, -32124)],
)
def test_published_values(linear: int, code: int, decoded: int) -> None:
    assert mulaw.encode(np.array([linear], np.int16)) == bytes([code])
    assert mulaw.decode(bytes([code]))[0] == decoded


def test_every_sample_is_coded_as_the_standard_library_codes_it() -> None:
    assert mulaw.encode(ALL) == audioop.lin2ulaw(ALL.tobytes(), 2)
    assert bytes(mulaw.ENCODE[ALL.view(np.uint16)]) == mulaw.encode(ALL)
    assert mulaw.decode(bytes(range(256))).tobytes() == audioop.ulaw2lin(bytes(range(256)), 2)


def test_many_streams_at_once_are_coded_like_each() -> None:
    rows = ALL.reshape(256, 256)
    coded = mulaw.encode_rows(rows)
    assert [row.tobytes() for row in coded] == [mulaw.encode(row) for row in rows]
    assert np.array_equal(mulaw.decode_rows(coded), mulaw.decode(coded.tobytes()).reshape(256, 256))


def test_floats_are_clipped_and_what_is_no_number_is_silence() -> None:
    with np.errstate(invalid="raise"):  # what becomes of such a cast differs between processors
        coded = mulaw.encode_float(np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 0.0]))
    assert coded == bytes.fromhex("ff80008000ff")


def test_floats_go_there_and_back() -> None:
    codes = bytes(range(256)).replace(b"\x7f", b"\xff")  # negative zero is zero
    assert mulaw.encode_float(mulaw.decode_float(codes)) == codes
    assert codes.translate(mulaw.gain_table(0.0)) == codes


def test_alaw_goes_there_and_back() -> None:
    codes = bytes(range(256))
    assert mulaw.encode_alaw(mulaw.decode_alaw(codes)) == codes
    assert mulaw.encode_alaw(ALL) == audioop.lin2alaw(ALL.tobytes(), 2)
    assert mulaw.decode_alaw(bytes([mulaw.ALAW_SILENCE])) == 8


@given(st.binary(min_size=1, max_size=400))
def test_what_was_decoded_is_coded_back(ulaw: bytes) -> None:
    canonical = ulaw.replace(b"\x7f", b"\xff")  # negative zero is zero
    assert mulaw.encode(mulaw.decode(ulaw)) == canonical


@pytest.mark.parametrize("gain_db", [-30.0, -18.0, -6.0, 3.0])
def test_a_gain_table_changes_the_level_and_keeps_the_order(gain_db: float) -> None:
    speech = mulaw.encode((np.sin(np.arange(8000) / 9) * 9000).astype(np.int16))
    changed = speech.translate(mulaw.gain_table(gain_db))
    assert mulaw.level_dbfs(changed) - mulaw.level_dbfs(speech) == pytest.approx(gain_db, abs=0.5)
    levels = mulaw.decode(mulaw.encode(ALL).translate(mulaw.gain_table(gain_db))).astype(int)
    assert (np.diff(levels) >= 0).all()


def test_a_ramp_joins_both_gains_without_a_step() -> None:
    tone = mulaw.encode(np.full(80, 8000, np.int16))
    faded = mulaw.decode(mulaw.ramp(tone, 0.0, -18.0)).astype(int)
    assert faded[0] == pytest.approx(8000, rel=0.05)
    assert faded[-1] == pytest.approx(8000 * 10 ** (-18 / 20), rel=0.05)
    assert abs(np.diff(faded)).max() < 500


def test_levels_are_in_db_of_full_scale() -> None:
    assert mulaw.level_dbfs(b"\xff" * 160) == -100.0
    assert mulaw.level_dbfs(b"") == -100.0
    loudest = mulaw.encode((np.sin(np.arange(1600) * np.pi / 8) * 32000).astype(np.int16))
    assert mulaw.level_dbfs(loudest) == pytest.approx(-3.2, abs=0.2)
