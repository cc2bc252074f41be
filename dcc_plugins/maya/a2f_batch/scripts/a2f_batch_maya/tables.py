"""The mapping table of the window: which channel drives which target; found by the library, changed by the artist, kept with the face."""

from maya import cmds

from . import faces, keys, library, mapping
from .trouble import Trouble


class Mapping:
    """A list of rows, and fields to change the marked one.

    Args:
        nodes: returns the blendShape nodes of the face.
    """

    def __init__(self, nodes):
        self._nodes, self.rows = nodes, []
        self.list = cmds.textScrollList(numberOfRows=12, allowMultiSelection=False, selectCommand=self.pick)
        self.target = cmds.textFieldGrp(label="Target", adjustableColumn=2,
                                        annotation="Empty: the channel drives nothing; the right mouse button lists the targets")
        self.targets = cmds.popupMenu(parent=self.target)
        self.gain = cmds.floatFieldGrp(label="Gain", value1=1.0)
        cmds.button(label="Change the row", command=self.change)
        cmds.button(label="Drive one more target with this channel", command=self.add)
        cmds.button(label="Match anew", command=self.match, annotation="Rows that you changed stay")
        cmds.button(label="Forget my changes", command=self.forget)
        self.idle = cmds.text(label="", align="left", wordWrap=True)

    def match(self, *_):
        """Ask the library which channel drives which target."""
        self._told(self._match)

    def pick(self, *_):
        """Show the marked row in the fields."""
        _, target, gain, _ = self._marked()
        cmds.textFieldGrp(self.target, edit=True, text=target)
        cmds.floatFieldGrp(self.gain, edit=True, value1=gain)

    def change(self, *_):
        """Let the marked row drive what the fields say."""
        self._told(self._edit, False)

    def add(self, *_):
        """Let the marked row's channel drive what the fields say, too."""
        self._told(self._edit, True)

    def forget(self, *_):
        """Match anew, without what the artist changed."""
        self._told(self._save, {})

    def show(self, match):
        """Show an answer's match."""
        self.rows = mapping.rows(match)
        cmds.textScrollList(self.list, edit=True, removeAll=True)
        for row in self.rows:
            cmds.textScrollList(self.list, edit=True, append=_text(*row))
        idle = match["unmatched_targets"]
        cmds.text(self.idle, edit=True, label="Driven by nothing: " + ", ".join(idle) if idle else "")

    def _match(self, user_map=None):
        face = faces.Face(self._nodes())
        request = {"command": "match", "meshes": face.targets, "map": mapping.load(face.nodes)[0] if user_map is None else user_map}
        self.show(library.asker()(request)["match"])
        cmds.popupMenu(self.targets, edit=True, deleteAllItems=True)
        for target in sorted({target for names in face.targets for target in names}):
            cmds.menuItem(label=target, parent=self.targets, command=lambda *_, name=target: self._fill(name))

    def _fill(self, target):
        cmds.textFieldGrp(self.target, edit=True, text=target)

    def _marked(self):
        marked = cmds.textScrollList(self.list, query=True, selectIndexedItem=True)
        if not marked:
            raise Trouble("No row is marked.", "Click a row of the mapping.")
        return self.rows[marked[0] - 1]

    def _edit(self, more):
        channel, before, _, _ = self._marked()
        target = cmds.textFieldGrp(self.target, query=True, text=True).strip()
        gain = cmds.floatFieldGrp(self.gain, query=True, value1=True)
        mix = {old: share for of, old, share, _ in self.rows if of == channel and old and (more or old != before)}
        if target:
            mix[target] = gain
        user_map = mapping.load(self._nodes())[0]
        self._save(dict(user_map, **{channel: mix}))

    def _save(self, user_map):
        self._match(user_map)  # a map that the library refuses is not kept
        nodes = self._nodes()
        with keys.one_undo("a2f_batch: mapping"):
            mapping.save(nodes, user_map, mapping.load(nodes)[1])

    def _told(self, act, *arguments):
        from . import window

        window.told(lambda self: act(*arguments))(self)


def _text(channel, target, gain, by):
    if not target:
        return "%s  ->  nothing%s" % (channel, "  (%s)" % by if by else "")
    return "%s  ->  %s%s  (%s)" % (channel, "" if gain == 1 else "%g x " % gain, target, by)
