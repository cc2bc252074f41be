"""Where the library runs: in Blender's own Python, or in a helper's."""

import os

import bpy

from . import a2f_client


def _linked_python():
    """Return the Python that `a2f-batch dcc install blender --link` named; '' if the add-on was installed otherwise."""
    try:
        with open(os.path.join(os.path.dirname(__file__), "helper_python.txt"), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


class A2FPreferences(bpy.types.AddonPreferences):
    """The add-on's preferences."""

    bl_idname = __package__

    python: bpy.props.StringProperty(
        name="Helper's Python", subtype="FILE_PATH", default=_linked_python(),
        description="Python program in which a2f-batch is installed; empty: run inside Blender")

    def draw(self, context):
        """Draw the preferences."""
        column = self.layout.column()
        column.prop(self, "python")
        if not self.python and not a2f_client.importable():
            column.label(text="This Blender has no a2f_batch: install the add-on with its wheels, or name a Python that has it.",
                         icon="ERROR")


def helper_python(context):
    """Return the path of the helper's Python, or None to run in this process."""
    addon = context.preferences.addons.get(__package__)
    path = addon.preferences.python if addon else ""
    return bpy.path.abspath(path) or None


def register():
    """Add the preferences."""
    bpy.utils.register_class(A2FPreferences)


def unregister():
    """Take them away."""
    bpy.utils.unregister_class(A2FPreferences)
