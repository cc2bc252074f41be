"""The button: a sound to curves on the active head, in a thread, undone in one step."""

import bpy

from . import a2f_client, faces, joints, mapping, placing, preferences, sounds
from .background import InBackground


class A2F_OT_bake(InBackground, bpy.types.Operator):  # noqa: N801 (Blender's way of naming)
    """Bake the sound to shape-key curves on all meshes of the active object's hierarchy"""

    bl_idname = "a2f.bake"
    bl_label = "Bake"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context, event):
        """Start in a thread; `modal` finishes."""
        return self._start(context, wait=False)

    def prepare(self, context):
        """Collect all that the bake needs, and refuse what can't work."""
        scene, settings = context.scene, context.scene.a2f
        face = faces.needed(context.object)
        turned = joints.joints_of(face.root) if settings.rotations else []
        if settings.rotations and not turned:
            raise ValueError("No joint is chosen to turn. Choose objects or bones under Joints, or switch 'Turn joints' off.")
        if settings.source == "FILE":
            sound = sounds.of_file(settings.audio, settings.start_frame)
        else:
            sound = sounds.of_strip(scene, settings.strip)
        fps = placing.scene_fps(scene)
        self._root = face.root.name
        self._placement = placing.Placement(sound.name, sound.origin, sound.start, settings.place,
                                            placing.ratio(fps), sound.span, turned)
        refused = placing.refusal(face, self._placement)
        if refused:
            sound.forget()
            raise ValueError(refused)
        self._meshes = face.targets
        request = {
            "command": "bake", "audio": sound.path, "fps": fps if settings.use_scene_fps else settings.fps,
            "engine": bpy.path.abspath(settings.engine), "profile": settings.profile, "emotion": settings.emotion, "seed": settings.seed,
            "project": bpy.path.abspath(settings.project), "meshes": self._meshes, "map": mapping.user_map(face.root)}
        python = preferences.helper_python(context)

        def work(on_progress, cancelled):
            try:
                return a2f_client.ask(request, python, on_progress, cancelled)
            finally:
                sound.forget()

        return work

    def finish(self, context, answer):
        """Write the curves."""
        face = faces.of_name(self._root)
        if face is None or face.targets != self._meshes:
            return self.wrong("The head was changed while its line was baked; nothing was written. Bake again.")
        refused = placing.refusal(face, self._placement)
        if refused:
            return self.wrong(refused)
        try:
            done = placing.put(answer, face, self._placement)
        except ValueError as nothing:
            return self.wrong(str(nothing))
        except RuntimeError as error:  # finished all the same, so that undo can take back what is written
            self.report({"ERROR"}, f"Blender refuses the curves: {error}. Undo, and please report this.")
            return {"FINISHED"}
        mapping.show(face.root, answer["match"])
        for sentence in (*answer["warnings"], *done.remarks):
            self.report({"WARNING"}, sentence[0].upper() + sentence[1:])
        if done.still:
            self.report({"INFO"}, f"This line does not turn {', '.join(done.still)}: neither its engine nor its emotion does.")
        idle = len(answer["match"]["unmatched_targets"])
        rest = f"; {idle} shape keys stay as they are (see the mapping)" if idle else ""
        self.report({"INFO"}, f"{self._placement.name}: {done.frames} frames on {done.curves} curves{rest}.")
        return {"FINISHED"}


def register():
    """Add the operator."""
    bpy.utils.register_class(A2F_OT_bake)


def unregister():
    """Take it away."""
    bpy.utils.unregister_class(A2F_OT_bake)
