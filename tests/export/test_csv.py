"""Both CSV layouts, read by strict parsers that share nothing with the library."""

import csv
import logging
import random
import re
from fractions import Fraction

import numpy as np
import pytest
from export_fixtures import RATES, fresh_seed, random_clip

from a2f_batch import ClipError, ExportError, FaceClip, read_clip
from a2f_batch.export import csv_livelink, csv_long, csv_plain
from a2f_batch.export.csv_table import fixed_rows, packed
from a2f_batch.export.timing import infer_fps
from a2f_batch.names import ARKIT_52, ROTATIONS

# As a take of the Live Link Face app has them; written down here once more, apart from the library's own list.
LIVE_LINK = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft", "EyeWideLeft",
    "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight", "EyeSquintRight", "EyeWideRight",
    "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft",
    "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight",
    "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper",
    "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight",
    "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft",
    "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw",
    "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)
NUMBER = re.compile(rb"-?(0|[1-9]\d*)\.\d{10}")
TIMECODE = re.compile(rb"(\d\d):(\d\d):(\d\d):(\d\d)\.(\d\d\d)")


def unreal_reads(path):
    """Seconds and values as Unreal's importer would have them, from a file that is exactly in the app's form."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    assert b"\r" not in content
    header, *lines = content[:-1].split(b"\n")
    assert header.decode() == "Timecode,BlendshapeCount," + ",".join(LIVE_LINK)
    seconds, values = [], []
    for line in lines:
        timecode, count, *cells = line.split(b",")
        assert count == b"61"
        assert len(cells) == 61
        assert all(NUMBER.fullmatch(cell) for cell in cells), line
        hours, minutes, whole, sixtieths, thousandths = map(int, TIMECODE.fullmatch(timecode).groups())
        assert minutes < 60
        assert whole < 60
        assert sixtieths < 60
        seconds.append(hours * 3600 + minutes * 60 + whole + (sixtieths + thousandths / 1000) / 60)
        values.append([float(cell) for cell in cells])
    return np.array(seconds), dict(zip(LIVE_LINK, np.transpose(values), strict=True))


@pytest.mark.parametrize("n_frames", [1, 2, 90])
@pytest.mark.parametrize("fps", [*RATES, Fraction(70)])  # at 70 no frame but the first falls on a thousandth of a sixtieth
def test_a_take_holds_the_clip_at_its_own_rate(fps, n_frames, tmp_path, caplog):
    clip = random_clip(n_frames, fps, names=(*ARKIT_52, "HeadYaw", "RightEyeRoll"), start=Fraction(3599) + 10 / fps)
    csv_livelink.write(clip, tmp_path / "MySlate_1.csv")
    seconds, curves = unreal_reads(tmp_path / "MySlate_1.csv")
    # Half a thousandth of a sixtieth is what the timecode can't tell.
    np.testing.assert_allclose(seconds, [float(clip.start + i / fps) for i in range(n_frames)], rtol=0, atol=0.51e-3 / 60)
    for column, curve in curves.items():
        name = column if column in ROTATIONS else column[0].lower() + column[1:]
        expected = clip[name] if name in clip else np.zeros(n_frames)
        np.testing.assert_allclose(curve, expected, rtol=0, atol=0.51e-10)  # ten decimals
    back = read_clip(tmp_path / "MySlate_1.csv")
    if n_frames > 1:
        assert back.fps == fps
    else:
        assert back.fps == 30
        assert "30 frames" in caplog.text
    assert back.names[52:] == ROTATIONS
    np.testing.assert_allclose(back.select(clip.names).values, clip.values, atol=1e-7)
    assert abs(back.start - clip.start) < Fraction(1, 100_000)


@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001)])
def test_ten_minutes_do_not_drift(fps, tmp_path):
    n_frames = round(600 * Fraction(fps))
    clip = FaceClip(("jawOpen",), np.zeros((n_frames, 1)), Fraction(fps))
    path = tmp_path / "long.csv"
    csv_livelink.write(clip, path)
    last = path.read_bytes()[:-1].rsplit(b"\n", 1)[1].split(b",")[0]
    hours, minutes, seconds, sixtieths, thousandths = map(int, TIMECODE.fullmatch(last).groups())
    assert hours == 0
    assert abs(minutes * 60 + seconds + (sixtieths + thousandths / 1000) / 60 - float((n_frames - 1) / clip.fps)) <= 0.51e-3 / 60
    back = csv_livelink.read(path)
    assert (back.fps, back.n_frames) == (clip.fps, n_frames)


def test_every_rate_and_length_is_told_from_rounded_timecodes():
    draw = random.Random(fresh_seed())
    rates = [*(Fraction(n) for n in (1, 8, 12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)), Fraction(25, 2), Fraction(15, 2),
             *(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120))]
    for fps in rates:
        for n_frames in [2, 3, 10, 1000, 36_000]:
            for start in [Fraction(0), draw.randrange(1000) / fps]:
                times = np.round(float(start * 60_000) + np.arange(n_frames) * float(60_000 / fps)) / 60_000
                found = infer_fps(times, 1.001 / 60_000, "take.csv")
                if (start == 0 and fps <= 60) or n_frames >= 10:
                    assert found == fps, (fps, n_frames, start, found)
                else:
                    # Two or three rounded times tell a frame's length to a thousandth of a sixtieth, and no better.
                    assert abs(1 / found - 1 / fps) <= Fraction(1, 60_000), (fps, n_frames, start, found)


def test_a_jittered_take_of_the_app_gets_its_steady_rate(tmp_path):
    clip = random_clip(240, 60)
    path = tmp_path / "take.csv"
    csv_livelink.write(clip, path)
    header, *rows = path.read_text().splitlines()
    draw = random.Random(fresh_seed())
    # The app writes when a frame came, up to some thousandths of a frame late; its header says BlendShapeCount in some versions.
    rows = [row[:12] + f"{draw.randrange(60):03d}" + row[15:] for row in rows]
    path.write_text("\n".join([header.replace("BlendshapeCount", "BlendShapeCount").lower(), *rows, ""]))
    assert csv_livelink.read(path).fps == 60


def test_a_dropped_frame_is_named(tmp_path):
    path = tmp_path / "take.csv"
    csv_livelink.write(random_clip(60, 30), path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:30] + lines[31:]))
    with pytest.raises(ClipError, match="frame 28 is at") as caught:
        csv_livelink.read(path)
    assert caught.value.code == "clip-uneven"


def test_numbers_are_written_as_python_would_to_the_last_decimal():
    rng = np.random.default_rng(fresh_seed())
    values = np.concatenate([rng.normal(0, 1, 3000), rng.uniform(-9998, 9998, 1000), rng.normal(0, 1e-9, 500),
                             [0, -0.0, 1, -1, 1e-11, -1e-11, 0.99999999, 9998.9]]).astype(np.float32)[:, None]
    lines = b"".join(fixed_rows(values, packed(["x"] * len(values)))).decode().splitlines()
    for value, line in zip(values[:, 0].tolist(), lines, strict=True):
        text = line.removeprefix("x,")
        assert NUMBER.fullmatch(text.encode()), text
        # The product with 1e10 is rounded once more than Python does: one unit of the last decimal, five of the last bit of large ones.
        assert abs(float(text) - float(f"{value:.10f}")) <= max(1.01e-10, abs(value) * 1e-15), (value, text)
    huge = np.float32([[12345.5, -3e38]])
    assert b"".join(fixed_rows(huge, packed(["x"]))) == f"x,{12345.5:.10f},{float(huge[0, 1]):.10f}\n".encode()


@pytest.mark.parametrize(("names", "start", "code"), [
    (("jawOpen", "JawOpen"), 0, "channel-without-column"),
    (("tongueTipUp",), 0, "channel-without-column"),
    (("jawOpen",), Fraction(-1, 60), "time-out-of-range"),
    (("jawOpen",), 24 * 3600, "time-out-of-range"),
])
def test_what_a_take_has_no_place_for_is_refused(names, start, code, tmp_path):
    with pytest.raises(ExportError) as caught:
        csv_livelink.write(random_clip(2, names=names, start=start), tmp_path / "line.csv")
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_frames", [1, 2, 90])
@pytest.mark.parametrize("fps", [*RATES, Fraction(12345, 678), Fraction(25, 2), Fraction(239_999, 1000)])
def test_the_plain_layout_is_lossless(fps, n_frames, tmp_path):
    rng = np.random.default_rng(fresh_seed())
    values = rng.integers(0, 2**32, (n_frames, 4), dtype=np.uint32).view(np.float32)
    values = np.where(np.isfinite(values), values, np.float32(0.1))
    clip = FaceClip(("jawOpen", 'a "b", c', "あ", "line\u2028end"), values, fps, Fraction(1, 3) if n_frames == 2 else Fraction(0))
    path = tmp_path / "line.plain.csv"
    csv_plain.write(clip, path)
    back = read_clip(path)
    assert (back.names, back.fps) == (clip.names, clip.fps)
    assert float(back.start) == float(clip.start)
    np.testing.assert_array_equal(back.values, clip.values)


def test_a_plain_file_is_what_any_csv_reader_expects(tmp_path):
    clip = random_clip(30, Fraction(30000, 1001))
    path = tmp_path / "line.plain.csv"
    csv_plain.write(clip, path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("time", *ARKIT_52)
    assert [float(row["time"]) for row in rows] == clip.times().tolist()
    np.testing.assert_array_equal(np.float32([row["jawOpen"] for row in rows]), clip["jawOpen"])


def test_only_a_rate_that_the_times_do_not_tell_gets_a_column(tmp_path):
    path = tmp_path / "line.plain.csv"
    for n_frames, fps, first in ((2, 30, ["time", "jawOpen"]), (1, 30, ["time", "fps"]), (1, Fraction(30000, 1001), ["time", "fps"])):
        csv_plain.write(random_clip(n_frames, fps, names=("jawOpen",)), path)
        assert path.read_text().splitlines()[0].split(",")[:2] == first
        assert csv_plain.read(path).fps == fps


def test_a_plain_file_named_csv_is_told_by_its_header(tmp_path):
    clip = random_clip(10)
    csv_plain.write(clip, tmp_path / "line.csv")
    back = read_clip(tmp_path / "line.csv")
    assert back.names == clip.names
    np.testing.assert_array_equal(back.values, clip.values)


@pytest.mark.parametrize("module", [csv_livelink, csv_plain, csv_long])
def test_the_same_clip_gives_the_same_bytes(module, tmp_path):
    seed = fresh_seed()
    for name in "ab":
        module.write(random_clip(30, seed=seed), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("module", [csv_livelink, csv_plain, csv_long])
def test_a_file_cut_inside_a_line_is_refused_with_the_line(module, tmp_path):
    path = tmp_path / "line.csv"
    module.write(random_clip(20), path)
    whole = path.read_bytes()
    draw = random.Random(fresh_seed())
    for length in [0, 5, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(30))]:
        if whole[:length].endswith(b"\n"):
            continue  # whole rows: the form does not say how many there were
        path.write_bytes(whole[:length])
        with pytest.raises(ClipError) as caught:
            module.read(path)
        assert caught.value.code in ("clip-cut", "clip-empty")
        if length:
            assert f"line {whole[:length].count(10) + 1}:" in str(caught.value)


@pytest.mark.parametrize("module", [csv_livelink, csv_plain])
@pytest.mark.parametrize(("old", "new", "code"), [
    (b"\n", b"\n1,", "clip-cut"),
    (b"\xff", None, "clip-unreadable"),
    (b"nan", None, "clip-cell"),
    (b"1e60", None, "clip-cell"),
    (b"abc", None, "clip-cell"),
    (b"", None, "clip-cell"),
])
def test_a_bad_cell_is_named(module, old, new, code, tmp_path):
    path = tmp_path / "line.csv"
    module.write(random_clip(3), path)
    head, *lines = path.read_bytes().split(b"\n")
    if new:
        lines[1] = new.strip() + lines[1]
    else:
        cells = lines[1].split(b",")
        lines[1] = b",".join([*cells[:5], old, *cells[6:]])
    path.write_bytes(b"\n".join([head, *lines]))
    with pytest.raises(ClipError) as caught:
        module.read(path)
    assert caught.value.code == code
    if code != "clip-unreadable":
        assert "line 3" in str(caught.value)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "Timecode,BlendshapeCount,Jaw\n00:00:00:00.000,1,0.0\n",
                                     "Timecode,BlendshapeCount,JawOpen\n0.0,1,0.0\n", "time,jawOpen\n0,1\n", "time,jawOpen\nx,1\ny,1\n"])
def test_a_table_that_is_no_clip_is_refused(content, tmp_path):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(ClipError, match=r"table\.csv"):
        read_clip(tmp_path / "table.csv")


@pytest.mark.parametrize("name", ["time", "fps", "jaw\nOpen", "\udfff"])
def test_a_name_that_a_plain_header_can_not_hold_is_refused(name, tmp_path):
    with pytest.raises(ExportError) as caught:
        csv_plain.write(random_clip(2, names=("jawOpen", name)), tmp_path / "line.plain.csv")
    assert caught.value.code == "channel-name"


def test_a_spreadsheets_file_is_read(tmp_path, caplog):
    """Excel writes a byte-order mark and CRLF."""
    clip = random_clip(4, names=("jawOpen", "mouthClose"))
    csv_plain.write(clip, tmp_path / "line.csv")
    text = (tmp_path / "line.csv").read_text().replace("\n", "\r\n")
    (tmp_path / "line.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read_clip(tmp_path / "line.csv").values, clip.values)
    assert not caplog.records


def test_plain_numbers_are_short_where_few_digits_tell_them(tmp_path):
    values = np.float32([[0, 1, 0.25, -0.5, 0.1, 1e-5, -123.5, 3e-45, 9.99995]])
    csv_plain.write(FaceClip(tuple("abcdefghi"), values, 30), tmp_path / "x.plain.csv")
    cells = (tmp_path / "x.plain.csv").read_text().splitlines()[1].split(",")[2:]
    assert cells == ["0", "1", "0.25", "-0.5", "0.1000000015", "0.00001", "-123.5", "2.80259693e-45", "9.99995041"]


def test_every_size_of_weight_is_lossless(tmp_path):
    rng = np.random.default_rng(fresh_seed())
    values = (10 ** rng.uniform(-12, 2, (500, 20)) * rng.choice([-1, 1], (500, 20))).astype(np.float32)
    clip = FaceClip(tuple("abcdefghijklmnopqrst"), values, 30)
    for module, name in ((csv_plain, "x.plain.csv"), (csv_long, "x.long.csv")):
        module.write(clip, tmp_path / name)
        np.testing.assert_array_equal(read_clip(tmp_path / name).values, values)


@pytest.mark.parametrize(("text", "fps", "seconds"), [
    ("01:00:00:00", 30, 3600), ("00:00:10:12", 24, Fraction(21, 2)),
    ("10:59:59:29", Fraction(30000, 1001), 39599 + Fraction(29 * 1001, 30000)),
    ("00:00:00:119", 120, Fraction(119, 120)), ("00:00:01:30.500", 24, 1 + Fraction(61, 120)),
])
def test_a_take_can_start_at_a_timecode(text, fps, seconds, tmp_path):
    clip = random_clip(5, fps)
    csv_livelink.write(clip, tmp_path / "x.csv", timecode_start=text)
    found, _ = unreal_reads(tmp_path / "x.csv")
    np.testing.assert_allclose(found, [float(seconds + i / clip.fps) for i in range(5)], rtol=0, atol=0.51e-3 / 60)


@pytest.mark.parametrize("text", ["1:00:00:00", "01:00:00", "01:60:00:00", "01:00:00:30", "01:00:00;00", "00:00:00:61.000", "noon", ""])
def test_what_is_no_timecode_is_refused(text, tmp_path):
    with pytest.raises(ExportError) as caught:
        csv_livelink.write(random_clip(2, 30), tmp_path / "x.csv", timecode_start=text)
    assert caught.value.code == "timecode"
    with pytest.raises(ExportError) as caught:
        csv_livelink.write(random_clip(2, 30), tmp_path / "x.csv", timecode_start="23:59:59:29")
    assert caught.value.code == "time-out-of-range"


@pytest.mark.parametrize("n_frames", [1, 2, 90, 600])
@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001), Fraction(12345, 678)])
def test_the_long_layout_is_lossless_for_any_csv_reader(fps, n_frames, tmp_path):
    names = ("jawOpen", 'a "b", c', "\u3042", "channel")
    clip = random_clip(n_frames, fps, names=names, start=Fraction(1, 4))
    path = tmp_path / "line.long.csv"
    csv_long.write(clip, path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == list(names) * n_frames
    assert [float(row["time"]) for row in rows] == np.repeat(clip.times(), len(names)).tolist()
    np.testing.assert_array_equal(np.float32([row["value"] for row in rows]), clip.values.ravel())
    (tmp_path / "line.csv").write_bytes(path.read_bytes())
    for again in (path, tmp_path / "line.csv"):
        back = read_clip(again)
        assert (back.names, back.fps, float(back.start)) == (names, clip.fps, 0.25)
        np.testing.assert_array_equal(back.values, clip.values)


def test_long_rows_may_come_in_any_order(tmp_path):
    clip = random_clip(30, names=("jawOpen", "mouthClose"))
    path = tmp_path / "line.long.csv"
    csv_long.write(clip, path)
    header, *rows = path.read_text().splitlines()
    random.Random(fresh_seed()).shuffle(rows)
    path.write_text("\n".join([header, *rows, ""]))
    np.testing.assert_array_equal(read_clip(path).select(clip.names).values, clip.values)


@pytest.mark.parametrize(("change", "code", "told"), [
    (lambda lines: lines[:5] + lines[6:], "clip-format", "jawOpen"),
    (lambda lines: [*lines, lines[5]], "clip-format", "2 times at 0.06"),
    (lambda lines: [*lines, "soon,jawOpen,1"], "clip-cell", "soon"),
    (lambda lines: [*lines, "9.5,jawOpen,1", "9.5,mouthClose,1"], "clip-uneven", "evenly"),
    (lambda lines: [*lines, "1,jawOpen,much"], "clip-format", "mouthClose"),
    (lambda lines: [lines[0], "0,jawOpen,1"], "clip-uneven", "fps"),
    (lambda lines: ["time;channel;value", "0;1;2"], "clip-format", "time;channel"),
])
def test_a_long_file_with_gaps_is_refused_with_the_channel(change, code, told, tmp_path):
    path = tmp_path / "line.long.csv"
    csv_long.write(random_clip(10, 30, names=("jawOpen", "mouthClose")), path)
    path.write_text("\n".join([*change(path.read_text().splitlines()), ""]))
    with pytest.raises(ClipError, match=told) as caught:
        csv_long.read(path)
    assert caught.value.code == code
