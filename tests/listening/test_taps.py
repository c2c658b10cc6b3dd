from __future__ import annotations

import asyncio

from bridge.listening.taps import AudioTap, TappedAudio


def piece(number: int) -> TappedAudio:
    return TappedAudio("caller", bytes([number]), number / 10)


async def test_a_tap_delivers_in_order_and_ends_with_the_call() -> None:
    tap = AudioTap()
    for number in range(3):
        tap.put(piece(number))
    tap.close()
    tap.put(piece(9))  # after the end
    assert [heard async for heard in tap] == [piece(0), piece(1), piece(2)]
    assert tap.lost == 0


async def test_a_slow_tap_loses_its_own_oldest_audio() -> None:
    tap = AudioTap(limit=2)
    for number in range(5):
        tap.put(piece(number))
    tap.close()
    assert [heard async for heard in tap] == [piece(3), piece(4)]
    assert tap.lost == 3


async def test_a_waiting_reader_wakes_for_audio_and_for_the_end() -> None:
    tap = AudioTap()

    async def read() -> list[TappedAudio]:
        return [heard async for heard in tap]

    reader = asyncio.create_task(read())
    for number in range(3):
        await asyncio.sleep(0)
        tap.put(piece(number))
    await asyncio.sleep(0)
    tap.close()
    assert await asyncio.wait_for(reader, 5) == [piece(0), piece(1), piece(2)]
