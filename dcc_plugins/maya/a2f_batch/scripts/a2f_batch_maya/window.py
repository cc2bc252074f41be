"""The window: a sound, a face, how it is spoken, the mapping, and a rendered folder."""

import functools

import a2f_client
from maya import cmds

from . import baking, faces, folder, joints, keys, library, mapping, tables, work
from .trouble import Trouble

NAME = "a2fBatchWindow"
_SOUNDS = "Sounds (*.wav *.flac *.ogg *.mp3 *.aif *.aiff *.m4a);;All files (*)"
_EXISTING = (("Replace those among the line's frames", keys.REPLACE), ("Move them behind the line", keys.MOVE))

_open: list = []


def show():
    """Open the window, or bring a fresh one."""
    if cmds.window(NAME, exists=True):
        cmds.deleteUI(NAME, window=True)
    _open[:] = [Window()]
    return _open[0]


def told(act):
    """Wrap what a button does: what goes wrong is told in a dialogue, never lost."""
    @functools.wraps(act)
    def wrapper(self, *arguments):
        try:
            act(self)
        except (Trouble, a2f_client.Failed) as error:
            tell(error)
    return wrapper


def tell(error):
    """Show what went wrong and what to do now."""
    problem, remedy = getattr(error, "problem", str(error)), getattr(error, "remedy", "See the Script Editor.")
    cmds.warning("a2f_batch: %s %s" % (problem, remedy))
    if not cmds.about(batch=True):
        cmds.confirmDialog(title="a2f_batch", message=problem + "\n\n" + remedy, button=["OK"])


class Window:
    """The window's controls, and what they do."""

    def __init__(self):
        self.window = cmds.window(NAME, title="a2f_batch", widthHeight=(460, 780))
        cmds.scrollLayout(childResizable=True)
        cmds.columnLayout(adjustableColumn=True)
        self._line()
        self._face()
        self._folder()
        cmds.showWindow(self.window)
        self.refresh()

    def _line(self):
        _open_frame("Line")
        self.audio = cmds.textFieldButtonGrp(label="Sound", buttonLabel="...", buttonCommand=self.choose_sound, adjustableColumn=2)
        self.profile = cmds.textFieldGrp(label="Profile", text="default", adjustableColumn=2,
                                         annotation="The right mouse button lists them")
        self.profiles = cmds.popupMenu(parent=self.profile)
        self.emotion = cmds.textFieldGrp(label="Emotion", text="neutral", adjustableColumn=2,
                                         annotation="A word, with a strength ('joy:0.6'), or over time ('0.0 neutral; 1.2 anger:0.8'); "
                                                    "the right mouse button lists the words")
        self.emotions = cmds.popupMenu(parent=self.emotion)
        self.start = cmds.floatFieldGrp(label="Start frame", value1=cmds.playbackOptions(query=True, minTime=True))
        self.fps = cmds.textFieldGrp(label="Keys a second", annotation="Empty: one on every frame of the scene")
        self.seed = cmds.intFieldGrp(label="Seed", annotation="Another number gives other blinks and glances")
        self.engine = cmds.textFieldGrp(label="Engine", text="embedded")
        self.project = cmds.textFieldGrp(label="Project", annotation="An a2f.toml with profiles of your own; may be empty",
                                         changeCommand=self.refresh)
        self.existing = cmds.optionMenuGrp(label="Existing keys")
        for label, _ in _EXISTING:
            cmds.menuItem(label=label)
        self.rotations = cmds.checkBoxGrp(label="", label1="Key head and eyes")
        self.sound = cmds.checkBoxGrp(label="", label1="Put the sound on the time line", value1=True)
        self.python = cmds.textFieldGrp(label="Helper's Python", text=library.chosen_python(), changeCommand=self.choose_python,
                                        annotation="Python program in which a2f-batch is installed; empty: Maya's own, or the installer's")
        cmds.button(label="Bake", command=self.bake)
        cmds.button(label="Cancel", command=self.cancel)
        _close_frame()

    def _face(self):
        _open_frame("Face")
        self.nodes = cmds.textScrollList(numberOfRows=4, allowMultiSelection=True)
        cmds.button(label="From selection", command=self.take_selection)
        cmds.button(label="Remove from list", command=self.remove_nodes)
        self.table = tables.Mapping(self.chosen_nodes)
        for joint, label in zip(joints.JOINTS, ("Head", "Left eye", "Right eye")):
            cmds.button(label="%s: from selection" % label, command=functools.partial(self.choose_joint, joint),
                        annotation="Select the joint while the character stands at rest and looks ahead")
        self.joints = cmds.text(label="", align="left")
        _close_frame()

    def _folder(self):
        _open_frame("Rendered folder")
        self.folder = cmds.textFieldButtonGrp(label="Folder", buttonLabel="...", buttonCommand=self.choose_folder, adjustableColumn=2)
        self.lines = cmds.textScrollList(numberOfRows=8, allowMultiSelection=True)
        self.pause = cmds.intFieldGrp(label="Frames between lines", value1=12)
        cmds.button(label="Import selected lines", command=self.import_lines)
        cmds.button(label="Import .anim by Maya's importer...", command=self.import_anim)
        _close_frame()

    def chosen_nodes(self):
        """Return the blendShape nodes in the list."""
        return cmds.textScrollList(self.nodes, query=True, allItems=True) or []

    def settings(self):
        """Return what the controls say."""
        return baking.Settings(
            self.chosen_nodes(), audio=_text(cmds.textFieldButtonGrp, self.audio),
            start=cmds.floatFieldGrp(self.start, query=True, value1=True),
            existing=_EXISTING[cmds.optionMenuGrp(self.existing, query=True, select=True) - 1][1],
            rotations=cmds.checkBoxGrp(self.rotations, query=True, value1=True),
            sound=cmds.checkBoxGrp(self.sound, query=True, value1=True), fps=_text(cmds.textFieldGrp, self.fps),
            engine=_text(cmds.textFieldGrp, self.engine), profile=_text(cmds.textFieldGrp, self.profile),
            project=_text(cmds.textFieldGrp, self.project), emotion=_text(cmds.textFieldGrp, self.emotion),
            seed=cmds.intFieldGrp(self.seed, query=True, value1=True))

    @told
    def refresh(self):
        """Fill the menus with what the library has, and the lists with what the scene has."""
        self._show_joints()
        words = library.described(_text(cmds.textFieldGrp, self.project))
        for menu, field, names in ((self.profiles, self.profile, words["profiles"]), (self.emotions, self.emotion, words["emotions"])):
            cmds.popupMenu(menu, edit=True, deleteAllItems=True)
            for name in names:
                cmds.menuItem(label=name, parent=menu, command=functools.partial(_fill, field, name))

    @told
    def choose_sound(self):
        """Choose the sound file."""
        chosen = cmds.fileDialog2(fileMode=1, caption="Sound of a voice line", fileFilter=_SOUNDS)
        if chosen:
            cmds.textFieldButtonGrp(self.audio, edit=True, text=chosen[0])

    @told
    def choose_python(self):
        """Keep the helper's Python, and read the menus anew."""
        library.choose_python(_text(cmds.textFieldGrp, self.python))
        self.refresh()

    @told
    def take_selection(self):
        """List the blendShape nodes of the selected character."""
        found = faces.of_selection()
        if not found:
            raise Trouble("Nothing that hangs together with the selection has a blendShape node.", "Select the character, or a part of it.")
        cmds.textScrollList(self.nodes, edit=True, removeAll=True)
        cmds.textScrollList(self.nodes, edit=True, append=found)
        self._show_joints()
        self.table.match()

    @told
    def remove_nodes(self):
        """Take the marked nodes from the list."""
        for node in cmds.textScrollList(self.nodes, query=True, selectItem=True) or []:
            cmds.textScrollList(self.nodes, edit=True, removeItem=node)

    def choose_joint(self, joint, *_):
        """Note the selected joint and how it stands, or forget it where nothing is selected."""
        try:
            face, selected = faces.Face(self.chosen_nodes()), cmds.ls(selection=True, long=True)
            user_map, kept = mapping.load(face.nodes)
            if len(selected) > 1:
                raise Trouble("%d objects are selected." % len(selected), "Select one joint, or nothing to forget it.")
            kept.pop(joint, None)
            if selected:
                kept[joint] = joints.captured(selected[0])
            with keys.one_undo("a2f_batch: joint"):
                mapping.save(face.nodes, user_map, kept)
            self._show_joints()
        except Trouble as error:
            tell(error)

    def _show_joints(self):
        nodes = [node for node in self.chosen_nodes() if cmds.objExists(node)]
        kept = mapping.load(nodes)[1]
        named = ["%s: %s" % (name, kept[name]["node"].rpartition("|")[2]) for name in sorted(kept)]
        cmds.text(self.joints, edit=True, label="   ".join(named))

    @told
    def bake(self):
        """Bake."""
        baking.start(self.settings(), self._done)

    def cancel(self, *_):
        """Stop what is running, as Esc does."""
        work.cancel()

    def _done(self, report, error):
        if isinstance(error, a2f_client.Cancelled):
            cmds.warning("a2f_batch: cancelled; nothing was changed.")
        elif error is not None:
            tell(error)
        else:
            self.table.show(report.match)
            for warning in report.warnings:
                cmds.warning("a2f_batch: " + warning)
            print("a2f_batch: " + report.text)

    @told
    def choose_folder(self):
        """Choose a rendered folder and list its lines."""
        chosen = cmds.fileDialog2(fileMode=3, caption="Folder that a2f-batch render filled")
        if chosen:
            found = folder.listed(chosen[0])
            cmds.textFieldButtonGrp(self.folder, edit=True, text=chosen[0])
            cmds.textScrollList(self.lines, edit=True, removeAll=True)
            for line in found["lines"]:
                cmds.textScrollList(self.lines, edit=True, append=line["name"])
            for missing in found["missing"]:
                cmds.warning("a2f_batch: not to be imported: " + missing)

    @told
    def import_lines(self):
        """Bring the marked lines onto the face."""
        folder.start(_text(cmds.textFieldButtonGrp, self.folder), cmds.textScrollList(self.lines, query=True, selectItem=True) or [],
                     self.settings(), cmds.intFieldGrp(self.pause, query=True, value1=True), self._done)

    @told
    def import_anim(self):
        """Import a .anim file by Maya's own importer."""
        nodes = faces.Face(self.chosen_nodes()).nodes
        chosen = cmds.fileDialog2(fileMode=1, caption="Maya animation", fileFilter="Maya animation (*.anim)")
        if chosen:
            folder.import_anim(chosen[0], nodes)


def _open_frame(label):
    cmds.frameLayout(label=label, marginHeight=4, collapsable=True)
    cmds.columnLayout(adjustableColumn=True)


def _close_frame():
    cmds.setParent("..")
    cmds.setParent("..")


def _text(command, field):
    return command(field, query=True, text=True).strip()


def _fill(field, text, *_):
    cmds.textFieldGrp(field, edit=True, text=text)
