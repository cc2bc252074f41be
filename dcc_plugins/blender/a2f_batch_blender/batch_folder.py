"""A folder that `a2f-batch render` filled: every line an action on the head, one after another, with its sound."""

import math

import bpy

from . import a2f_client, faces, joints, mapping, placing, preferences, sounds
from .background import InBackground


class A2F_OT_import_folder(InBackground, bpy.types.Operator):  # noqa: N801 (Blender's way of naming)
    """Bring the lines of a rendered folder onto the active head: an action and a sound strip for each"""

    bl_idname = "a2f.import_folder"
    bl_label = "Import batch folder"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    sounds_folder: bpy.props.StringProperty(name="Sounds",
                                            description="Folder that the manifest's sound paths start from; empty: the manifest's")
    lines: bpy.props.StringProperty(name="Lines", description="Only lines whose name (locale/character/id) holds this; empty: all")
    strips: bpy.props.BoolProperty(name="Lay out on the time line", default=True,
                                   description="NLA and sound strips, one line after another; otherwise actions alone")
    pause: bpy.props.IntProperty(name="Frames between lines", default=12, min=0)

    def invoke(self, context, event):
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        """Start in a thread; without a window, wait for its end."""
        return self._start(context, wait=bpy.app.background)

    def prepare(self, context):
        """Collect all that the import needs, and refuse what can't work."""
        face, scene = faces.needed(context.object), context.scene
        self._root, self._meshes, self._fps = face.root.name, face.targets, placing.ratio(placing.scene_fps(scene))
        self._turned = joints.joints_of(face.root) if scene.a2f.rotations else []
        self._start_frame = scene.a2f.start_frame
        refused = placing.refusal(face, self._placed("", 0))
        if refused:
            raise ValueError(refused)
        folder = {"folder": bpy.path.abspath(self.directory)}
        if self.sounds_folder:
            folder["audio_root"] = bpy.path.abspath(self.sounds_folder)
        wanted, user_map, python = self.lines, mapping.user_map(face.root), preferences.helper_python(context)

        def work(on_progress, cancelled):
            listed = a2f_client.ask(dict(folder, command="lines"), python, cancelled=cancelled)
            lines = [line for line in listed["lines"] if wanted in line["name"]]
            answers = []
            for i, line in enumerate(lines):
                on_progress(f"Reading {line['name']}", i / len(lines))
                answers.append((line, a2f_client.ask(dict(folder, command="open", line=line["name"], meshes=self._meshes, map=user_map),
                                                     python, cancelled=cancelled)))
                if cancelled():
                    raise a2f_client.Cancelled()
            return answers, [] if wanted else listed["missing"]

        return work

    def finish(self, context, result):
        """Write the actions and strips."""
        answers, missing = result
        face = faces.of_name(self._root)
        if face is None or face.targets != self._meshes:
            return self.wrong("The head was changed while the folder was read; nothing was written. Import again.")
        refused = placing.refusal(face, self._placed("", 0))
        if refused:
            return self.wrong(refused)
        if not answers:
            return self.wrong(f"No rendered line of the folder holds '{self.lines}'. {'; '.join(missing[:3])}")
        frame, silent, deaf = self._start_frame, 0, []
        for line, answer in answers:
            try:
                done = placing.put(answer, face, self._placed(line["name"], frame))
            except (ValueError, RuntimeError) as error:  # finished all the same, so that undo can take back what is written
                self.report({"ERROR"}, f"Blender refuses '{line['name']}': {error}. Undo, and please report this.")
                return {"FINISHED"}
            if not self.strips:
                continue
            silent += line["audio"] is None
            if line["audio"]:
                try:
                    sounds.add(context.scene, line["name"], line["audio"], frame)
                except RuntimeError:
                    deaf.append(line["name"])
            frame = math.floor(done.last) + 1 + self.pause
        mapping.show(face.root, answers[-1][1]["match"])
        if self.strips:
            context.scene.frame_end = max(context.scene.frame_end, frame - self.pause)
        self._tell(len(answers), missing, silent, deaf, done.remarks)
        return {"FINISHED"}

    def _placed(self, name, frame):
        return placing.Placement(name, "batch", frame, "NLA" if self.strips else "NEW", self._fps, turned=self._turned)

    def _tell(self, count, missing, silent, deaf, remarks):
        for line in missing[:5]:
            self.report({"WARNING"}, f"Not imported: {line}")
        if len(missing) > 5:
            self.report({"WARNING"}, f"... and {len(missing) - 5} lines more")
        if silent:
            self.report({"WARNING"}, f"{silent} lines are without sound: it is not where the manifest was. Name its folder under Sounds.")
        if deaf:
            self.report({"WARNING"}, f"Blender can't play the sounds of {faces.some(deaf)}.")
        for sentence in remarks:
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, f"{count} lines imported.")


def register():
    """Add the operator."""
    bpy.utils.register_class(A2F_OT_import_folder)


def unregister():
    """Take it away."""
    bpy.utils.unregister_class(A2F_OT_import_folder)
