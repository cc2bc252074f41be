"""The button: a sound to keys on a face, undone in one step."""

import os

import a2f_client
from maya import cmds

from . import faces, joints, keys, library, mapping, work
from .trouble import Trouble

_PLAYED = (".wav", ".aif", ".aiff")  # what Maya's time line plays


class Settings:
    """What the artist set.

    Attributes:
        nodes: blendShape nodes.
        audio: sound file.
        start: frame at which the sound starts.
        existing: `keys.REPLACE` or `keys.MOVE`.
        rotations: whether the joints of head and eyes are keyed too.
        sound: whether the sound is put on the time line.
        fps: keys a second; '' = one on every frame of the scene.
        engine, profile, project, emotion, seed: as `a2f-batch bake` takes them.
    """

    def __init__(self, nodes, audio="", start=1.0, existing=keys.REPLACE, rotations=False, sound=False, fps="", engine="embedded",
                 profile="default", project="", emotion="neutral", seed=0):
        self.nodes, self.audio, self.start, self.existing = list(nodes), audio, start, existing
        self.rotations, self.sound, self.fps = rotations, sound, fps
        self.engine, self.profile, self.project, self.emotion, self.seed = engine, profile, project, emotion, seed


class Target:
    """A face as it was asked for, and how lines are put on it.

    Raises:
        Trouble: it can't be keyed, or no joint is chosen though they are to turn.
    """

    def __init__(self, settings):
        self.settings = settings
        self.face = faces.Face(settings.nodes)
        self.user_map, kept = mapping.load(settings.nodes)
        self.joints = {name: joint for name, joint in kept.items() if settings.rotations}
        if settings.rotations and not self.joints:
            raise Trouble("No joint is chosen to turn.", "Choose joints under Head and eyes, or switch 'Key head and eyes' off.")
        self.warnings = ["Left alone: %s." % self.face.why()] if self.face.left_alone else []

    def asked(self):
        """Return what a request tells of the face."""
        return {"meshes": self.face.targets, "map": self.user_map, "joints": {name: kept["rest"] for name, kept in self.joints.items()}}

    def check_unchanged(self):
        """Refuse to write on a face that was changed meanwhile: the answer would be for another."""
        if faces.Face(self.settings.nodes).targets != self.face.targets:
            raise Trouble("The face was changed while its line was baked; nothing was written.", "Bake again.")

    def put(self, answer, start):
        """Key an answer's curves from frame `start` on, within `keys.one_undo`; return how many curves, and the frame after the last."""
        step = library.ratio(library.scene_fps()) / library.ratio(answer["fps"])
        first = start + library.ratio(answer["start"]) * library.ratio(library.scene_fps())
        frames = [first + i * step for i in range(answer["frames"])]
        curves = []
        for node, mesh in zip(self.face.nodes, answer["meshes"]):
            values = a2f_client.floats(mesh["values"]).tolist()
            count = len(mesh["targets"])
            curves += [(node + "." + target, values[i::count]) for i, target in enumerate(mesh["targets"])]
        for joint, kept in self.joints.items():
            if joint in answer["angles"]:
                curves += self._turns(joints.found(kept), a2f_client.floats(answer["angles"][joint]).tolist())
        keys.set_keys(frames, curves, self.settings.existing)
        return len(curves), frames[-1] + step

    def _turns(self, node, angles):
        plugs = [node + ".rotate" + axis for axis in "XYZ"]
        for plug in [node + ".rotate", *plugs]:
            why = faces.obstacle(plug)
            if why:
                self.warnings.append("Left alone: %s %s." % (plug, why))
                return []
        return [(plug, angles[i::3]) for i, plug in enumerate(plugs)]


def start(settings, done):
    """Bake in a thread; `done(report, error)` is called at the end, with a `Report` or what went wrong.

    Raises:
        Trouble: it can't start.
    """
    target, request, ask = _prepared(settings)

    def finish(answer, error):
        if error is None:
            try:
                done(_put(target, answer), None)
                return
            except (Trouble, RuntimeError) as refused:  # RuntimeError: a command of Maya's own
                error = refused
        done(None, error)

    work.start("a2f_batch", lambda on_progress, cancelled: ask(request, on_progress, cancelled), finish)


def bake(settings):
    """Bake at once, as scripts do, and return a `Report`.

    Raises:
        Trouble, a2f_client.Failed: what went wrong; nothing is changed then.
    """
    target, request, ask = _prepared(settings)
    return _put(target, ask(request))


class Report:
    """What a bake did: a `text` for people, `warnings`, and the `match` of channels and targets."""

    def __init__(self, text, warnings, match):
        self.text, self.warnings, self.match = text, warnings, match


def _prepared(settings):
    if not settings.audio:
        raise Trouble("No sound is chosen.", "Choose a sound file.")
    if settings.seed < 0:
        raise Trouble("The seed is %d." % settings.seed, "Give a whole number from 0 on.")
    target = Target(settings)
    request = dict(target.asked(), command="bake", audio=settings.audio, fps=settings.fps or library.scene_fps(), engine=settings.engine,
                   profile=settings.profile, project=settings.project, emotion=settings.emotion, seed=settings.seed)
    return target, request, library.asker()


def _put(target, answer):
    settings = target.settings
    target.check_unchanged()
    name = os.path.splitext(os.path.basename(settings.audio))[0]
    with keys.one_undo("a2f_batch: " + name):
        count, _ = target.put(answer, settings.start)
        if settings.sound:
            target.warnings += lay_sound(settings.audio, settings.start)
    idle = len(answer["match"]["unmatched_targets"])
    text = "%s: %d frames on %d curves%s." % (name, answer["frames"], count,
                                              "; nothing drives %d targets (see the mapping)" % idle if idle else "")
    return Report(text, answer["warnings"] + target.warnings, answer["match"])


def lay_sound(path, frame):
    """Put a sound on the time line at `frame`, once; return warnings."""
    if os.path.splitext(path)[1].lower() not in _PLAYED:
        return ["Maya's time line plays WAV and AIFF alone: %s is not put there." % os.path.basename(path)]
    offset = round(frame)
    for node in cmds.ls(type="audio"):
        there = cmds.sound(node, query=True, file=True)
        if os.path.normcase(os.path.abspath(str(there))) == os.path.normcase(os.path.abspath(path)):
            cmds.sound(node, edit=True, offset=offset)
            return []
    cmds.sound(file=path, offset=offset)
    return []
