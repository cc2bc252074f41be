"""The stream: dlp3d audio2face's protocol, by a client with generated protobuf code, against what the command line makes offline."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from a2f_batch.audio import load_audio
from a2f_batch.cli import main
from a2f_batch.clip import FaceClip
from a2f_batch.export import read_clip
from a2f_batch.rates import frame_count
from a2f_batch.serve.cuts import Cutter
from a2f_batch.serve.messages import file_description
from tests.serve.servers import ROOT, VOICES, Server, serving

PATH = "/api/v1/streaming_audio2face/ws"


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The code that protoc makes of the .proto file, as a client of ours has it."""
    from grpc_tools import protoc

    folder = tmp_path_factory.mktemp("protocol")
    assert protoc.main(["protoc", f"--proto_path={ROOT / 'a2f_batch/serve'}", f"--python_out={folder}", "stream.proto"]) == 0
    spec = importlib.util.spec_from_file_location("stream_pb2", folder / "stream_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Client:
    """What dlp3d's clients do: start, bodies, end; then frames until the end."""

    def __init__(self, server: Server, protocol: ModuleType, query: str = "", **headers: str) -> None:
        self.request, self.response = protocol.Audio2FaceBlendshapeV1Request, protocol.Audio2FaceBlendshapeV1Response
        self._url, self._headers = f"{server.url.replace('http', 'ws')}{PATH}{query}", headers

    def send(self, part: str, **fields: Any) -> None:
        self.socket.send(self.request(class_name=f"StreamingAudio2FaceV1Chunk{part}", **fields).SerializeToString())

    def receive(self) -> Iterator[Any]:
        for content in self.socket:
            yield self.response.FromString(content)

    def __enter__(self) -> Client:
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(self._url, additional_headers=self._headers, max_size=None))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()


def streamed(server: Server, protocol: ModuleType, pcm: np.ndarray, rate: int, *, sizes: Sequence[int] = (8000,), query: str = "",
             offsets: Sequence[str] = ("",), **start: Any) -> FaceClip:
    """Return the clip that comes back for samples of shape (n, channels), sent in messages of `sizes` bytes."""
    content = pcm.tobytes()
    with Client(server, protocol, query) as client:
        client.send("Start", request_id="test", sample_rate=rate, sample_width=pcm.itemsize, n_channels=pcm.shape[1], **start)
        at = i = 0
        while at < len(content):
            size = sizes[i % len(sizes)]
            client.send("Body", pcm_bytes=content[at:at + size], offset_name=offsets[i % len(offsets)])
            at, i = at + size, i + 1
        client.send("End")
        first, *bodies, last = client.receive()
    assert first.class_name == "Audio2FaceV1ResponseChunkStart" and last.class_name == "Audio2FaceV1ResponseChunkEnd"
    assert client.socket.close_code == 1000
    rows = [np.frombuffer(body.data, dtype=first.dtype).reshape(-1, len(first.blendshape_names)) for body in bodies]
    assert {body.class_name for body in bodies} == {"Audio2FaceV1ResponseChunkBody"}
    assert max(map(len, rows)) <= (start.get("response_chunk_n_frames") or 10)
    return FaceClip(tuple(first.blendshape_names), np.concatenate(rows).astype(np.float32), Fraction(30))


def offline(folder: Path, pcm: np.ndarray, rate: int, *options: str) -> FaceClip:
    """Return the clip that `a2f-batch bake` makes of samples."""
    soundfile.write(folder / "line.wav", pcm, rate, subtype="PCM_16")
    answer = CliRunner().invoke(main, ["bake", str(folder / "line.wav"), str(folder / "line.npz"), *options])
    assert answer.exit_code == 0, answer.output
    return read_clip(folder / "line.npz")


def silence_cuts(samples: np.ndarray, rate: int) -> list[int]:
    """Return where the documented rule cuts, written as plainly as it can be: a quarter second into each half second of quiet."""
    window, hop = round(0.010 * rate), round(0.005 * rate)
    quiet = [np.mean((samples[i:i + window].astype(float) * 32768) ** 2) < 1e4 for i in range(0, len(samples) - window + 1, hop)]
    cuts, first = [], None
    for i, is_quiet in enumerate([*quiet, False]):
        if is_quiet and first is None:
            first = i
        if not is_quiet and first is not None:
            if (i - 1 - first) * hop + window >= round(0.5 * rate):
                cuts.append(first * hop + round(0.5 * rate) // 2)
            first = None
    return cuts


def talk(rng: np.random.Generator, rate: int, parts: int = 4) -> np.ndarray:
    """Return 16-bit samples of shape (n, 1): pieces of real voices with silences of 0.1 to 1.5 s around, of any length."""
    pieces = []
    for _ in range(parts):
        voice = load_audio(VOICES[int(rng.integers(len(VOICES)))]).samples
        length = int(rng.integers(16000, min(48000, len(voice))))
        start = int(rng.integers(0, len(voice) - length + 1))
        pieces += [voice[start:start + length], np.zeros(int(rng.uniform(0.1, 1.5) * 16000), dtype=np.float32)]
    samples = np.concatenate(pieces)
    at = np.arange(int(len(samples) / 16000 * rate)) * 16000 / rate
    return np.round(np.interp(at, np.arange(len(samples)), samples) * 32000).astype("<i2")[:, None]


@pytest.mark.parametrize(("rate", "fps"), [(16000, "30"), (44100, "29.97"), (22050, "24"), (48000, "60")])
def test_a_stream_is_what_bake_makes_of_the_same_cuts(server: Server, protocol: ModuleType, tmp_path: Path, rng: np.random.Generator,
                                                      rate: int, fps: str) -> None:
    pcm = talk(rng, rate)
    exact = {"29.97": Fraction(30000, 1001)}.get(fps, Fraction(fps))
    came = streamed(server, protocol, pcm, rate, sizes=rng.integers(1, 40000, 5), query=f"?fps={fps}")
    edges = [0, *(round(cut * exact / rate) for cut in silence_cuts(pcm[:, 0] / np.float32(32768), rate))]
    total = frame_count(len(pcm), rate, exact)
    pieces = []
    for first, stop in zip(edges, [*edges[1:], None], strict=True):
        if first >= total:
            break
        samples = pcm[round(first * rate / exact):None if stop is None else round(stop * rate / exact)]
        if len(samples):
            pieces.append(offline(tmp_path, samples, rate, "--fps", fps, "--seed", str(first)).values)
    expected = np.concatenate(pieces)[:total]
    assert len(edges) > 1 and came.values.shape == expected.shape
    # Sent as float16: 2^-12 of what is under 1.
    assert np.abs(came.values - expected).max() < 3e-4


def test_a_stream_without_cuts_is_the_files_own_result(server: Server, protocol: ModuleType, tmp_path: Path,
                                                       rng: np.random.Generator) -> None:
    pcm = talk(rng, 16000, parts=3)
    came = streamed(server, protocol, pcm, 16000, sizes=rng.integers(1, 40000, 5), query="?cuts=none&dtype=float32&seed=9")
    expected = offline(tmp_path, pcm, 16000, "--seed", "9")
    assert came.names == expected.names and np.array_equal(came.values, expected.values)


def test_how_the_sound_is_cut_into_messages_changes_nothing(server: Server, protocol: ModuleType, rng: np.random.Generator) -> None:
    pcm = talk(rng, 16000, parts=2)
    whole = streamed(server, protocol, pcm, 16000, sizes=[pcm.nbytes], query="?dtype=float32")
    for sizes in ([161], [1, 7, 3201], rng.integers(1, 20000, 9)):
        assert np.array_equal(streamed(server, protocol, pcm, 16000, sizes=sizes, query="?dtype=float32").values, whole.values)
    in_threes = streamed(server, protocol, pcm, 16000, query="?dtype=float32", response_chunk_n_frames=3)
    assert np.array_equal(in_threes.values, whole.values)


def test_frames_come_at_a_silence_and_not_only_at_the_end(server: Server, protocol: ModuleType) -> None:
    voice = (load_audio(VOICES[0]).samples[:32000] * 32000).astype("<i2")
    with Client(server, protocol) as client:
        client.send("Start", sample_rate=16000, sample_width=2, n_channels=1)
        client.send("Body", pcm_bytes=np.concatenate([voice, np.zeros(16000, "<i2")]).tobytes())
        replies = client.receive()
        assert next(replies).class_name.endswith("ChunkStart")
        assert next(replies).class_name.endswith("ChunkBody")  # and no end was sent yet


def test_stereo_eight_and_thirty_two_bits_are_understood(server: Server, protocol: ModuleType, rng: np.random.Generator) -> None:
    mono = talk(rng, 16000, parts=1) & ~np.int16(255)  # so that 8 bits hold it
    one = streamed(server, protocol, mono, 16000, query="?dtype=float32")
    stereo = streamed(server, protocol, np.repeat(mono, 2, axis=1), 16000, sizes=[777], query="?dtype=float32")
    assert np.array_equal(stereo.values, one.values)
    for kind, shift in (("i1", -8), ("<i4", 16)):
        wide = mono.astype(np.int64)
        other = (wide << shift if shift > 0 else wide >> -shift).astype(kind)
        assert np.array_equal(streamed(server, protocol, other, 16000, query="?dtype=float32").values, one.values)


def test_the_emotions_of_dlp3ds_clients_are_shown(server: Server, protocol: ModuleType, tmp_path: Path, rng: np.random.Generator) -> None:
    pcm = talk(rng, 16000, parts=1)[:16000]
    came = streamed(server, protocol, pcm, 16000, query="?cuts=none&dtype=float32", offsets=["happiness_1"])
    assert np.array_equal(came.values, offline(tmp_path, pcm, 16000, "--emotion", "joy").values)
    assert not np.array_equal(came.values, offline(tmp_path, pcm, 16000).values)


def test_an_unknown_emotion_is_neutral_and_told_in_the_log(server: Server, protocol: ModuleType, tmp_path: Path,
                                                           rng: np.random.Generator) -> None:
    pcm, since = talk(rng, 16000, parts=1)[:16000], len(server.events)
    came = streamed(server, protocol, pcm, 16000, query="?cuts=none&dtype=float32", offsets=["glee_2"])
    assert np.array_equal(came.values, offline(tmp_path, pcm, 16000).values)
    assert "glee_2" in server.wait_for(lambda event: event.get("code") == "emotion-unknown", since)["message"]


@pytest.mark.parametrize("profile", ["", "default", "raw", "KQ-default"])
def test_profiles_are_the_projects_and_avatars_the_default_one(server: Server, protocol: ModuleType, tmp_path: Path,
                                                               rng: np.random.Generator, profile: str) -> None:
    pcm = talk(rng, 16000, parts=1)[:16000]
    came = streamed(server, protocol, pcm, 16000, query="?cuts=none&dtype=float32", profile_name=profile)
    expected = offline(tmp_path, pcm, 16000, "--profile", "raw" if profile == "raw" else "default")
    assert np.array_equal(came.values, expected.values)


START = {"sample_rate": 16000, "sample_width": 2, "n_channels": 1}


@pytest.mark.parametrize(("sent", "query", "code", "told"), [
    ([("Body", {"pcm_bytes": b"12"})], "", 1008, "stream-message"),
    ([("End", {})], "", 1008, "stream-message"),
    ([("Start", START), ("Start", START)], "", 1008, "stream-message"),
    ([("Start", {**START, "sample_width": 3})], "", 1008, "stream-format"),
    ([("Start", {**START, "sample_rate": -1})], "", 1008, "stream-format"),
    ([("Start", {**START, "n_channels": 0})], "", 1008, "stream-format"),
    ([("Start", {**START, "response_chunk_n_frames": -5})], "", 1008, "stream-format"),
    ([("Start", {**START, "profile_name": "ünknown"})], "", 1008, "profile-unknown"),
    ([("Start", START)], "?fps=never", 1008, "fps"),
    ([("Start", START), ("End", {})], "", 1008, "too-short"),
    ([("Start", START), ("Body", {"pcm_bytes": bytes(100)}), ("End", {})], "", 1008, "too-short"),
])
def test_what_is_wrong_closes_the_stream_with_a_reason(server: Server, protocol: ModuleType, sent: list[tuple[str, dict[str, Any]]],
                                                       query: str, code: int, told: str) -> None:
    since = len(server.events)
    with Client(server, protocol, query) as client, pytest.raises(ConnectionClosed) as closed:
        for part, fields in sent:
            client.send(part, **fields)
        client.socket.recv()
    assert closed.value.rcvd.code == code and closed.value.rcvd.reason.startswith(f"{told}: ")
    assert server.wait_for(lambda event: event["event"] == "stream" and event["code"] == told, since)["frames"] in (0, 3)


@pytest.mark.parametrize("content", [b"\xff\xff\xff", "text", b""])
def test_garbage_is_refused(server: Server, protocol: ModuleType, content: bytes | str) -> None:
    with Client(server, protocol) as client, pytest.raises(ConnectionClosed) as closed:
        client.socket.send(content)
        client.socket.recv()
    assert closed.value.rcvd.code == 1008


def test_a_client_that_goes_away_leaves_nothing_behind(server: Server, protocol: ModuleType) -> None:
    since = len(server.events)
    with Client(server, protocol) as client:
        client.send("Start", request_id="goes away", **START)
        client.send("Body", pcm_bytes=bytes(100_000))
    assert server.wait_for(lambda event: event.get("name") == "goes away", since)["code"] == "disconnected"


@pytest.mark.parametrize("header", [{"origin": "https://evil.example"}, {"host": "evil.example"}])
def test_no_web_page_of_anybody_elses_may_stream(server: Server, protocol: ModuleType, header: dict[str, str]) -> None:
    if "host" in header:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(f"GET {PATH} HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
            assert plain.recv(100).startswith(b"HTTP/1.1 421 ")
        return
    with pytest.raises(InvalidStatus) as refused, Client(server, protocol, **header):
        pass
    assert refused.value.response.status_code == 403 and b"origin-unknown" in refused.value.response.body


@pytest.mark.slow
def test_limits_of_length_time_and_number_hold(protocol: ModuleType, tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--workers", "1", "--waiting", "0", "--max-seconds", "2", "--upload-seconds", "5") as server:
        with Client(server, protocol) as client:
            client.send("Start", **START)
            with pytest.raises(InvalidStatus) as busy, Client(server, protocol):
                pass
            assert busy.value.response.status_code == 503 and busy.value.response.headers["retry-after"]
            for _ in range(3):
                client.send("Body", pcm_bytes=bytes(32000))
            with pytest.raises(ConnectionClosed) as closed:
                list(client.receive())
        assert closed.value.rcvd.code == 1009 and closed.value.rcvd.reason.startswith("audio-too-long")
        with Client(server, protocol) as client, pytest.raises(ConnectionClosed) as closed:
            client.send("Start", **START)
            client.socket.recv(timeout=20)
        assert closed.value.rcvd.reason.startswith("upload-timeout")


def test_the_proto_file_and_the_messages_in_code_are_one(protocol: ModuleType) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    compiled = FileDescriptorProto()
    protocol.DESCRIPTOR.CopyToProto(compiled)
    ours = file_description()
    for file in (compiled, ours):
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert compiled == ours


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("fps", [Fraction(1), Fraction(24), Fraction(30000, 1001), Fraction(30), Fraction(60), Fraction(240)])
def test_pieces_cover_every_frame_once_and_are_as_long_as_files_of_them(rng: np.random.Generator, rate: int, fps: Fraction) -> None:
    samples = np.concatenate([part for _ in range(12) for part in (rng.normal(0, 0.1, int(rng.uniform(0.05, 1) * rate)),
                                                                   np.zeros(int(rng.uniform(0, 1.4) * rate)))]).astype(np.float32)
    cutter, pieces = Cutter(rate, fps), []
    at = 0
    while at < len(samples):
        size = int(rng.integers(1, rate))
        pieces += cutter.add(samples[at:at + size])
        at += size
    last = cutter.finish()
    pieces += [last] if last else []
    assert [piece.first for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])]
    assert pieces[-1].stop == frame_count(len(samples), rate, fps)  # as many as the file's, however many pieces
    for piece in pieces:
        assert piece.begin == round(piece.first * rate / fps)  # placed by absolute sample position
        assert frame_count(piece.end - piece.begin, rate, fps) == piece.stop - piece.first
    assert abs(pieces[-1].end - len(samples)) <= 1 or pieces[-1].end <= len(samples)
    frames = [round(cut * fps / rate) for cut in silence_cuts(samples, rate)]
    assert [piece.stop for piece in pieces[:-1]] == sorted({frame for frame in frames if 0 < frame < pieces[-1].stop})
