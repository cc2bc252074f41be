"""Where the library runs: in Maya's own Python from 2025 on, if it is installed there; else in a helper process."""

import os

import a2f_client
from maya import cmds

from .trouble import Trouble

PYTHON_OPTION = "a2f_batch_python"
PYTHON_VARIABLE = "A2F_BATCH_PYTHON"

_described: dict = {}


def helper_python():
    """Return the Python program of the helper, or None to run in this process.

    The artist's own choice goes first; then this process, if the library is here; then what `a2f-batch dcc install maya` left.
    """
    chosen = chosen_python()
    if chosen:
        return chosen
    if a2f_client.importable():
        return None
    installed = os.environ.get(PYTHON_VARIABLE)
    if installed:
        return installed
    raise Trouble("a2f-batch is neither in this Maya's Python, nor is a Python known that has it.",
                  "Name one under Helper's Python, such as that of a virtual environment with `pip install \"a2f-batch[cpu]\"`.")


def chosen_python():
    """Return the helper's Python that the artist chose; '' for none."""
    return cmds.optionVar(query=PYTHON_OPTION) if cmds.optionVar(exists=PYTHON_OPTION) else ""


def choose_python(path):
    """Keep the artist's choice for this and later sessions; '' for none."""
    cmds.optionVar(stringValue=(PYTHON_OPTION, path))


def asker():
    """Return a function that answers requests, to be called from any thread: ask(request, on_progress, cancelled), see a2f_client.ask."""
    python = helper_python()  # here, for a thread may call no command
    return lambda request, on_progress=None, cancelled=None: a2f_client.ask(request, python, on_progress, cancelled)


def described(project=""):
    """Return what the menus offer: profiles, emotions, time units; asked once for each helper and project."""
    python = helper_python()
    if (python, project) not in _described:
        request = {"command": "describe", "project": project} if project else {"command": "describe"}
        _described[python, project] = a2f_client.ask(request, python)
    return _described[python, project]


def scene_fps():
    """Return the scene's frame rate as the library reads it: '24', '30000/1001'."""
    unit = cmds.currentUnit(query=True, time=True)
    rates = described()["time_units"]
    if unit not in rates:
        raise Trouble("The scene's time unit '%s' is no frame rate that a line can be baked at." % unit,
                      "Choose another in Preferences > Settings, such as %s." % ", ".join(sorted(rates)[:6]))
    return rates[unit]


def ratio(text):
    """Return the number that a rate's text stands for."""
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)
