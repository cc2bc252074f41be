"""The report's page in Chromium, from the disk: what a supervisor does with it."""

import json
import re
import shutil

import numpy as np
import pytest
from page_fixtures import AUDIO, DRAWER, changed, open_line, open_page, picture, seek, watch_clock
from report_fixtures import curves, line, render

from a2f_batch.report import assets
from a2f_batch.report.make import make_report
from tests.batch.batch_fixtures import ROOT, manifest, sound, summary


@pytest.fixture()
def page(chromium, demo):
    """The demo's page, ready, in a browser that remembers nothing."""
    open_page(chromium, demo)
    chromium.js("localStorage.clear()")
    open_page(chromium, demo)
    yield chromium
    assert chromium.messages() == []


def names(page):
    """Return what the table shows, from the top."""
    return page.js("[...document.querySelectorAll('.body .row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
                   ".map((row) => [row.querySelector('.who span').textContent, row.querySelector('.name').textContent].join(' '))")


def test_the_table_sorts_and_filters(page, demo):
    rows = {f"{one['locale']} {one['id']}": one["duration_seconds"] for one in summary(demo)["lines"]}
    page.click("[data-column=duration]")
    assert names(page) == sorted(rows, key=rows.get, reverse=True)
    page.click("[data-column=duration]")
    assert names(page) == sorted(rows, key=rows.get)
    page.select("[aria-label='All languages']", "fr-FR")
    assert names(page) == ["fr-FR stall_offer"]
    assert page.js("document.getElementById('amount').textContent") == "1 of 8 lines"
    page.click(".toolbar .plain")
    page.key("/")
    page.type("PRUNES fromage")  # in the text, in any case
    page.wait("document.querySelectorAll('.body .row').length === 1")
    assert names(page) == ["fr-FR stall_offer"]


def test_every_line_has_its_thumbnail(page):
    page.wait("document.querySelectorAll('.body canvas').length === 8 && [...document.querySelectorAll('.body canvas')].every((one) =>"
              " one.getContext('2d', { willReadFrequently: true }).getImageData(0, 0, one.width, one.height).data.some(Boolean))")
    painted = page.js("[...document.querySelectorAll('.body canvas')].map((one) => one.toDataURL())")
    assert len(set(painted)) == 8


def test_the_mouth_moves_with_the_exported_curve_and_the_rest_of_the_picture_does_not(page, demo):
    name = "en-US/guard/gate_halt"
    jaw = curves(line(demo, name))["jawOpen"]
    fps = line(demo, name)["animation"]["fps"]
    open_line(page, name)
    wide, shut = int(jaw.argmax()), int(jaw.argmin())
    seek(page, (wide + 0.5) / fps)
    assert page.js(f"{DRAWER}.dataset.frame") == str(wide)
    opened = picture(page)
    seek(page, (shut + 0.5) / fps)
    closed = picture(page)
    rows, columns = changed(opened, closed)
    height, width, _ = closed.shape
    assert len(rows) > 150, "the mouth stands still"
    middle = np.median(rows) / height, np.median(columns) / width
    assert 0.5 < middle[0] < 0.95 and 0.3 < middle[1] < 0.7, middle
    seek(page, (wide + 0.5) / fps)
    assert len(changed(picture(page), opened)[0]) == 0  # the same moment is the same picture


def test_while_it_plays_the_frame_shown_is_the_audios(page, demo):
    name = "ja-JP/guard/gate_halt"
    fps = line(demo, name)["animation"]["fps"]
    open_line(page, name)
    watch_clock(page)
    page.key("s", "s", "l")  # slowly, and over and over: a machine that draws a picture a second comes to its frames too
    page.key(" ")
    page.wait("new Set(shown.map(([,, frame]) => frame)).size >= 15 && asked.at(-1) > 0.5", 120)
    page.key(" ")
    times, fresh, frames = np.array(page.js("shown")).T
    assert (frames == np.floor(times * fps + 1e-4)).all(), np.flatnonzero(frames != np.floor(times * fps + 1e-4))
    assert fresh.all()  # the clock is asked for each picture, not once and then reckoned on
    # At rest it is exact.
    page.wait(f"{AUDIO}.paused && !{AUDIO}.seeking")
    page.key("ArrowRight")
    page.wait(f"!{AUDIO}.seeking")
    assert page.js(f"Math.floor({AUDIO}.currentTime * {fps} + 1e-4) === Number({DRAWER}.dataset.frame)")
    before = int(page.js(f"{DRAWER}.dataset.frame"))
    page.key("ArrowLeft")
    page.wait(f"!{AUDIO}.seeking")
    assert int(page.js(f"{DRAWER}.dataset.frame")) == before - 1


@pytest.mark.slow
def test_a_stretch_is_played_over_and_over(page):
    open_line(page, "es-ES/guard/gate_pass")
    watch_clock(page)
    box = page.js("(({ left, top, width }) => [left, top, width])(document.querySelector('.field').getBoundingClientRect())")
    length = float(page.js("document.querySelector('.field').getAttribute('aria-valuemax')"))
    page.drag([box[0] + box[2] * 0.4, box[1] + 60], [box[0] + box[2] * 0.5, box[1] + 60])
    page.key("l", "s", "s")
    page.wait(f"!{AUDIO}.seeking")
    page.js("shown.length = jumps.length = 0; 0")
    page.key(" ")
    page.wait("jumps.filter(([from]) => from > 0.45 * " + str(length) + ").length >= 2", 60)
    page.key(" ")
    turns = [(start, to) for start, to in page.js("jumps") if start > 0.45 * length]
    # However late the machine comes to it: it turns at the end and not before, to the beginning, and no picture is of what lies behind.
    assert all(start >= 0.5 * length - 0.05 and abs(to - 0.4 * length) < 0.05 for start, to in turns), turns
    seen = [time for time, _, _ in page.js("shown")]
    assert min(seen) > 0.4 * length - 0.05 and max(seen) < 0.5 * length + 0.05


@pytest.mark.slow
def test_verdicts_are_downloaded_and_rendered_again(page, chromium, demo, tmp_path):
    open_page(chromium, demo, downloads=str(tmp_path))
    open_line(page, "fr-FR/merchant/stall_offer")
    page.key("r", "n")
    page.type("the lips are late </script>")
    page.key("Escape")
    first = page.js(f"{DRAWER}.dataset.line")
    page.key("j")
    page.wait(f"{DRAWER}.dataset.line !== {json.dumps(first)}")
    second = page.js(f"{DRAWER}.dataset.line")
    page.key("a", "Escape", "d")
    page.wait("document.getElementById('told').textContent.includes('--retry-rejected')")
    file = tmp_path / "demo-review.json"
    chromium.wait("true")
    for _ in range(100):
        if file.exists():
            break
        chromium.js("new Promise((done) => setTimeout(done, 50))")
    review = {one["line"]: one for one in json.loads(file.read_text())["lines"]}
    assert review[first]["verdict"] == "rejected" and review[first]["note"] == "the lips are late </script>"
    assert review[second]["verdict"] == "accepted"
    copy = tmp_path / "copy"
    shutil.copytree(demo, copy)
    done = render(ROOT / "manifests/demo.csv", copy, "--formats", "glb", "--mesh", "proxy", "--retry-rejected", file)
    assert done.returncode == 0
    assert [f"{one['locale']}/{one['character']}/{one['id']}" for one in summary(copy)["lines"] if one["status"] == "done"] == [first]
    # A verdict outlives the page, and a colleague's browser takes the file.
    open_page(chromium, demo)
    assert "Download review (2)" in page.js("document.getElementById('actions').textContent")
    page.js("localStorage.clear()")
    open_page(chromium, demo)
    page.choose_file("input[type=file]", file)
    page.wait("document.getElementById('actions').textContent.includes('Download review (2)')")


def test_it_can_be_used_by_keys_and_read_aloud(page):
    page.js("document.querySelector('.grid').focus()")
    page.key("ArrowDown", "ArrowDown", "Enter")
    page.wait(f"!{DRAWER}.hidden && {DRAWER}.dataset.head", 40)
    assert page.js(f"{DRAWER}.contains(document.activeElement)")
    nameless = page.js("[...document.querySelectorAll('button, input:not([type=file]), select, textarea, [role=button], [role=slider]')]"
                       ".filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))"
                       ".map((one) => one.outerHTML)")
    assert nameless == []
    tree = json.dumps(page.tree())
    for told in ('"Accept (A)"', '"Play (space)"', '"Time"', '"The talking head; drag to turn it"'):
        assert told in tree
    page.key("Escape")
    assert page.js(f"{DRAWER}.hidden && document.activeElement === document.querySelector('.grid')")
    assert page.js("document.querySelector('.grid').getAttribute('aria-activedescendant') === document.querySelector('.row.current').id")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_can_be_read(chromium, demo, scheme):
    open_page(chromium, demo, scheme=scheme)

    def colour(name):
        text = chromium.js(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
        return [int(text[i:i + 2], 16) / 255 for i in (1, 3, 5)] if len(text) == 7 else [int(digit * 2, 16) / 255 for digit in text[1:]]

    def luminance(rgb):
        return sum(weight * (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
                   for weight, value in zip((0.2126, 0.7152, 0.0722), rgb, strict=True))

    dark = luminance(colour("ground")) < 0.2
    assert dark == (scheme == "dark")
    for ink, ground in (("ink", "ground"), ("muted", "surface"), ("muted", "ground"), ("accent", "surface"), ("warn", "warn-soft"),
                        ("bad", "bad-soft"), ("good", "good-soft"), ("accent-ink", "accent")):
        light, deep = sorted((luminance(colour(ink)), luminance(colour(ground))), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, (ink, ground)  # WCAG 2.2, 1.4.3
    chromium.click("#actions button")  # auto -> light -> dark
    assert luminance(colour("ground")) > 0.2
    chromium.click("#actions button")
    assert luminance(colour("ground")) < 0.2
    chromium.js("localStorage.clear()")


def test_names_and_texts_that_look_like_code_are_text(chromium, tmp_path):
    nasty = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    sound(tmp_path / "a'#%23 &amp;.wav")
    (tmp_path / "bad.wav").write_bytes(b"x")
    drop = manifest(tmp_path / "drop.csv", [
        {"id": "a&b;'#%41 ünï \U0001f600", "audio": "a'#%23 &amp;.wav", "character": "`${alert(1)}`", "text": nasty},
        {"id": "__proto__", "audio": "a'#%23 &amp;.wav", "character": "constructor", "text": "\u2028{{scripts}}"},
        {"id": "bad", "audio": "bad.wav", "character": "&lt;b&gt;", "text": nasty}], ("id", "audio", "character", "locale", "text"))
    out = tmp_path / "<b>&\"out'"
    assert render(drop, out, "--formats", "csv").returncode == 1
    open_page(chromium, out)
    assert sorted(names(chromium)) == sorted(["de a&b;'#%41 ünï \U0001f600", "de __proto__", "de bad"])
    assert chromium.js("document.querySelector('h1').textContent") == out.name
    assert nasty in chromium.js("[...document.querySelectorAll('.body .text')].map((one) => one.textContent)")
    for row in range(3):
        chromium.click(f".body .row[aria-rowindex='{row + 2}']")
        chromium.wait(f"{DRAWER}.dataset.line === [...document.querySelectorAll('.row.current')].map((one) =>"
                      " ['de', one.querySelectorAll('.who span')[1].textContent, one.querySelector('.name').textContent].join('/'))[0]")
        chromium.key("Escape")
    chromium.js("location.hash = '#' + encodeURIComponent(\"de/`${alert(1)}`/a&b;'#%41 ünï \U0001f600\")")
    chromium.wait(f"!{DRAWER}.hidden && {DRAWER}.dataset.head && {AUDIO}.readyState >= 2", 40)
    assert "owned" not in chromium.js("document.title")
    assert chromium.js("document.querySelectorAll('img, b').length") == 0
    assert chromium.messages() == []


def test_without_the_3d_view_all_the_rest_is_there_and_it_says_so(chromium, demo, tmp_path, monkeypatch):
    out = tmp_path / "demo"
    shutil.copytree(demo, out, ignore=shutil.ignore_patterns("report"))
    monkeypatch.setattr(assets, "VIEWER", tmp_path / "absent.js")
    assert not make_report(out).has_viewer
    open_page(chromium, out)
    chromium.key("j", "j")
    chromium.click(".body .row")
    chromium.wait("document.querySelector('.stage-message').textContent.includes('make viewer')")
    chromium.wait(f"{AUDIO}.readyState >= 2")
    assert chromium.js("document.querySelectorAll('.lane-label').length") == 6
    chromium.key(" ")
    chromium.wait(f"{AUDIO}.currentTime > 0.2 && Number({DRAWER}.dataset.frame) > 3", 40)
    chromium.key(" ")
    assert chromium.messages() == []


def test_on_paper_there_are_the_lines_and_no_buttons(page, tmp_path):
    pdf = page.pdf(tmp_path / "report.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert page.js("document.querySelectorAll('#printed tbody tr').length") == 8


@pytest.mark.slow
def test_a_page_without_its_folder_says_what_is_missing(chromium, demo, tmp_path):
    (tmp_path / "report").mkdir()
    for name in ("index.html", "report.js", "report.css"):
        shutil.copy(demo / "report" / name, tmp_path / "report")
    chromium.open(tmp_path / "report/index.html")
    chromium.wait("document.getElementById('waiting').textContent.includes('copy the whole report folder')", 20)


def test_an_old_verdict_does_not_stand_for_a_new_take(chromium, demo, tmp_path):
    out = tmp_path / "demo"
    shutil.copytree(demo, out)
    open_page(chromium, out)
    chromium.js("localStorage.clear()")
    open_line(chromium, "fr-FR/merchant/stall_offer")
    chromium.key("r")
    assert "Download review (1)" in chromium.js("document.getElementById('actions').textContent")
    assert render(ROOT / "manifests/demo.csv", out, "--formats", "glb", "--mesh", "proxy", "--fps", "25", "--only", "fr-FR").returncode == 0
    open_page(chromium, out)
    assert "Download review (0)" in chromium.js("document.getElementById('actions').textContent")
    assert re.search("new take", chromium.js("document.querySelector('.body').textContent"))
    chromium.js("localStorage.clear()")
