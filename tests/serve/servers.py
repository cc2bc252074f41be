"""A real service in a process of its own, and its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VOICES = sorted((ROOT / "manifests/audio").iterdir())
VOICE = ROOT / "manifests/audio/gate_halt.en-US.wav"


class Server:
    """A service that runs.

    Attributes:
        url: 'http://127.0.0.1:<port>'.
        home: the folder that it has for temporary files.
        events: its log so far.
    """

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self.process, self.home = process, home
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.wait_for(lambda event: event["event"] == "listening")["url"]
        self.port = int(self.url.rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._changed:
                self.events.append(json.loads(line) if line.startswith("{") else {"event": "no JSON", "line": line})
                self._changed.notify_all()

    def wait_for(self, wanted: Any, since: int = 0, seconds: float = 60) -> dict[str, Any]:
        """Return the first event from number `since` on that is `wanted`."""
        end = time.monotonic() + seconds
        with self._changed:
            while True:
                found = [event for event in self.events[since:] if wanted(event)]
                if found:
                    return found[0]
                assert time.monotonic() < end, f"not told in {seconds} s; the log: {self.events}"
                self._changed.wait(0.2)
                assert self.process.poll() is None or wanted, self.events

    def uploads(self) -> list[Path]:
        """Return what is left of uploads."""
        return [path for folder in self.home.glob("a2f-serve-*") for path in folder.iterdir()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(5)
        return code


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Server]:
    """Run a service with these options until the block ends."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "a2f_batch", "serve", "--port", "0", "--log-format", "json", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield Server(process, home)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        assert process.stderr
        process.stderr.close()
