"""How the add-ons reach a2f_batch: in this process where it can be imported, else through a helper process. Same requests, same answers.

Copied into each add-on when it is built or installed. Python 3.7 syntax and nothing but the standard library: Maya 2022 imports it.
The requests and answers are described in a2f_batch/dcc/bridge.py.
"""

import array
import base64
import json
import os
import queue
import subprocess
import sys
import threading

BRIDGE_VERSION = 1
_STEP_NAMES = {"load": "Loading the network", "decode": "Reading the sound", "infer": "Listening", "post": "Shaping the curves"}


class Cancelled(Exception):
    """The user said stop."""


class Failed(Exception):
    """A request failed: `problem` says what went wrong, `remedy` what to do now, `code` names the reason."""

    def __init__(self, problem, remedy, code="internal"):
        super().__init__(problem + "\n" + remedy)
        self.problem, self.remedy, self.code = problem, remedy, code


def importable():
    """Return whether the library can run in this process."""
    try:
        import onnxruntime  # noqa: F401

        import a2f_batch.dcc.bridge  # noqa: F401
    except (ImportError, SyntaxError):  # SyntaxError: a Python older than the library's
        return False
    return True


def ask(request, python=None, on_progress=None, cancelled=None):
    """Answer `request` (a dict without the version) and return the answer's members.

    Args:
        python: the Python program that has a2f_batch installed; None = this process.
        on_progress: called with a text for people and the share done, 0 to 1; from the calling thread.
        cancelled: called often; once it returns True, `Cancelled` is raised and nothing of the request is left behind.

    Raises:
        Failed: with what to do now.
        Cancelled.
    """
    request = dict(request, a2f_bridge=BRIDGE_VERSION)
    progress = on_progress or (lambda text, share: None)
    stopped = cancelled or (lambda: False)

    def tell(event):
        if stopped():
            raise Cancelled()
        if event.get("event") == "progress":
            step = event.get("step", "")
            progress(_STEP_NAMES.get(step, step), event.get("share", 0.0))

    if python:
        return _ask_helper(request, python, tell, stopped)
    return _ask_here(request, tell)


def floats(text):
    """Return the float32 values that an answer holds in base64, as an array('f')."""
    values = array.array("f")
    values.frombytes(base64.b64decode(text))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _ask_here(request, tell):
    try:
        from a2f_batch.dcc.bridge import answer
        from a2f_batch.errors import A2FError
    except (ImportError, SyntaxError) as error:
        raise Failed("a2f_batch can't be loaded in this program's own Python: %s." % error,
                     "Name a Python that has a2f-batch in the add-on's settings, or install the add-on again.", "library-missing") from None

    try:
        # Through JSON, so that the two ways can't differ in what they let pass. The answer piece by piece: `dumps` of minutes of curves
        # holds Python's lock for long, and the host's interface with it.
        return json.loads("".join(json.JSONEncoder().iterencode(answer(json.loads(json.dumps(request)), tell))))
    except A2FError as error:
        raise Failed(error.problem, error.remedy, error.code) from None


def _ask_helper(request, python, tell, stopped):
    # The host's own Python and libraries are not the helper's.
    strange = ("PYTHON", "LD_LIBRARY_PATH", "DYLD_") if "MAYA_LOCATION" in os.environ else ("PYTHON",)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    environment["PYTHONIOENCODING"] = "utf-8"
    hidden = {"creationflags": 0x08000000} if os.name == "nt" else {}  # CREATE_NO_WINDOW
    try:
        helper = subprocess.Popen([python, "-m", "a2f_batch", "bridge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=environment, **hidden)
    except OSError as error:
        raise Failed("The helper's Python '%s' can't be started: %s." % (python, error.strerror or error),
                     "Choose the Python program in which a2f-batch is installed.", "helper-missing") from None
    lines, errors = queue.Queue(), []  # type: (queue.Queue[bytes | None], list[bytes])
    # A thread each: a pipe that is full makes its writer wait, and the user's word to stop would not be heard.
    threads = [threading.Thread(target=_write, args=(helper.stdin, json.dumps(request).encode("utf-8") + b"\n")),
               threading.Thread(target=_read_lines, args=(helper.stdout, lines)),
               threading.Thread(target=lambda: errors.append(helper.stderr.read()))]
    for thread in threads:
        thread.daemon = True
        thread.start()
    try:
        last = _last_event(lines, tell, stopped)
    finally:
        if helper.poll() is None:
            helper.kill()
        helper.wait()
        for thread in threads:
            thread.join(5)
        helper.stdout.close()
        helper.stderr.close()
    if last is None:
        said = (errors[0] if errors else b"").decode("utf-8", "replace").strip().splitlines()
        raise Failed("The helper process ended without an answer%s." % (": " + said[-1] if said else ""),
                     "Check that '%s -m a2f_batch --version' works in a terminal." % python, "helper-lost")
    if last["event"] == "error":
        raise Failed(last.get("problem", "The helper failed."), last.get("remedy", ""), last.get("code", "internal"))
    return last


def _last_event(lines, tell, stopped):
    """Return the event that ends the answer; None if the helper ended before it."""
    while True:
        try:
            line = lines.get(timeout=0.05)
        except queue.Empty:
            if stopped():
                raise Cancelled() from None
            continue
        if line is None:
            return None
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError:
            continue  # a library's own word on standard output is no answer
        if isinstance(event, dict) and event.get("event") in ("done", "error"):
            return event
        if isinstance(event, dict):
            tell(event)


def _write(stream, request):
    try:
        stream.write(request)
        stream.close()
    except OSError:
        pass  # it ended before it read: what it says is on its other streams


def _read_lines(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)
