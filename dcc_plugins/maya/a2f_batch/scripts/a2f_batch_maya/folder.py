"""What `a2f-batch render` wrote: the lines of its folder, one after another on a face; and a single .anim by Maya's own importer."""

import os

from maya import cmds

from . import keys, library, work
from .baking import Report, Target, lay_sound
from .trouble import Trouble

ANIM_PLUGIN = "animImportExport"


def listed(folder):
    """Return the answer that lists a folder's lines: 'lines' and 'missing'."""
    if not folder:
        raise Trouble("No folder is chosen.", "Choose the folder that was given to a2f-batch render --out.")
    return library.asker()({"command": "lines", "folder": folder})


def start(folder, names, settings, pause, done):
    """Bring lines onto the face of `settings`, one after another from its start frame, `pause` frames apart; see `baking.start`."""
    if not names:
        raise Trouble("No line is chosen.", "Read the folder, and select lines in the list.")
    target = Target(settings)
    asked, ask = target.asked(), library.asker()
    sounds: dict = {}

    def ask_all(on_progress, cancelled):
        there = ask({"command": "lines", "folder": folder}, None, cancelled)
        sounds.update((line["name"], line["audio"]) for line in there["lines"])
        answers = []
        for i, name in enumerate(names):
            if on_progress:
                on_progress(name, float(i) / len(names))
            answers.append(ask(dict(asked, command="open", folder=folder, line=name), None, cancelled))
        return answers

    def finish(answers, error):
        if error is None:
            try:
                done(_put(target, names, answers, sounds, pause), None)
                return
            except (Trouble, RuntimeError) as refused:
                error = refused
        done(None, error)

    work.start("a2f_batch", ask_all, finish)


def _put(target, names, answers, sounds, pause):
    target.check_unchanged()
    at, silent = target.settings.start, []
    with keys.one_undo("a2f_batch: %d lines" % len(names)):
        for name, answer in zip(names, answers):
            _, end = target.put(answer, at)
            if target.settings.sound and sounds.get(name):
                target.warnings += lay_sound(sounds[name], at)
            elif target.settings.sound:
                silent.append(name)
            at = end + pause
    if silent:
        target.warnings.append("Without sound, for it is not where the manifest was: %s." % ", ".join(silent))
    return Report("%d lines, up to frame %g." % (len(names), at - pause), target.warnings, answers[-1]["match"])


def import_anim(path, nodes):
    """Import a .anim file onto blendShape nodes with Maya's own importer, at the file's own frames, in one step of undo."""
    if not os.path.isfile(path):
        raise Trouble("There is no file '%s'." % path, "Choose a .anim file.")
    cmds.loadPlugin(ANIM_PLUGIN, quiet=True)
    before = cmds.ls(selection=True, long=True)
    with keys.one_undo("a2f_batch: import " + os.path.basename(path)):
        cmds.select(nodes, replace=True)
        cmds.file(path, i=True, type="animImport", ignoreVersion=True, options="targetTime=4;copies=1;option=replace;pictures=0;connect=0;")
        if before:
            cmds.select(before, replace=True)
        else:
            cmds.select(clear=True)
