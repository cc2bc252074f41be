"""The page in a real Chromium: a sound goes in, the head talks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from PIL import Image, ImageChops

from a2f_batch.report import assets
from tests.serve.servers import VOICE, Server

SHOTS = os.environ.get("A2F_SCREENSHOTS")  # where pictures to look at are left


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


def shown(browser: Chromium, server: Server, sound: Path, **how: object) -> None:
    browser.open(f"{server.url}/", offline=False, **how)
    browser.wait("'ready' in document.documentElement.dataset")
    browser.choose_file("#file", sound)
    browser.wait("'shown' in document.documentElement.dataset || document.getElementById('state').classList.contains('bad')", seconds=60)


def keep(picture: Path) -> None:
    if SHOTS:
        Path(SHOTS, picture.name).write_bytes(picture.read_bytes())


def test_a_sound_dropped_in_is_seen_as_curves_and_as_a_head_that_moves_with_it(browser: Chromium, server: Server, tmp_path: Path) -> None:
    shown(browser, server, VOICE, width=1280, height=860)
    assert browser.js("document.documentElement.dataset.shown") == VOICE.name, browser.js("document.getElementById('state').textContent")
    assert "5.15 s, 154 frames" in browser.js("document.getElementById('state').textContent")
    assert browser.js("[...document.querySelectorAll('.lane-label span')].map((one) => one.textContent)")[0] == "jawOpen"
    assert (assets.viewer() is not None) == browser.js("Boolean(document.querySelector('#stage canvas'))")
    field = browser.js("(({x, y, width}) => [x, y, width])(document.querySelector('.field').getBoundingClientRect())")
    pictures = []
    for seconds in (0.0, 3.3):  # at rest, and in a wide vowel
        browser.drag([field[0] + field[2] * seconds / 5.15, field[1] + 60], [field[0] + field[2] * seconds / 5.15, field[1] + 60])
        browser.wait(f"Math.abs(Number(document.getElementById('result').dataset.frame) - {seconds * 30}) <= 1")
        pictures.append(Image.open(browser.screenshot(tmp_path / f"serve-{seconds:g}.png")).convert("RGB"))
        keep(tmp_path / f"serve-{seconds:g}.png")
    if assets.viewer() is not None:
        stage = "document.getElementById('stage').getBoundingClientRect()"
        box = browser.js(f"(({{x, y, width, height}}) => [x, y, x + width, y + height])({stage})")
        changed = np.asarray(ImageChops.difference(*(one.crop(tuple(map(round, box))) for one in pictures))).max(axis=2) > 24
        assert 500 < changed.sum() < 0.1 * changed.size  # the mouth and what moves with it, and neither nothing nor the whole view
    assert browser.messages() == []


@pytest.mark.slow
def test_it_plays_by_the_sounds_own_clock(browser: Chromium, server: Server) -> None:
    shown(browser, server, VOICE)
    browser.js("document.getElementById('play').click()")
    browser.wait("Number(document.getElementById('result').dataset.frame) > 15", seconds=30)
    browser.js("document.getElementById('play').click()")
    frame, readout = browser.js("[Number(document.getElementById('result').dataset.frame), document.getElementById('readout').textContent]")
    minutes, seconds = readout.partition(" ")[0].split(":")
    assert abs((60 * int(minutes) + float(seconds)) * 30 - frame) <= 1
    assert browser.messages() == []


def test_what_is_wrong_is_said_on_the_page(browser: Chromium, server: Server, tmp_path: Path) -> None:
    (tmp_path / "<b>no.wav").write_text("no sound")
    shown(browser, server, tmp_path / "<b>no.wav")
    text = browser.js("document.getElementById('state').textContent")
    assert "can't be read as sound" in text and "Check that it is a sound file" in text
    assert browser.js("document.querySelectorAll('#state b').length") == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_it(browser: Chromium, server: Server, tmp_path: Path, scheme: str) -> None:
    shown(browser, server, VOICE, scheme=scheme, width=1280, height=860)
    browser.js("document.querySelector('.field').focus()")
    picture = browser.screenshot(tmp_path / f"page-{scheme}.png")
    keep(picture)
    assert len(np.unique(np.asarray(Image.open(picture).convert("L").resize((64, 64))))) > 8
