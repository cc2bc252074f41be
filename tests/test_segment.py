"""Pieces of long lines: where silence is found, and how a line is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from a2f_batch.errors import AudioError
from a2f_batch.segment import Piece, silences, split

RATE = 16000


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print("seed", seed)
    return np.random.default_rng(seed)


def speech(rng: np.random.Generator, seconds: float, rate: int = RATE) -> np.ndarray:
    """Noise whose every 10 ms is far above the threshold (RMS 100 of 32768)."""
    return (rng.standard_normal(round(seconds * rate)) * 0.1).astype(np.float32)


def line(rng: np.random.Generator, *stretches: tuple[str, float]) -> np.ndarray:
    return np.concatenate([speech(rng, seconds) * np.float32(kind == "voice") for kind, seconds in stretches])


def seed_silences(samples: np.ndarray, rate: int) -> list[tuple[int, int]]:
    """The definition, window by window."""
    window, hop = round(0.010 * rate), round(0.005 * rate)
    found: list[list[int]] = []
    start = 0
    while True:
        stop = min(start + window, len(samples))
        if start >= stop:
            break
        if np.mean((samples[start:stop].astype(np.float64) * 32768) ** 2) < 1e4:
            if found and start == found[-1][2]:
                found[-1][1:] = [stop, start + hop]
            else:
                found.append([start, stop, start + hop])
        if stop == len(samples):
            break
        start += hop
    return [(a, b) for a, b, _ in found if b - a >= 0.5 * rate]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_silences_are_those_of_the_window_by_window_definition(rng: np.random.Generator, rate: int) -> None:
    for _ in range(5):
        # Levels around the threshold, so that single windows fall on both sides of it.
        level = np.repeat(rng.choice([1e-4, 0.0029, 0.0032, 0.1], size=12, p=[0.3, 0.2, 0.2, 0.3]), rng.integers(rate // 5, rate))
        samples = (rng.standard_normal(len(level)) * level).astype(np.float32)[: -int(rng.integers(1, 700))]
        assert silences(samples, rate) == seed_silences(samples, rate)


def test_an_interval_is_found_to_one_hop(rng: np.random.Generator) -> None:
    found = silences(line(rng, ("voice", 1.0), ("still", 0.8), ("voice", 1.0), ("still", 0.4), ("voice", 1.0)), RATE)
    assert len(found) == 1  # 0.4 s is too short
    assert np.abs(np.array(found[0]) - (1.0 * RATE, 1.8 * RATE)).max() <= 80  # one hop of 5 ms


def test_no_samples_have_no_silence() -> None:
    assert silences(np.zeros(0, np.float32), RATE) == []
    assert split(np.zeros(0, np.float32), RATE) == [Piece(0, 0)]


def test_a_line_up_to_the_limit_is_one_piece_even_with_silences(rng: np.random.Generator) -> None:
    samples = line(rng, ("voice", 10), ("still", 5), ("voice", 10))
    assert split(samples, RATE) == [Piece(0, 25 * RATE, 0)]
    assert len(split(np.append(samples, np.float32(0.1)), RATE)) == 2


def test_a_line_is_cut_in_the_middle_of_the_last_silence_before_the_limit(rng: np.random.Generator) -> None:
    samples = line(rng, ("voice", 8), ("still", 1), ("voice", 10), ("still", 2), ("voice", 12), ("still", 1), ("voice", 5))
    pieces = split(samples, RATE)
    assert [piece.overlap for piece in pieces] == [0, 0]
    assert abs(pieces[0].stop - 20 * RATE) <= 80  # the middle of 19..21 s, to one hop
    assert pieces[1] == Piece(pieces[0].stop, len(samples), 0)


def test_speech_without_a_pause_goes_through_in_overlapping_windows(rng: np.random.Generator) -> None:
    pieces = split(speech(rng, 61), RATE)
    assert pieces == [Piece(0, 25 * RATE, 0), Piece(20 * RATE, 45 * RATE, 5 * RATE), Piece(40 * RATE, 61 * RATE, 5 * RATE)]


def test_a_silence_longer_than_the_limit_is_cut_inside_it(rng: np.random.Generator) -> None:
    pieces = split(line(rng, ("voice", 10), ("still", 90), ("voice", 10)), RATE)
    assert all(piece.overlap == 0 for piece in pieces)
    assert all(10.2 * RATE < piece.stop < 99.8 * RATE for piece in pieces[:-1])  # half of 0.5 s is kept clear, to one hop


def test_pieces_of_any_line_cover_it_in_order_within_the_limit(rng: np.random.Generator) -> None:
    for _ in range(10):
        stretches = [(str(rng.choice(["voice", "still"])), float(rng.exponential(4) + 0.05)) for _ in range(rng.integers(5, 30))]
        samples = line(rng, *stretches)
        quiet = silences(samples, RATE)
        pieces = split(samples, RATE)
        assert (pieces[0].start, pieces[-1].stop) == (0, len(samples))
        for before, piece in pairwise(pieces):
            assert piece.start == before.stop - piece.overlap
            assert piece.overlap in (0, 5 * RATE)
            assert piece.stop > before.stop
            if piece.overlap == 0:
                assert any(start + RATE // 4 <= piece.start <= stop - RATE // 4 for start, stop in quiet)
        assert all(0 < piece.stop - piece.start <= 25 * RATE for piece in pieces)
        assert split(samples, RATE) == pieces


def test_an_overlap_as_long_as_the_piece_is_refused() -> None:
    with pytest.raises(AudioError) as caught:
        split(np.zeros(10, np.float32), RATE, max_seconds=5, overlap_seconds=5)
    assert caught.value.code == "segment-options"
