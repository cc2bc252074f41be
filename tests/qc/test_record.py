"""The JSON that a journal holds."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from a2f_batch.qc import FIGURES, Measured, Strip, from_text, judge, measure, to_text
from a2f_batch.qc.record import STRIP_POINTS
from tests.qc.line_fixtures import demo_lines


def test_what_is_written_is_read_again():
    random = np.random.default_rng()
    strip = Strip.of(random.uniform(0, 1, 1000), random.uniform(-1, 2, 90))
    one = Measured({"lag": -12.345, "still": None, "jump": 0.1}, {"jump": (1.25, 1.283)}, strip, "häuser/ü.wav", ("npz", 12, 34),
                   random.bytes(420))
    assert from_text(to_text(one)) == one
    assert len(strip.wave) == len(strip.mouth) == STRIP_POINTS


def test_a_demo_lines_record_is_small_and_has_every_figure_with_a_name():
    line = demo_lines()["gate_halt.en-US.wav"]
    measured = measure(line.wave, line.clip, line.heard)
    assert set(measured.figures) == set(FIGURES) - {"duration_ratio"}
    assert len(to_text(replace(measured, outline=b""))) < 1500
    # The strip shows the sound's silence at both ends, and the mouth at rest there.
    assert max(measured.strip.wave[:4]) < 10 and max(measured.strip.mouth[:4]) < 20 and max(measured.strip.wave) > 100


def test_numbers_that_json_can_not_spell_are_left_out():
    text = to_text(Measured({"loudness": -math.inf, "lag": math.nan}, {}, Strip(b"", b"")).rounded())
    assert json.loads(text)["figures"] == {"loudness": None, "lag": None}


@pytest.mark.parametrize("text", [None, "", "null", "[]", "{}", "no json", '{"schema": 2}', '{"schema": 1, "figures": {"lag": "x"}}',
                                  '{"schema": 1, "figures": 3, "places": {}, "strip": {"wave": "", "mouth": ""}, "audio": ""}',
                                  '{"schema": 1, "figures": {}, "places": {}, "strip": {"wave": "*", "mouth": ""}, "audio": ""}'])
def test_what_is_no_record_is_no_figures(text):
    assert from_text(text) is None


def test_a_line_without_figures_has_no_flag():
    assert judge(Measured(dict.fromkeys(FIGURES), {}, Strip(b"", b""))).flags == ()
