"""Curves written in bulk into actions: slotted ones from Blender 4.4 on, one for each data-block before."""

import bpy
import numpy as np

SLOTTED = bpy.app.version >= (4, 4, 0)
LINE, NAMED = "a2f_line", "a2f_named"  # on actions that the add-on made: for which line, and how it was called then
LINEAR = 1  # of the enumeration that `foreach_set` wants for interpolation

# All that makes a key, with how many numbers each has and their type: what is kept must stay as the artist shaped it.
_PARTS = (("co", 2, np.float32), ("handle_left", 2, np.float32), ("handle_right", 2, np.float32), ("interpolation", 1, np.int32),
          ("easing", 1, np.int32), ("handle_left_type", 1, np.int32), ("handle_right_type", 1, np.int32), ("type", 1, np.int32),
          ("amplitude", 1, np.float32), ("back", 1, np.float32), ("period", 1, np.float32))


def is_ours(action):
    """Return whether the add-on made `action`, and nobody gave it another name since: such an action may be written anew."""
    return LINE in action and action.get(NAMED) == action.name


def action_of_line(name, line, *, track=None):
    """Return an empty action for `line`: that of an earlier bake, emptied, or a new one called `name`.

    Args:
        line: what tells this line on this head from all others.
        track: the action may lie in NLA strips on tracks of that name; in no others, for a bake must not change the artist's own strips.
    """
    for action in bpy.data.actions:
        if action.library is None and action.get(LINE) == line and is_ours(action) and all(
                track is not None and on.name.startswith(track) for on, _ in strips_with(action)):
            clear(action)
            return action
    action = bpy.data.actions.new(name)
    action[LINE], action[NAMED] = line, action.name
    action.use_fake_user = True  # the next line takes its place on the head; it must not vanish with the next save
    return action


def strips_with(action):
    """Return (track, strip) of every NLA strip that plays `action`."""
    owners = bpy.data.user_map(subset={action})[action]
    tracks = [track for owner in owners if getattr(owner, "animation_data", None) is not None for track in owner.animation_data.nla_tracks]
    return [(track, strip) for track in tracks for strip in track.strips if strip.action == action]


def clear(action):
    """Remove all curves of `action`; its slots, and who uses them, stay."""
    if SLOTTED:
        for layer in list(action.layers):
            action.layers.remove(layer)
    else:
        for curve in list(action.fcurves):
            action.fcurves.remove(curve)


def assign(owner, action):
    """Make `action` the one that `owner` plays."""
    animation = owner.animation_data_create()
    animation.action = action
    if SLOTTED:
        animation.action_slot = slot_of(action, owner)


def curves_of(owner, action):
    """Return the collection of F-curves of `action` for the data-block `owner`, made if it is not there."""
    if not SLOTTED:
        action.id_root = "KEY" if isinstance(owner, bpy.types.Key) else "OBJECT"
        return action.fcurves
    layer = action.layers[0] if len(action.layers) else action.layers.new("a2f_batch")
    strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot_of(action, owner), ensure=True).fcurves


def keyed(owner, action):
    """Return (data path, array index) of what `action` keys on `owner`."""
    if not SLOTTED:
        bags = [action.fcurves]
    else:
        slot = slot_of(action, owner, make=False)
        bags = [bag.fcurves for layer in action.layers for strip in layer.strips for bag in strip.channelbags if bag.slot == slot]
    return {(curve.data_path, curve.array_index) for bag in bags for curve in bag}


def slot_of(action, owner, *, make=True):
    """Return the action's slot for `owner`: the one it plays, one of its name, or a new one (None if it is not to be made)."""
    animation = owner.animation_data
    if animation is not None and animation.action == action and animation.action_slot is not None:
        return animation.action_slot
    for slot in action.slots:
        if slot.target_id_type == owner.id_type and slot.name_display == owner.name:
            return slot
    return action.slots.new(owner.id_type, owner.name) if make else None


def write(curves, path, index, frames, values):
    """Key `frames` of one curve, linear between them.

    Args:
        curves: as `curves_of` returns them.
        path, index: data path of the property, and its array index (0 for a number).
        frames, values: numpy arrays of one shape; keys that are there already, in the range of `frames`, give way, others stay.
    """
    curve = curves.find(path, index=index)
    if curve is None:
        curve = curves.new(path, index=index)
    kept = _taken_out(curve, frames[0], frames[-1])
    count, others = len(frames), len(kept["co"]) // 2
    points = curve.keyframe_points
    points.add(count + others)
    if not others:
        points.foreach_set("co", np.column_stack((frames, values)).astype(np.float32).ravel())
        points.foreach_set("interpolation", np.full(count, LINEAR, dtype=np.int32))
    else:
        fresh = {"co": np.column_stack((frames, values)).ravel(), "interpolation": np.full(count, LINEAR)}
        for part, size, kind in _PARTS:
            now = np.empty((count + others) * size, dtype=kind)
            points.foreach_get(part, now)
            if part in fresh:
                now[:count * size] = fresh[part]
            now[count * size:] = kept[part]
            points.foreach_set(part, now)
    curve.update()  # sorts the keys


def _taken_out(curve, first, last):
    """Take all keys out of `curve` and return those outside of first..last, as an array for each of `_PARTS`."""
    points = curve.keyframe_points
    whole = {}
    for part, size, kind in _PARTS:
        whole[part] = np.empty(len(points) * size, dtype=kind)
        points.foreach_get(part, whole[part])
    outside = (whole["co"][::2] < np.float32(first)) | (whole["co"][::2] > np.float32(last))
    if hasattr(points, "clear"):
        points.clear()
    else:  # Blender 3
        for point in reversed(list(points)):
            points.remove(point, fast=True)
    return {part: whole[part].reshape(-1, size)[outside].ravel() for part, size, _ in _PARTS}
