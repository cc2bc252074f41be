"""A request in a thread: Maya stays alive, a progress window tells how far it is, Esc cancels.

Commands may be called from the main thread alone, so a thread passes progress on with `maya.utils.executeInMainThreadWithResult`, which
waits for Maya's next idle moment (Maya's help, "Python and threading"). In batch mode there are no idle moments: all is done at once.
"""

import threading

import a2f_client
import maya.utils
from maya import cmds

from .trouble import Trouble

TICK_SECONDS = 0.1

_running: list = []


def start(title, ask, finish):
    """Call `ask(on_progress, cancelled)` in a thread, and `finish(answer, error)` in the main thread when it is done.

    Args:
        ask: as `library.asker` returns it, after its request; it may touch neither scene nor window.
        finish: gets the answer and None, or None and what was raised; `a2f_client.Cancelled` where Esc was pressed.
    """
    if cmds.about(batch=True):
        finish(*_answered(ask, None, None))
        return
    if _running:
        raise Trouble("A line is being baked.", "Wait for it, or press Esc.")
    if not cmds.progressWindow(title=title, status="Starting", progress=0, maxValue=100, isInterruptable=True):
        raise Trouble("Another progress window is open.", "Wait for what it shows, or close it.")
    _Work(ask, finish).begin()


def cancel():
    """Stop what is running, as Esc does."""
    for work in _running:
        work.stopped.set()


def _answered(ask, on_progress, cancelled):
    try:
        return ask(on_progress, cancelled), None
    except Exception as error:  # shown to the artist, never lost in a thread
        return None, error


class _Work:
    def __init__(self, ask, finish):
        self.stopped = threading.Event()
        self._ask, self._finish = ask, finish
        self._told = ("Starting", 0.0)
        self._result = None, a2f_client.Cancelled()
        self._asking = threading.Thread(target=self._run)
        self._watching = threading.Thread(target=self._watch)
        self._asking.daemon = self._watching.daemon = True

    def begin(self):
        _running.append(self)
        self._asking.start()
        self._watching.start()

    def _run(self):
        self._result = _answered(self._ask, self._note, self.stopped.is_set)

    def _note(self, text, share):
        self._told = (text, share)

    def _watch(self):
        # Once cancelled nobody waits for the library: in this process it can't be stopped in the middle of a step.
        while self._asking.is_alive() and not self.stopped.is_set():
            self._asking.join(TICK_SECONDS)
            maya.utils.executeInMainThreadWithResult(self._show)
        maya.utils.executeDeferred(self._end)

    def _show(self):
        text, share = self._told
        cmds.progressWindow(edit=True, progress=int(100 * share), status=text)
        if cmds.progressWindow(query=True, isCancelled=True):
            self.stopped.set()

    def _end(self):
        cmds.progressWindow(endProgress=True)
        _running.remove(self)
        answer, error = (None, a2f_client.Cancelled()) if self.stopped.is_set() else self._result
        self._finish(answer, error)
