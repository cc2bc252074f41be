"""Keys in bulk: what a line brings is handed to the command `a2fSetKeys`, within one step of undo."""

import contextlib

from maya import cmds

from .trouble import Trouble

PLUGIN = "a2f_set_keys.py"
REPLACE, MOVE = "replace", "move"

_handed_over: list = []


class Job:
    """Keys for many attributes at the same times.

    Attributes:
        frames: frame numbers in the scene's time unit, rising.
        curves: (attribute, values) pairs; an angle's values are radians.
    """

    def __init__(self, frames, curves):
        self.frames, self.curves = frames, curves


def hand_over(job):
    """Leave `job` for the next call of the command."""
    _handed_over[:] = [job]


def take():
    """Return the job that was left; it is taken once."""
    if not _handed_over:
        raise RuntimeError("a2fSetKeys is called by the a2f_batch window, not by hand.")
    return _handed_over.pop()


@contextlib.contextmanager
def one_undo(name):
    """Make all that is done within one step of undo; if it fails, nothing of it stays."""
    if not hasattr(cmds, "a2fSetKeys"):
        cmds.loadPlugin(PLUGIN, quiet=True)
    cmds.undoInfo(openChunk=True, chunkName=name)
    failed = True
    try:
        yield
        failed = False
    finally:
        cmds.undoInfo(closeChunk=True)
        if failed and cmds.undoInfo(query=True, state=True) and cmds.undoInfo(query=True, undoName=True) == name:
            cmds.undo()


def set_keys(frames, curves, existing):
    """Key `curves` at `frames`, linear between keys, within `one_undo`.

    Args:
        existing: what happens to keys that are there: those among the line's frames give way (REPLACE), or all from its first frame on
            move to behind its end (MOVE).
    """
    first, last = frames[0], frames[-1]
    for plug, _ in curves:
        if existing == MOVE:
            times = cmds.keyframe(plug, query=True, timeChange=True) or []
            if times and max(times) >= first:
                cmds.keyframe(plug, edit=True, time=(first, max(times)), relative=True, timeChange=last - first + 1)
        elif existing == REPLACE:
            # A hair's breadth more: a key of another frame rate may lie beside the frame by rounding.
            cmds.cutKey(plug, time=(first - 1e-3, last + 1e-3), clear=True)
        else:
            raise Trouble("Existing keys can't be treated as '%s'." % existing, "Choose '%s' or '%s'." % (REPLACE, MOVE))
    hand_over(Job(frames, curves))
    cmds.a2fSetKeys()  # type: ignore[attr-defined]
