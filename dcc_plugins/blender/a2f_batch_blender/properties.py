"""What the artist sets: on the scene for the next bake, on the head for its mapping; both are saved with the file."""

import functools

import bpy

from . import a2f_client, faces, preferences, sounds


@functools.lru_cache(maxsize=8)
def _described(project, python):
    try:
        return a2f_client.ask({"command": "describe", "project": project}, python)
    except a2f_client.Failed:  # the bake tells why; here the menu is empty
        return {"profiles": [], "emotions": []}


def _profiles(self, context, edit_text):
    return _described(bpy.path.abspath(self.project), preferences.helper_python(context))["profiles"]


def _emotions(self, context, edit_text):
    return _described("", preferences.helper_python(context))["emotions"]


def _targets(self, context, edit_text):
    face = faces.face_of(self.id_data)
    return face.all_targets() if face else []


def _bones(self, context, edit_text):
    return [bone.name for bone in self.object.data.bones] if self.object and self.object.type == "ARMATURE" else []


def _strips(self, context, edit_text):
    return [strip.name for strip in sounds.strips(context.scene)]


def _edited(self, context):
    self.by = "your map"


# A head may be a library override: its mapping can then be changed and is saved with the file that has the override.
_ON_OVERRIDES = {"override": {"LIBRARY_OVERRIDABLE"}}


class A2FSettings(bpy.types.PropertyGroup):
    """The next bake."""

    source: bpy.props.EnumProperty(name="Sound", items=[
        ("FILE", "File", "A sound file"), ("STRIP", "Strip", "A sound strip of the sequencer, baked where it lies")])
    audio: bpy.props.StringProperty(name="File", subtype="FILE_PATH", description="Sound of one voice line: WAV, FLAC, Ogg, MP3 ...")
    strip: bpy.props.StringProperty(name="Strip", search=_strips, description="Sound strip of the sequencer")
    engine: bpy.props.StringProperty(name="Engine", default="embedded", description="Name of weights, or path of a description (.json)")
    profile: bpy.props.StringProperty(name="Profile", default="default", search=_profiles, description="Post-processing profile")
    project: bpy.props.StringProperty(name="Project", subtype="FILE_PATH",
                                      description="An a2f.toml with profiles of your own; may be empty")
    emotion: bpy.props.StringProperty(name="Emotion", default="neutral", search=_emotions, search_options={"SORT", "SUGGESTION"},
                                      description="A word, with a strength ('joy:0.6'), or over time ('0.0 neutral; 1.2 anger:0.8')")
    seed: bpy.props.IntProperty(name="Seed", min=0, description="Another number gives other blinks and glances")
    use_scene_fps: bpy.props.BoolProperty(name="Scene rate", default=True, description="One key on every frame of the scene")
    fps: bpy.props.StringProperty(name="Keys a second", default="30", description="Such as 30, 29.97 or 30000/1001")
    start_frame: bpy.props.IntProperty(name="Start frame", default=1, description="Frame at which the sound starts")
    place: bpy.props.EnumProperty(name="Into", items=[
        ("NEW", "New action", "An action named after the line, in place of the present one"),
        ("NLA", "NLA strip", "A strip on a new track, beside what is there"),
        ("OVER", "Present action", "Over the keys of the present action, in the line's frames alone")])
    rotations: bpy.props.BoolProperty(name="Turn joints", description="Key the joints below with the line's rotations")


class A2FPair(bpy.types.PropertyGroup):
    """One row of the mapping: a channel drives a target."""

    name: bpy.props.StringProperty(**_ON_OVERRIDES)
    channel: bpy.props.StringProperty(name="Channel", **_ON_OVERRIDES)
    target: bpy.props.StringProperty(name="Shape key", search=_targets, update=_edited, description="Empty: the channel drives nothing",
                                     **_ON_OVERRIDES)
    gain: bpy.props.FloatProperty(name="Gain", default=1.0, soft_min=-1.0, soft_max=2.0, update=_edited, **_ON_OVERRIDES)
    by: bpy.props.StringProperty(name="Found by", **_ON_OVERRIDES)


class A2FJoint(bpy.types.PropertyGroup):
    """What a joint of the face turns: an object, or a bone of an armature."""

    object: bpy.props.PointerProperty(name="Object", type=bpy.types.Object, **_ON_OVERRIDES)
    bone: bpy.props.StringProperty(name="Bone", search=_bones, description="A bone of the armature; empty: the object itself",
                                   **_ON_OVERRIDES)


class A2FFace(bpy.types.PropertyGroup):
    """The mapping of a head, on the top object of its hierarchy."""

    pairs: bpy.props.CollectionProperty(type=A2FPair, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active: bpy.props.IntProperty(**_ON_OVERRIDES)
    idle_targets: bpy.props.StringProperty(description="Shape keys that no channel drives, one a line", **_ON_OVERRIDES)
    head: bpy.props.PointerProperty(type=A2FJoint, **_ON_OVERRIDES)
    left_eye: bpy.props.PointerProperty(type=A2FJoint, **_ON_OVERRIDES)
    right_eye: bpy.props.PointerProperty(type=A2FJoint, **_ON_OVERRIDES)

    def joints(self):
        """Return the joints by the library's names."""
        return {"Head": self.head, "LeftEye": self.left_eye, "RightEye": self.right_eye}


_CLASSES = (A2FSettings, A2FPair, A2FJoint, A2FFace)


def register():
    """Add the properties to scenes and objects."""
    for one in _CLASSES:
        bpy.utils.register_class(one)
    bpy.types.Scene.a2f = bpy.props.PointerProperty(type=A2FSettings)
    bpy.types.Object.a2f = bpy.props.PointerProperty(type=A2FFace, **_ON_OVERRIDES)


def unregister():
    """Take them away."""
    del bpy.types.Object.a2f
    del bpy.types.Scene.a2f
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
    _described.cache_clear()
