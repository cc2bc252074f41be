"""Head and eye rotations of a line as Blender has them: of a bone in its pose, or of an object on top of its own.

The library's rotations are right-handed with Y up and the face towards +Z. In Blender a character stands along Z, its rest faces -Y, and
it may have been turned about Z to face where the scene wants it: that turn is read from the top of its hierarchy.
"""

import bpy
import mathutils


class Joint:
    """What a joint of the face turns.

    Attributes:
        name: 'Head', 'LeftEye' or 'RightEye'.
        object: name of the object, or of the armature.
        bone: name of the bone; '' = the object itself.
    """

    def __init__(self, name, turned, bone):
        self.name, self.object, self.bone = name, turned, bone

    def find(self):
        """Return (object, pose bone or None).

        Raises:
            ValueError: it is not there, or can't be keyed; says why.
        """
        turned = bpy.data.objects.get((self.object, None))
        if turned is None:
            raise ValueError(f"{self.name}: there is no object '{self.object}', or it is linked from another file. "
                             "Choose it again under Joints.")
        posed = None
        if self.bone:
            posed = turned.pose.bones.get(self.bone) if turned.pose is not None else None
            if posed is None:
                raise ValueError(f"{self.name}: '{self.object}' has no bone '{self.bone}'. Choose it again under Joints.")
        if (posed or turned).rotation_mode == "AXIS_ANGLE":
            raise ValueError(f"{self.name}: '{self.bone or self.object}' turns by axis and angle. "
                             "Set its rotation mode to quaternion or Euler.")
        return turned, posed


def joints_of(root):
    """Return the joints that the head has chosen."""
    return [Joint(name, joint.object.name, joint.bone) for name, joint in root.a2f.joints().items() if joint.object is not None]


def rotation_curves(turned, posed, root, quaternions):
    """Return (data path, rows): the property that turns a joint and its values, one row a frame.

    Args:
        turned, posed: as `Joint.find` returns them.
        root: top object of the head.
        quaternions: x, y, z, w in the library's space, one a frame.
    """
    facing = heading(root)
    if posed is not None:
        frame = facing.inverted() @ turned.matrix_world.to_quaternion() @ posed.bone.matrix_local.to_quaternion()
        prefix, mode = f'pose.bones["{bpy.utils.escape_identifier(posed.name)}"].', posed.rotation_mode
    else:
        parent = turned.matrix_world @ turned.matrix_basis.inverted()
        frame = facing.inverted() @ parent.to_quaternion()
        prefix, mode = "delta_", turned.rotation_mode  # on top of how the object stands, in its parent's space
    back = frame.inverted()
    turns = [back @ mathutils.Quaternion((w, x, -z, y)) @ frame for x, y, z, w in quaternions.tolist()]
    if mode == "QUATERNION":
        return prefix + "rotation_quaternion", [tuple(turn) for turn in turns]
    angles = []
    for turn in turns:
        angles.append(turn.to_euler(mode, angles[-1]) if angles else turn.to_euler(mode))
    return prefix + "rotation_euler", [tuple(angle) for angle in angles]


def heading(root):
    """Return the turn about Z by which the character was placed; what tilts it (a file with Y up, turned by 90 degrees) is left out."""
    w, _, _, z = root.matrix_world.to_quaternion()
    return mathutils.Quaternion((w, 0, 0, z)).normalized() if w or z else mathutils.Quaternion()
