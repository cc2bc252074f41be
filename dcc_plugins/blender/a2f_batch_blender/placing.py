"""An answer's curves onto a face, in a new action, an NLA strip or over the present action."""

import numpy as np

from . import a2f_client, curves, faces, joints

TRACK = "a2f_batch"  # of the NLA strips; a second one where strips would lie on each other


class Placement:
    """Where a line goes.

    Attributes:
        name: the line's name, that of its action.
        source: what makes it another line than one of the same name: the path of its sound, or 'batch'.
        start: frame at which its sound starts.
        span: (first, last) frame to key, for a sound that is cut; None = all.
        place: 'NEW', 'NLA' or 'OVER'.
        fps: frames per second of the scene.
        joints: the `joints.Joint`s that are to turn.
    """

    def __init__(self, name, source, start, place, fps, span=None, turned=()):
        self.name, self.source, self.start, self.place, self.fps = name, source, start, place, fps
        self.span, self.joints = span, list(turned)


class Put:
    """What was written.

    Attributes:
        curves, frames: how many.
        first, last: the frames that the keys span.
        still: names of joints that the line does not turn.
        remarks: sentences about what is written and yet does not show.
    """

    def __init__(self):
        self.curves, self.frames, self.first, self.last, self.still, self.remarks = 0, 0, 0.0, 0.0, [], []


def scene_fps(scene):
    """Return the scene's frame rate as the library reads it: '24', '30000/1001'."""
    fps, base = scene.render.fps, scene.render.fps_base
    if base == 1:
        return str(fps)
    return f"{fps * 1000}/1001" if abs(base - 1.001) < 1e-6 else f"{fps / base:.9g}"


def ratio(text):
    """Return the number that a rate's text stands for."""
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


def refusal(face, placement):
    """Return why the line can't be placed on the face, for people; None if it can. Nothing may be written before this is asked."""
    if refused := faces.refusal(face):
        return refused
    try:
        turned = [joint.find()[0] for joint in placement.joints]
    except ValueError as error:
        return str(error)
    for owner in (*face.keys, *turned):
        animation = owner.animation_data
        if owner.library is not None:
            return f"'{owner.name}' is linked from another file, so it can't be animated. Make a library override of it."
        if animation is None or placement.place == "NLA":
            continue
        if animation.use_tweak_mode:
            return f"An NLA strip of '{owner.name}' is being tweaked. Leave tweak mode first (Tab in the NLA editor)."
        if placement.place == "OVER" and animation.action is not None and animation.action.library is not None:
            return f"The action '{animation.action.name}' is linked from another file. Bake into a new action."
    return None


def put(answer, face, placement):
    """Write the answer of 'bake' or 'open' to the face; ask `refusal` before.

    Returns:
        a `Put`.

    Raises:
        ValueError: there is nothing to write.
        RuntimeError: Blender refuses; a part may be written.
    """
    count, step = answer["frames"], placement.fps / ratio(answer["fps"])
    step = 1.0 if abs(step - 1) < 1e-6 else step  # the same rate, spelled with other digits
    frames = placement.start + ratio(answer["start"]) * placement.fps + np.arange(count) * step
    heard = slice(None) if placement.span is None else (frames >= placement.span[0]) & (frames <= placement.span[1])
    if not len(frames[heard]):
        raise ValueError(f"No frame of '{placement.name}' is heard: its strip is too short. Lengthen the strip, or bake from the file.")
    writer = _Writer(face, placement, frames[heard])
    for key, mesh in zip(face.keys, answer["meshes"], strict=True):
        values = _shaped(mesh["values"], count, len(mesh["targets"]))[heard]
        for i, target in enumerate(mesh["targets"]):
            _widen(key.key_blocks[target], values[:, i])
            writer.write(key, faces.value_path(target), 0, values[:, i])
    for joint in placement.joints:
        if joint.name not in answer["rotations"]:
            writer.done.still.append(joint.name)
            continue
        turned, posed = joint.find()
        path, rows = joints.rotation_curves(turned, posed, face.root, _shaped(answer["rotations"][joint.name], count, 4)[heard])
        for index, column in enumerate(np.array(rows, dtype=np.float32).T):
            writer.write(turned, path, index, column)
    writer.done.remarks += faces.unseen(face, [mesh["targets"] for mesh in answer["meshes"]])
    return writer.finish()


def _shaped(text, rows, columns):
    return np.frombuffer(a2f_client.floats(text), dtype=np.float32).reshape(rows, columns)


def _widen(block, values):
    """Widen a shape key's slider to what the line asks for: Blender clamps to it, and its own limit is 10."""
    low, high = float(values.min()), float(values.max())
    if high > block.slider_max:
        block.slider_max = min(10.0, high)
    if low < block.slider_min:
        block.slider_min = max(-10.0, low)


class _Writer:
    """Finds the action of every data-block by the placement, and counts."""

    def __init__(self, face, placement, frames):
        self.placement, self.frames, self.done = placement, frames, Put()
        # The same line on another head is another line.
        kind = "strip" if placement.place == "NLA" else "action"
        self.line = f"{placement.name} | {placement.source} | {face.root.name} | {kind}"
        self.actions, self.owners, self.hidden = {}, {}, []

    def write(self, owner, path, index, values):
        if owner not in self.owners:
            self.owners[owner] = self._action(owner)
        curves.write(curves.curves_of(owner, self.owners[owner]), path, index, self.frames, values)
        self.done.curves += 1

    def _action(self, owner):
        animation, place = owner.animation_data_create(), self.placement.place
        if place == "OVER" and animation.action is not None:
            return animation.action
        # Slots let one action, named after the line, move all parts; before Blender 4.4 each part has its own.
        part = "" if curves.SLOTTED else owner.name
        if part not in self.actions:
            self.actions[part] = curves.action_of_line(
                (f"{self.placement.name} {part}").strip(), f"{self.line} | {part}", track=TRACK if place == "NLA" else None)
        if place != "NLA":
            if animation.action is not None:
                animation.action.use_fake_user = True  # it gives way, and must not vanish with the next save
            curves.assign(owner, self.actions[part])
        return self.actions[part]

    def finish(self):
        self.done.frames, self.done.first, self.done.last = len(self.frames), float(self.frames[0]), float(self.frames[-1])
        if self.placement.place == "NLA":
            for action in set(self.owners.values()):
                for track, strip in curves.strips_with(action):  # of an earlier bake of this line
                    track.strips.remove(strip)
            for owner, action in self.owners.items():
                self._lay(owner, action)
        if self.hidden:
            self.done.remarks.append(f"The present action of {faces.some(self.hidden)} keys the same and lies over the strip.")
        return self.done

    def _lay(self, owner, action):
        """Lay a strip of `action` on a track of `owner`."""
        animation, (first, last) = owner.animation_data, (self.done.first, max(self.done.last, self.done.first + 1))
        present = animation.action
        if present is not None and curves.is_ours(present):
            animation.action = None  # a line baked before: it would hide the strip
        elif present is not None and not curves.keyed(owner, present).isdisjoint(curves.keyed(owner, action)):
            self.hidden.append(owner.name)
        track = next((track for track in animation.nla_tracks if track.name.startswith(TRACK) and not track.lock and not any(
            strip.frame_start < last and first < strip.frame_end for strip in track.strips)), None)
        if track is None:
            track = animation.nla_tracks.new()
            track.name = TRACK
        strip = track.strips.new(self.placement.name, int(np.floor(first)), action)
        strip.name = self.placement.name  # Blender 3 gives it the name of the action
        if curves.SLOTTED:
            strip.action_slot = curves.slot_of(action, owner)
        strip.action_frame_start, strip.action_frame_end = first, last
        strip.frame_start, strip.frame_end = first, last
