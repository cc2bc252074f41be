"""Kills at random moments, with somebody watching journal and folder all the time; benchmarks/batch.py does it on real prompts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.kills import survive
from tests.batch.batch_fixtures import environment
from tests.batch.processes import arguments, make_drop, make_slow, render


@pytest.mark.slow
def test_after_random_kills_nothing_is_missing_half_written_or_rendered_again_once_committed(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    drop, scratch = make_drop(tmp_path, 240), tmp_path / "scratch"
    scratch.mkdir()
    assert render(drop, "whole", "--workers", "0").returncode == 0
    command = ["-m", "a2f_batch", *arguments(drop, "out")]
    seen = survive(command, drop / "out", drop / "whole", scratch, kills=6, seed=seed, variables=environment(**make_slow(drop, 0.15)))
    assert seen.wrong == []
    assert sum(seen.kills.values()) == 6
