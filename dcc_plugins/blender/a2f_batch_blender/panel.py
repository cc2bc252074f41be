"""The panel in the 3D view's sidebar."""

import bpy

from . import faces


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "a2f_batch"


class A2F_PT_line(_Sidebar, bpy.types.Panel):  # noqa: N801 (Blender's way of naming)
    """Sound in, curves out."""

    bl_idname = "A2F_PT_line"
    bl_label = "Voice line"

    def draw(self, context):
        """Draw the panel."""
        settings, layout = context.scene.a2f, self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "source", expand=True)
        layout.prop(settings, "audio" if settings.source == "FILE" else "strip")
        column = layout.column(align=True)
        column.prop(settings, "emotion")
        column.prop(settings, "profile")
        column.prop(settings, "engine")
        column.prop(settings, "project")
        column.prop(settings, "seed")
        column = layout.column(align=True)
        column.prop(settings, "use_scene_fps")
        if not settings.use_scene_fps:
            column.prop(settings, "fps")
        if settings.source == "FILE":
            column.prop(settings, "start_frame")
        column.prop(settings, "place")
        column.prop(settings, "rotations")
        face = faces.face_of(context.object)
        if face is None:
            layout.label(text="Select a part of a head with shape keys", icon="INFO")
        else:
            layout.label(text=f"{len(face.all_targets())} keys on {len(face.objects)} meshes", icon="MESH_DATA")
        column = layout.column()
        column.enabled = face is not None
        row = column.row()
        row.scale_y = 1.6
        row.operator("a2f.bake", icon="PLAY_SOUND")
        column.operator("a2f.import_folder", icon="FILE_FOLDER")


class A2F_PT_mapping(_Sidebar, bpy.types.Panel):  # noqa: N801
    """Which channel drives which shape key."""

    bl_idname = "A2F_PT_mapping"
    bl_label = "Mapping"
    bl_parent_id = "A2F_PT_line"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        """Show it for heads only."""
        return faces.face_of(context.object) is not None

    def draw(self, context):
        """Draw the panel."""
        root, layout = faces.root_of(context.object), self.layout
        row = layout.row(align=True)
        row.operator("a2f.match").forget = False
        row.operator("a2f.match", text="", icon="LOOP_BACK").forget = True
        if len(root.a2f.pairs):
            row = layout.row()
            row.template_list("A2F_UL_pairs", "", root.a2f, "pairs", root.a2f, "active", rows=8)
            column = row.column(align=True)
            column.operator("a2f.row", text="", icon="ADD").add = True
            column.operator("a2f.row", text="", icon="REMOVE").add = False
            if 0 <= root.a2f.active < len(root.a2f.pairs):
                pair = root.a2f.pairs[root.a2f.active]
                column = layout.column(align=True)
                column.label(text=f"{pair.channel}, by {pair.by}" if pair.by else f"{pair.channel} drives nothing")
                column.prop(pair, "target", text="")
                column.prop(pair, "gain")
        idle = root.a2f.idle_targets.split("\n") if root.a2f.idle_targets else []
        if idle:
            column = layout.column(align=True)
            column.label(text=f"Driven by nothing: {len(idle)}", icon="INFO")
            for name in idle[:12]:
                column.label(text=name)
            if len(idle) > 12:
                column.label(text=f"... and {len(idle) - 12} more")


class A2F_PT_joints(_Sidebar, bpy.types.Panel):  # noqa: N801
    """What turns with head and eyes."""

    bl_idname = "A2F_PT_joints"
    bl_label = "Joints"
    bl_parent_id = "A2F_PT_line"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        """Show it where rotations are wanted."""
        return context.scene.a2f.rotations and faces.face_of(context.object) is not None

    def draw(self, context):
        """Draw the panel."""
        for name, joint in faces.root_of(context.object).a2f.joints().items():
            row = self.layout.row(align=True)
            row.prop(joint, "object", text=name)
            if joint.object is not None and joint.object.type == "ARMATURE":
                row.prop(joint, "bone", text="")


_CLASSES = (A2F_PT_line, A2F_PT_mapping, A2F_PT_joints)


def register():
    """Add the panels."""
    for one in _CLASSES:
        bpy.utils.register_class(one)


def unregister():
    """Take them away."""
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
