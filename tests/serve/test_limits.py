"""What the service withstands: uploads that are huge, slow, broken off or too many, processes that die, and signals."""

from __future__ import annotations

import io
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import soundfile

from tests.serve.servers import VOICE, Server, serving


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes little."""
    options = ("--workers", "1", "--waiting", "1", "--max-mb", "0.5", "--max-seconds", "6", "--upload-seconds", "1",
               "--allow-origin", "https://tool.example", "--allow-host", "Farm.example")
    with serving(tmp_path_factory.mktemp("small"), *options) as running:
        yield running


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="line.wav"\r\n\r\n'


def begun(server: Server, length: int = 100_000, sent: bytes = HEAD) -> socket.socket:
    """Return a connection on which an upload has begun."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(f"POST /process-audio HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                       f"Content-Length: {length}\r\n\r\n".encode() + sent)
    return connection


def answer_of(connection: socket.socket) -> str:
    connection.settimeout(60)
    content = b""
    while chunk := connection.recv(65536):
        content += chunk
    return content.decode()


def workers_of(server: Server) -> list[psutil.Process]:
    """Return the processes that render."""
    return [child for child in psutil.Process(server.process.pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("chunked", [False, True], ids=["told", "untold"])
@pytest.mark.parametrize("mib", [0.7, 20])
def test_an_upload_over_the_limit_is_told_so(small: Server, chunked: bool, mib: float) -> None:
    content = HEAD + bytes(int(mib * 2 ** 20)) + b"\r\n--b--\r\n"
    body = (content[i:i + 65536] for i in range(0, len(content), 65536)) if chunked else content
    answer = httpx.post(f"{small.url}/process-audio", content=body, headers={"content-type": "multipart/form-data; boundary=b"}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-large")
    assert "0.5 MiB" in answer.json()["problem"] and small.uploads() == []


def test_a_sound_over_the_limit_is_told_so_however_small_its_file(small: Server) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(16000 * 3600), 16000, format="FLAC")  # an hour of silence
    assert len(content.getvalue()) < 400_000
    answer = httpx.post(f"{small.url}/process-audio", files={"file": ("line.flac", content.getvalue())}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "audio-too-long") and "6 s" in answer.json()["problem"]


def test_an_upload_that_does_not_come_is_given_up(small: Server) -> None:
    since, start = len(small.events), time.monotonic()
    with begun(small) as connection:
        connection.sendall(b"x")
        answer = answer_of(connection)
    assert answer.startswith("HTTP/1.1 408 ") and "upload-timeout" in answer
    assert 0.9 < time.monotonic() - start < 40 and small.uploads() == []
    assert small.wait_for(lambda event: event["event"] == "request", since)["status"] == 408


@pytest.mark.slow
def test_an_upload_that_trickles_is_given_up_too(small: Server) -> None:
    start = time.monotonic()
    with begun(small) as connection:
        try:
            while time.monotonic() - start < 60:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            pass
    assert time.monotonic() - start < 40 and small.uploads() == []


@pytest.mark.parametrize("after_another", [False, True], ids=["at once", "after a request"])
@pytest.mark.parametrize("sent", [b"", b"POST /process-audio HTTP/1.1\r\nHost: local"], ids=["nothing", "half"])
def test_headers_that_do_not_come_are_given_up(small: Server, sent: bytes, after_another: bool) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as connection:
        if after_another:
            body = HEAD + b"no sound\r\n--b--\r\n"
            connection.sendall(b"POST /process-audio HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                               b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            connection.settimeout(60)
            while b'"audio-' not in (first := connection.recv(65536)):
                pass
            assert b"connection: close" not in first
        connection.sendall(sent)
        answer = answer_of(connection)  # it comes to an end
    assert (answer.startswith("HTTP/1.1 408 ") and '"headers-timeout"' in answer) if sent else answer == ""


@pytest.mark.slow
def test_headers_that_trickle_are_given_up_and_those_that_are_only_slow_are_not(small: Server) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as connection, pytest.raises(OSError):
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        for i in range(600):
            connection.sendall(b"X-%d: 1\r\n" % i)
            time.sleep(0.1)
    with socket.create_connection(("127.0.0.1", small.port)) as connection:
        for part in (b"GET /health HTTP/1.1\r\n", b"Host: localhost\r\nConnection: close\r\n", b"\r\n"):
            connection.sendall(part)
            time.sleep(0.1)
        assert answer_of(connection).startswith("HTTP/1.1 200 ")


def test_an_upload_that_breaks_off_leaves_nothing_behind(small: Server) -> None:
    for length in (0, 10, 40_000):
        since = len(small.events)
        begun(small, sent=(HEAD + bytes(length))[:length and None]).close()
        assert small.wait_for(lambda event: event["event"] == "request", since)["status"] in (400, 499)
    assert small.uploads() == []
    assert httpx.get(f"{small.url}/health").json()["inside"] == 0


def test_one_too_many_is_told_to_come_again_while_health_answers(small: Server) -> None:
    asked = {"files": {"file": ("line.wav", VOICE.read_bytes())}, "timeout": 60}
    statuses = []
    while 503 not in statuses and len(statuses) < 10:  # on a busy machine those inside may be given up before the next one comes
        with ExitStack() as open_ones:
            for _ in range(2):
                open_ones.enter_context(begun(small))
            end = time.monotonic() + 0.9
            while httpx.get(f"{small.url}/health", timeout=60).json()["inside"] < 2 and time.monotonic() < end:
                pass
            answer = httpx.post(f"{small.url}/process-audio", **asked)
        statuses.append(answer.status_code)
    assert set(statuses) <= {200, 503}
    assert (answer.status_code, answer.json()["code"]) == (503, "busy") and int(answer.headers["retry-after"]) > 0
    end = time.monotonic() + 60
    while httpx.get(f"{small.url}/health", timeout=60).json()["inside"] and time.monotonic() < end:
        time.sleep(0.05)
    assert httpx.post(f"{small.url}/process-audio", **asked).status_code == 200


def test_an_allowed_page_and_an_allowed_name_are_let_in(small: Server) -> None:
    answer = httpx.get(f"{small.url}/health", headers={"origin": "https://tool.example", "host": "farm.example:80"})
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://tool.example"
    asked = httpx.options(f"{small.url}/bake", headers={"origin": "https://tool.example", "access-control-request-method": "POST"})
    assert asked.status_code == 200 and "POST" in asked.headers["access-control-allow-methods"]
    assert httpx.get(f"{small.url}/health", headers={"origin": "https://other.example"}).status_code == 403


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_takes_no_other_request_with_it(tmp_path: Path) -> None:
    short = {"file": ("line.wav", VOICE.read_bytes())}
    with serving(tmp_path / "home", "--workers", "1") as server, ThreadPoolExecutor() as threads:
        (worker,) = workers_of(server)
        worker.suspend()
        killed = threads.submit(httpx.post, f"{server.url}/bake", files=short, timeout=60)
        while not any(path.is_dir() and any(path.iterdir()) for path in server.uploads()):
            time.sleep(0.02)
        waiting = threads.submit(httpx.post, f"{server.url}/process-audio", files=short, timeout=60)
        while httpx.get(f"{server.url}/health").json()["inside"] < 2:
            time.sleep(0.02)
        worker.kill()
        assert (killed.result().status_code, killed.result().json()["code"]) == (500, "worker-lost")
        assert waiting.result().status_code == 200
        for idle in workers_of(server):
            idle.kill()
        assert httpx.post(f"{server.url}/process-audio", files=short, timeout=60).status_code == 200
        assert server.uploads() == [] and "no JSON" not in [event["event"] for event in server.events]


@pytest.mark.slow
def test_a_rendering_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    short = {"file": ("line.wav", VOICE.read_bytes())}
    with serving(tmp_path / "home", "--workers", "1", "--render-seconds", "20") as server:
        (worker,) = workers_of(server)
        worker.suspend()
        answer = httpx.post(f"{server.url}/process-audio", files=short, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (504, "render-timeout")
        assert httpx.post(f"{server.url}/process-audio", files=short, timeout=60).status_code == 200
        assert not worker.is_running() and server.uploads() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_lets_what_is_begun_end_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    with serving(tmp_path / "home", "--workers", "1") as server, ThreadPoolExecutor() as threads:
        children = psutil.Process(server.process.pid).children(recursive=True)
        sound = {"file": ("line.wav", VOICE.read_bytes())}
        asked = [threads.submit(httpx.post, f"{server.url}/bake", files=sound, timeout=60) for _ in range(4)]
        while httpx.get(f"{server.url}/health").json()["inside"] < 4 and not all(one.done() for one in asked):
            pass
        assert server.stop(number) == 0
        assert [one.result().status_code for one in asked] == [200] * 4
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive and list(server.home.glob('a2f*')) == []
        assert not [event for event in server.events if event["event"] == "error"]


@pytest.mark.slow
def test_its_workers_end_when_it_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--workers", "1") as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        assert psutil.wait_procs(children, timeout=30)[1] == []


def test_a_port_that_is_taken_is_told(tmp_path: Path, small: Server) -> None:
    from click.testing import CliRunner

    from a2f_batch.cli import main

    answer = CliRunner().invoke(main, ["serve", "--port", str(small.port)])
    assert answer.exit_code == 2 and "[address]" in answer.output and "--port" in answer.output
