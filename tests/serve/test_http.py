"""The service's HTTP endpoints, asked by a real client over loopback."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from pathlib import Path
from urllib.parse import unquote

import httpx
import jsonschema
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from a2f_batch.cli import main
from a2f_batch.export import read_clip
from a2f_batch.serve.uploads import safe_name
from tests.serve.servers import ROOT, VOICE, VOICES, Server


def baked(path: Path, *options: str, sound: Path = VOICE) -> bytes:
    """Return the file that the command line makes of a sound."""
    answer = CliRunner().invoke(main, ["bake", str(sound), str(path), *options])
    assert answer.exit_code == 0, answer.output
    return path.read_bytes()


def sound(seconds: float, rate: int = 8000, rng: np.random.Generator | None = None) -> bytes:
    """Return a WAV file of noise."""
    samples = (rng or np.random.default_rng(0)).normal(0, 0.1, round(seconds * rate))
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV")
    return content.getvalue()


def test_health_tells_that_it_is_alive_and_what_it_serves(client: httpx.Client) -> None:
    facts = client.get("/health").raise_for_status().json()
    assert facts["status"] == "healthy" and facts["sdk_loaded"] is True  # as audio2face-mvp's own page asks
    assert facts["engine"]["weights"] == "embedded_v2" and facts["workers"] == 2 and "default" in facts["profiles"]


def test_the_frames_of_process_audio_are_those_of_the_command_line(client: httpx.Client, tmp_path: Path) -> None:
    options = {"fps": "29.97", "emotion": "joy:0.6", "seed": "17"}
    answer = client.post("/process-audio", params=options, files={"file": (VOICE.name, VOICE.read_bytes())}).raise_for_status().json()
    names = client.get("/blendshape-names").raise_for_status().json()["blendshape_names"]
    baked(tmp_path / "line.npz", "--fps", "29.97", "--emotion", "joy:0.6", "--seed", "17")
    clip = read_clip(tmp_path / "line.npz")
    data = answer["data"]
    assert answer["success"] is True and tuple(names) == clip.names
    assert np.array_equal(np.array(data["blendshapes"], dtype=np.float32), clip.values)
    assert data["timestamps"] == clip.times().tolist() and data["timestamps"][30] == 30 * 1001 / 30000
    assert data["fps"] == 30000 / 1001 and answer["metadata"]["fps"] == "30000/1001"
    assert (data["num_frames"], data["blendshape_count"]) == clip.values.shape
    assert data["duration"] == 5.15 and answer["metadata"]["original_filename"] == VOICE.name


@pytest.mark.parametrize("name", ["glb", "fbx", "csv", "anim"])
def test_a_baked_file_is_the_command_lines_byte_for_byte(client: httpx.Client, tmp_path: Path, name: str) -> None:
    options = {"format": name, "fps": "24", "emotion": "0 neutral; 1.5 anger:0.8", "seed": "5", "tolerance": "0.004"}
    if name == "csv":
        del options["tolerance"]
    answer = client.post("/bake", params=options, files={"file": (VOICE.name, VOICE.read_bytes())}).raise_for_status()
    arguments = [word for key, value in options.items() if key != "format" for word in (f"--{key}", value)]
    assert answer.content == baked(tmp_path / f"{VOICE.stem}.{name}", *arguments)
    assert answer.headers["x-a2f-frames"] == "124" and answer.headers["x-a2f-fps"] == "24"
    assert f'filename="{VOICE.stem}.{name}"' in answer.headers["content-disposition"]


def test_the_sound_goes_into_a_glb_under_its_own_name(client: httpx.Client, tmp_path: Path) -> None:
    voice = next(path for path in VOICES if path.suffix == ".flac")
    answer = client.post("/bake", params={"audio": "embed"}, files={"file": (voice.name, voice.read_bytes())}).raise_for_status()
    assert answer.content == baked(tmp_path / f"{voice.stem}.glb", "--audio", "embed", sound=voice)


@pytest.mark.parametrize("name", [
    'say "hi".wav', "it's.wav", "ブラボー!.wav", "ünï %41 çødé.wav", "../../../etc/passwd", "C:\\secret\\line.wav", "a\tb\r\nX-Evil: 1.wav",
    ".", "", "x" * 300 + ".wav", "con.wav", "line", "‮gnp.wav",
], ids=range(13))
def test_any_name_of_a_sound_is_only_a_name(client: httpx.Client, server: Server, name: str) -> None:
    # httpx escapes quotes and line ends as browsers do.
    answer = client.post("/bake", params={"format": "csv"}, files={"file": (name or "sound", sound(0.5), "audio/wav")})
    assert answer.status_code == 200, answer.text
    disposition = answer.headers["content-disposition"]
    told = unquote(re.search(r"filename\*=UTF-8''(\S+)", disposition)[1])
    assert told.endswith(".csv") and not re.search(r'[/\\"\x00-\x1f]', told) and "x-evil" not in answer.headers
    assert server.uploads() == []


@pytest.mark.parametrize(("name", "kept"), [
    ("line.wav", "line.wav"), ("a/b/line.wav", "line.wav"), ("a\\line.wav", "line.wav"), ("..", "sound"), ("", "sound"), (".wav", "wav"),
    ("été.wav", "été.wav"), ('q"q?.ogg', "q_q_.ogg"), ("a\x00b.wav", "a_b.wav"), ("x." + "y" * 30, "x"),
])
def test_a_safe_name_keeps_what_is_safe(name: str, kept: str) -> None:
    assert safe_name(name) == kept


FORM = {"file": ("line.wav", b"RIFF")}


@pytest.mark.parametrize(("path", "options", "files", "status", "code"), [
    ("/bake?format=nope", {}, FORM, 422, "format-unknown"),
    ("/bake", {"fps": "0"}, FORM, 422, "fps"),
    ("/bake", {"fps": "1e999999999"}, FORM, 422, "fps"),
    ("/bake", {"profile": "nope"}, FORM, 422, "profile-unknown"),
    ("/bake", {"emotion": "glee"}, FORM, 422, "emotion-unknown"),
    ("/bake", {"channel": "middle"}, FORM, 422, "channel"),
    ("/bake", {"seed": "-1"}, FORM, 422, "request"),
    ("/bake", {"mesh": "/etc/passwd"}, FORM, 422, "request"),
    ("/bake", {"tolerance": "lots"}, FORM, 422, "option-value"),
    ("/bake", {"mesh": "none"}, FORM, 422, "mesh-none"),
    ("/process-audio", {}, {"file": ("line.wav", b"")}, 422, "audio-empty"),
    ("/process-audio", {}, {"file": ("line.wav", b"no sound at all, but text")}, 422, "audio-unreadable"),
    ("/process-audio", {}, {"file": ("line.wav", VOICE.read_bytes()[:9000])}, 422, "audio-truncated"),
    ("/process-audio", {}, {"file": ("line.raw", bytes(1000))}, 422, "audio-unreadable"),
    ("/process-audio", {"channel": "right"}, {"file": ("line.wav", VOICE.read_bytes())}, 422, "audio-channel"),
    ("/process-audio", {}, {"file": ("line.wav", sound(0.01))}, 422, "too-short"),
    ("/process-audio", {}, {"other": ("line.wav", b"RIFF")}, 400, "upload-missing"),
    ("/process-audio", {}, None, 400, "upload-missing"),
    ("/nothing", {}, FORM, 404, "not-found"),
    ("/health", {}, FORM, 405, "method"),
])
def test_what_is_wrong_is_told_with_code_problem_and_remedy(client: httpx.Client, server: Server, path: str, options: dict[str, str],
                                                            files: dict[str, tuple[str, bytes]] | None, status: int, code: str) -> None:
    answer = client.post(path, params=options or None, files=files)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert set(told) == {"code", "problem", "remedy"} and told["problem"] and told["remedy"]
    assert str(server.home) not in answer.text  # nobody is told where uploads are
    assert server.uploads() == []


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "multipart/form-data", "application/json", "audio/wav"])
def test_a_body_that_is_no_form_is_refused(client: httpx.Client, content_type: str) -> None:
    answer = client.post("/process-audio", content=b"\xff\x00--x\r\nnot a form", headers={"content-type": content_type})
    assert answer.status_code == 400 and answer.json()["code"] in ("upload-malformed", "upload-missing")


def test_random_bytes_are_refused_whatever_they_are_called(client: httpx.Client, server: Server, rng: np.random.Generator) -> None:
    for start in (b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x04", b"\x00\x00\x00\x20ftypM4A ", b"#EXTM3U\n"):
        for suffix in ("wav", "mp4", "mp3", ""):
            content = start + rng.bytes(int(rng.integers(1, 3000)))
            answer = client.post("/process-audio", files={"file": (f"line.{suffix}", content)})
            assert answer.status_code == 422 and answer.json()["code"].startswith("audio-"), (start, suffix, answer.text)
            assert str(server.home) not in answer.text
    assert server.uploads() == []


def test_fifty_uploads_at_once_are_all_answered_rightly_while_health_answers(server: Server) -> None:
    sounds = {path: path.read_bytes() for path in VOICES}

    async def one(client: httpx.AsyncClient, i: int) -> tuple[Path, bytes]:
        path = VOICES[i % len(VOICES)]
        answer = await client.post("/bake", params={"format": "csv"}, files={"file": (path.name, sounds[path])})
        assert answer.status_code == 200, answer.text
        return path, answer.content

    async def all_at_once() -> tuple[list[tuple[Path, bytes]], list[float]]:
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
            uploads = asyncio.gather(*(one(client, i) for i in range(50)))
            waits = []
            while not uploads.done():
                begun = time.perf_counter()
                (await client.get("/health")).raise_for_status()
                waits.append(time.perf_counter() - begun)
                await asyncio.sleep(0.02)
            return await uploads, waits

    begun = time.perf_counter()
    answers, waits = asyncio.run(all_at_once())
    seconds = time.perf_counter() - begun
    print(f"50 uploads {seconds:.2f} s; /health {len(waits)} times, slowest {max(waits):.3f} s")
    different = {path: {content for other, content in answers if other == path} for path in VOICES}
    assert all(len(contents) == 1 for contents in different.values()) and len(set.union(*different.values())) == len(VOICES)
    assert len(waits) > 5 and max(waits) < max(0.5, seconds / 3)  # it does not wait its turn behind them, on a busy machine neither
    assert server.uploads() == []


def test_only_its_own_name_is_answered_to(client: httpx.Client, server: Server) -> None:
    for host in (f"localhost:{server.port}", f"127.0.0.1:{server.port}", f"[::1]:{server.port}"):
        assert client.get("/health", headers={"host": host}).status_code == 200
    for host in ("evil.example", f"evil.example:{server.port}", "localhost.evil.example", "", "[::1", "127.0.0.1.evil.example"):
        answer = client.get("/health", headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "host-unknown"), host


def test_no_other_web_page_may_use_it(client: httpx.Client, server: Server) -> None:
    for origin in ("https://evil.example", "http://localhost:1", "null", f"http://127.0.0.1.evil.example:{server.port}"):
        answer = client.post("/process-audio", files=FORM, headers={"origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin-unknown")
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/health", headers={"origin": server.url}).status_code == 200  # its own


def test_docs_and_page_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    api = client.get("/openapi.json").raise_for_status().json()
    docs = client.get("/docs").raise_for_status()
    assert docs.headers["content-type"].startswith("text/html")
    for path in api["paths"]:
        assert path in docs.text
    assert set(api["paths"]) == {"/health", "/blendshape-names", "/process-audio", "/bake"}
    for page in (docs, client.get("/").raise_for_status()):
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)


def test_the_log_is_told_in_json_that_keeps_to_its_schema(client: httpx.Client, server: Server) -> None:
    since = len(server.events)
    client.get("/health?x=%0aevil")
    client.post("/bake?format=nope", files=FORM)
    event = server.wait_for(lambda event: event.get("code") == "format-unknown", since)
    assert (event["method"], event["target"], event["status"]) == ("POST", "/bake?format=nope", 422)
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "a2f_batch/cli/log.schema.json").read_text(encoding="utf-8")))
    for event in server.events:
        validator.validate(event)
    assert not [event for event in server.events if event["event"] == "error"]
