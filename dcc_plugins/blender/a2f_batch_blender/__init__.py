"""a2f_batch in Blender: one button from a sound to shape-key curves on the artist's own head."""

import os
import sys

bl_info = {  # for Blender before 4.2; later ones read blender_manifest.toml
    "name": "a2f_batch",
    "description": "Bake a voice line to shape-key animation, offline",
    "author": "The a2f_batch team",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D View > Sidebar > a2f_batch",
    "category": "Animation",
}

# A legacy add-on has the library beside it. At the end of the path: the host's own numpy and the like come first.
_bundled = os.path.join(os.path.dirname(__file__), "lib")
if os.path.isdir(_bundled) and _bundled not in sys.path:
    sys.path.append(_bundled)


def _parts():
    from . import bake, batch_folder, mapping, panel, preferences, properties

    return preferences, properties, mapping, bake, batch_folder, panel


def register():
    """Add the panel, its operators and properties."""
    for part in _parts():
        part.register()


def unregister():
    """Take them away again."""
    for part in reversed(_parts()):
        part.unregister()
