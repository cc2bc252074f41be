"""The command `a2fSetKeys`: keys in bulk on many attributes, with undo and redo."""

import maya.api.OpenMaya as om  # noqa: N813 (Maya's own way of naming)
import maya.api.OpenMayaAnim as oma  # noqa: N813
from a2f_batch_maya import keys


def maya_useNewAPI():  # noqa: N802 (Maya looks for this name)
    """Tell Maya that this plug-in speaks its Python API 2.0."""


class SetKeys(om.MPxCommand):
    """Key what `a2f_batch_maya.keys.hand_over` was given; the command itself takes no arguments, which would have to be text."""

    name = "a2fSetKeys"

    def __init__(self):
        om.MPxCommand.__init__(self)
        self._job, self._made, self._changes = keys.Job([], []), om.MDGModifier(), []

    def doIt(self, arguments):  # noqa: N802
        """Take what was handed over and key it."""
        self._job = keys.take()
        self.redoIt()

    def redoIt(self):  # noqa: N802
        """Key it, anew each time: after an undo all is as it was before."""
        self._made, self._changes = om.MDGModifier(), []
        try:
            unit = om.MTime.uiUnit()
            times = om.MTimeArray([om.MTime(frame, unit) for frame in self._job.frames])
            for plug, values in self._job.curves:
                self._key(self._curve(plug), times, values)
        except Exception:
            self.undoIt()  # all or nothing
            raise

    def _curve(self, name):
        """Return the curve of an attribute, made if there is none."""
        selection = om.MSelectionList()
        selection.add(name)
        plug = selection.getPlug(0)
        source = plug.source()
        if not source.isNull:
            return oma.MFnAnimCurve(source.node())
        kind = oma.MFnAnimCurve().timedAnimCurveTypeForPlug(plug)
        # By the modifier, not by MFnAnimCurve.create: what the one undoes is documented.
        made = self._made.createNode("animCurveTA" if kind == oma.MFnAnimCurve.kAnimCurveTA else "animCurveTU")
        self._made.doIt()
        self._made.connect(om.MFnDependencyNode(made).findPlug("output", False), plug)
        self._made.doIt()
        return oma.MFnAnimCurve(made)

    def _key(self, curve, times, values):
        linear = oma.MFnAnimCurve.kTangentLinear
        change = oma.MAnimCurveChange()
        self._changes.append(change)
        # Keys outside of the line's frames stay; those inside were cut before.
        curve.addKeys(times, om.MDoubleArray(values), linear, linear, True, change)

    def undoIt(self):  # noqa: N802
        """Take the keys away, then the curves that were made."""
        for change in reversed(self._changes):
            change.undoIt()
        self._made.undoIt()

    def isUndoable(self):  # noqa: N802
        """Say that Maya shall remember it."""
        return True


def initializePlugin(plugin):  # noqa: N802
    """Add the command."""
    om.MFnPlugin(plugin, "a2f_batch", "0.1.0").registerCommand(SetKeys.name, SetKeys)


def uninitializePlugin(plugin):  # noqa: N802
    """Take it away."""
    om.MFnPlugin(plugin).deregisterCommand(SetKeys.name)
