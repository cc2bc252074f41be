"""The face: all meshes with shape keys in the hierarchy of an object."""

import bpy


class Face:
    """The meshes of a character that have shape keys.

    Attributes:
        root: the top of the hierarchy.
        objects: one object for each set of shape keys.
    """

    def __init__(self, root, objects):
        self.root = root
        self.objects = objects

    @property
    def keys(self):
        """The shape keys (bpy.types.Key) of every mesh."""
        return [one.data.shape_keys for one in self.objects]

    @property
    def targets(self):
        """The names that may be driven, a list for each mesh: all but the rest shape."""
        return [[block.name for block in key.key_blocks if block != key.reference_key] for key in self.keys]

    def all_targets(self):
        """The names of all meshes, each once."""
        return list(dict.fromkeys(name for names in self.targets for name in names))


def root_of(one):
    """Return the top of the hierarchy that `one` belongs to."""
    while one.parent is not None:
        one = one.parent
    return one


def face_of(one):
    """Return the face that `one` belongs to; None without an object, or without shape keys that can be animated."""
    if one is None:
        return None
    root = root_of(one)
    found, seen = [], set()
    for member in (root, *root.children_recursive):
        key = getattr(member.data, "shape_keys", None) if member.type == "MESH" else None
        if key is not None and key.use_relative and len(key.key_blocks) > 1 and key.name_full not in seen:
            seen.add(key.name_full)  # two objects may share a mesh
            found.append(member)
    return Face(root, found) if found else None


def needed(one):
    """Return the face that `one` belongs to.

    Raises:
        ValueError: it belongs to none; with what to do, for people.
    """
    face = face_of(one)
    if face is None:
        raise ValueError(_missing(one))
    return face


def of_name(name):
    """Return the face below the local object `name`; None if it is gone."""
    return face_of(bpy.data.objects.get((name, None)))


def _missing(one):
    if one is None:
        return "No object is active. Select a part of the head."
    if one.instance_type == "COLLECTION" and one.instance_collection is not None and one.instance_collection.library is not None:
        return f"'{one.name}' shows a collection of another file. Make a library override of it (Object > Library Override > Make)."
    root = root_of(one)
    if any(member.type == "MESH" and member.data.shape_keys is not None and not member.data.shape_keys.use_relative
           for member in (root, *root.children_recursive)):
        return f"The shape keys of '{one.name}' are absolute ones. Tick 'Relative' in its shape keys' panel."
    return f"'{one.name}' and what hangs together with it have no mesh with shape keys. Select a part of the head."


def refusal(face):
    """Return why the face can't be keyed, for people; None if it can."""
    if face.root.library is not None:
        return f"'{face.root.name}' is linked from another file. Make a library override of it (Object > Library Override > Make)."
    linked = [one.data.name for one, key in zip(face.objects, face.keys, strict=True) if key.library is not None]
    if linked:
        return (f"The shape keys of {some(linked)} are linked from another file, so they can't be animated. Make a library override of "
                "the mesh too (in the Outliner: right-click it, Library Override > Make > Selected).")
    return None


def unseen(face, driven):
    """Return sentences about shape keys on which curves would have no effect.

    Args:
        driven: for each mesh, the targets that are keyed.
    """
    led, muted = [], []
    for key, targets in zip(face.keys, driven, strict=True):
        animation = key.animation_data
        paths = {driver.data_path for driver in animation.drivers} if animation is not None else set()
        led += [name for name in targets if value_path(name) in paths]
        muted += [name for name in targets if key.key_blocks[name].mute]
    sentences = []
    if led:
        sentences.append(f"Drivers win over the curves of {some(led)}. Remove the drivers, or let the line drive what they read.")
    if muted:
        sentences.append(f"Muted, so the curves don't show: {some(muted)}.")
    pinned = [one.name for one in face.objects if one.show_only_shape_key]
    if pinned:
        sentences.append(f"One shape key of {some(pinned)} is pinned, so the curves don't show: switch the pin beside the shape keys off.")
    return sentences


def value_path(target):
    """Return the data path of a shape key's value, from its Key data-block."""
    return f'key_blocks["{bpy.utils.escape_identifier(target)}"].value'


def some(names, most=4):
    """Return names as text, the first `most` of them."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
