"""Sounds of the sequencer: a strip to the sound behind it, and a file to a strip."""

import math
import os
import tempfile

import bpy


class Sound:
    """A sound to bake.

    Attributes:
        name: that of its line.
        path: its file.
        origin: where it comes from: that path, or for a packed sound the one it had.
        start: frame at which it starts, cut or not.
        span: (first, last) frame that is heard of it; None = all.
        spare: whether the file is a copy of ours, to be deleted afterwards.
    """

    def __init__(self, path, start, span=None, packed_from=None):
        self.origin, self.path, self.start, self.span = packed_from or path, path, start, span
        self.spare = packed_from is not None
        self.name = os.path.splitext(bpy.path.basename(self.origin))[0]

    def forget(self):
        """Delete the copy."""
        if self.spare:
            os.unlink(self.path)


def of_file(path, start):
    """Return the sound of a file.

    Raises:
        ValueError: says why there is none.
    """
    if not path:
        raise ValueError("No sound is chosen. Choose a file.")
    if path.startswith("//") and not bpy.data.filepath:
        raise ValueError(f"'{path}' lies beside the Blender file, which is not saved yet. Save it, or choose the sound again.")
    path = bpy.path.abspath(path)
    return Sound(path, start)


def of_strip(scene, name):
    """Return the sound of the strip called `name`, where it lies.

    Raises:
        ValueError: says why there is none.
    """
    strip = next((strip for strip in strips(scene) if strip.name == name), None)
    if strip is None:
        raise ValueError(f"The sequencer has no sound strip '{name}'. Choose one." if name else "No sound strip is chosen. Choose one.")
    if len(getattr(strip, "retiming_keys", ())) or abs(getattr(strip, "speed_factor", 1.0) - 1.0) > 1e-6:
        raise ValueError(f"The strip '{name}' plays at another speed. Set it back, or bake from a file that is as fast.")
    # Where the sound's first sample lies: its head may be cut off for good, or shifted in seconds (from Blender 4.4 on).
    shift = getattr(strip, "sound_offset", 0.0) * scene.render.fps / scene.render.fps_base
    start = strip.frame_start - strip.animation_offset_start - shift
    # A frame is heard while it lasts; the strip's end is the first frame that is not.
    span = (math.floor(strip.frame_final_start), math.ceil(strip.frame_final_end) - 1)
    sound = strip.sound
    if sound.packed_file is None:
        return Sound(bpy.path.abspath(sound.filepath, library=sound.library), start, span)
    with tempfile.NamedTemporaryFile(suffix=os.path.splitext(sound.filepath)[1], delete=False) as copy:
        copy.write(sound.packed_file.data)
    return Sound(copy.name, start, span, packed_from=sound.filepath)


def strips(scene):
    """Return the sound strips of the scene's sequencer, those within meta strips too."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    every = editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all  # renamed in Blender 4.4
    return [strip for strip in every if strip.type == "SOUND"]


def add(scene, name, path, frame):
    """Add a strip of the file `path` at `frame`, on the first channel that is free there; an earlier strip of that name gives way."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    top = editor.strips if hasattr(editor, "strips") else editor.sequences
    for strip in [strip for strip in top if strip.type == "SOUND" and strip.name == name]:
        top.remove(strip)
    made = top.new_sound(name=name, filepath=os.path.abspath(path), channel=1, frame_start=frame)
    taken = {strip.channel for strip in top if strip != made and strip.frame_final_start < made.frame_final_end
             and made.frame_final_start < strip.frame_final_end}
    made.channel = next(channel for channel in range(1, len(taken) + 2) if channel not in taken)

