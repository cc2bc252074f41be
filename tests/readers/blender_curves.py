"""The keys of Blender's F-curves, which must all be linear."""

import bpy
import numpy as np

LINEAR = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value


def keyed(curve):
    """Frames and values, shape (keys, 2)."""
    keys = curve.keyframe_points
    found, interpolations = np.empty(2 * len(keys)), np.empty(len(keys), int)
    keys.foreach_get("co", found)
    keys.foreach_get("interpolation", interpolations)
    assert (interpolations == LINEAR).all()
    return found.reshape(-1, 2)


def in_slot(animation):
    """The F-curves of what is animated by the action and slot it has."""
    return animation.action.layers[0].strips[0].channelbag(animation.action_slot).fcurves
