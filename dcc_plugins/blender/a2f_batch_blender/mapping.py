"""The mapping table: which channel drives which shape key; found by the library, changed by the artist, kept with the head."""

import bpy

from . import a2f_client, faces, preferences

EDITED = "your map"


def user_map(root):
    """Return the rows that the artist changed, as the library's map: channel -> {target: gain}."""
    changed = {pair.channel for pair in root.a2f.pairs if pair.by == EDITED}
    chosen = {channel: {} for channel in changed}
    for pair in root.a2f.pairs:
        if pair.channel in changed and pair.target:
            chosen[pair.channel][pair.target] = pair.gain
    return chosen


def show(root, match):
    """Put an answer's match into the head's table; rows that the artist changed stay as they are."""
    pairs = root.a2f.pairs
    pairs.clear()
    for channel, mix in match["pairs"].items():
        for target, gain in mix.items() or [("", 1.0)]:
            _fill(pairs.add(), channel, target, gain, match["by"][channel])
    for channel in match["unmatched_channels"]:
        _fill(pairs.add(), channel, "", 1.0, "")
    root.a2f.active = max(0, min(root.a2f.active, len(pairs) - 1))
    root.a2f.idle_targets = "\n".join(match["unmatched_targets"])


def _fill(pair, channel, target, gain, by):
    pair.name = pair.channel = channel
    pair.target, pair.gain = target, gain
    pair.by = by  # last: the others' update marks the row as changed


class A2F_OT_match(bpy.types.Operator):  # noqa: N801 (Blender's way of naming)
    """Find which channel drives which shape key of the active head; rows that you changed stay"""

    bl_idname = "a2f.match"
    bl_label = "Match shape keys"
    bl_options = {"REGISTER", "UNDO"}

    forget: bpy.props.BoolProperty(name="Forget changes", description="Also match anew the rows that you changed")

    @classmethod
    def description(cls, context, properties):
        """Say what the button does."""
        return "Match all anew; your changes are forgotten" if properties.forget else cls.__doc__

    def execute(self, context):
        """Match."""
        try:
            face = faces.needed(context.object)
        except ValueError as none:
            return self._wrong(none)
        if face.root.library is not None:  # of linked shape keys alone the table can be kept
            return self._wrong(faces.refusal(face))
        python, kept = preferences.helper_python(context), {} if self.forget else user_map(face.root)
        try:
            match = a2f_client.ask({"command": "match", "meshes": face.targets, "map": kept}, python)["match"]
        except a2f_client.Failed as error:
            if error.code != "nothing-matched":
                return self._wrong(error)
            # An empty table to fill in by hand.
            channels = a2f_client.ask({"command": "describe"}, python)["channels"]
            match = {"pairs": {}, "by": {}, "unmatched_channels": channels, "unmatched_targets": face.all_targets()}
            self.report({"WARNING"}, "No shape key has a name that is known. Choose them in the table.")
        show(face.root, match)
        return {"FINISHED"}

    def _wrong(self, problem):
        self.report({"ERROR"}, str(problem))
        return {"CANCELLED"}


class A2F_OT_row(bpy.types.Operator):  # noqa: N801
    """Add a row for the chosen channel, to drive one more shape key, or take the chosen row away"""

    bl_idname = "a2f.row"
    bl_label = "Row of the mapping"
    bl_options = {"REGISTER", "UNDO"}

    add: bpy.props.BoolProperty(name="Add", default=True)

    @classmethod
    def description(cls, context, properties):
        """Say what the button does."""
        return "One more shape key for the chosen channel" if properties.add else "Take the chosen row away"

    @classmethod
    def poll(cls, context):
        """Say whether a row is chosen."""
        return context.object is not None and 0 <= faces.root_of(context.object).a2f.active < len(faces.root_of(context.object).a2f.pairs)

    def execute(self, context):
        """Change the table."""
        table = faces.root_of(context.object).a2f
        chosen = table.pairs[table.active]
        channel = chosen.channel
        if self.add:
            # Appended, then moved: adding may move the others in memory.
            _fill(table.pairs.add(), channel, "", 1.0, EDITED)
            table.pairs.move(len(table.pairs) - 1, table.active + 1)
            table.active += 1
        elif sum(pair.channel == channel for pair in table.pairs) > 1:
            table.pairs.remove(table.active)
            table.active = max(0, table.active - 1)
        else:
            chosen.target = ""
        for pair in table.pairs:
            if pair.channel == channel:
                pair.by = EDITED
        return {"FINISHED"}


class A2F_UL_pairs(bpy.types.UIList):  # noqa: N801
    """The table's rows."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property):
        """Draw one row; a shape key of the channel's own name is told once, for the sidebar is narrow."""
        if item.target == item.channel:
            layout.label(text=item.channel)
            return
        row = layout.split(factor=0.5, align=True)
        row.label(text=item.channel)
        row.label(text=item.target, icon="NONE" if item.target else "REMOVE")  # is changed below the table, where there is room for it


_CLASSES = (A2F_OT_match, A2F_OT_row, A2F_UL_pairs)


def register():
    """Add table and operators."""
    for one in _CLASSES:
        bpy.utils.register_class(one)


def unregister():
    """Take them away."""
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
