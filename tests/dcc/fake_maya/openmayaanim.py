"""maya.api.OpenMayaAnim: curves and their changes."""

import types


def module(fake):
    """Return the module."""
    scene = fake.scene

    class MAnimCurveChange:
        def __init__(self):
            self.edits = []  # (node, keys before, keys after)

        def undoIt(self):
            for node, before, _ in reversed(self.edits):
                scene.nodes[node]["keys"] = before

    class MFnAnimCurve:
        kAnimCurveTA, kAnimCurveTU, kAnimCurveUnknown = 0, 3, 8
        kTangentGlobal, kTangentLinear = 0, 2

        def __init__(self, node=None):
            self._node = node.name if node is not None else None
            if self._node is not None and not scene.nodes[self._node]["type"].startswith("animCurve"):
                raise RuntimeError("(kInvalidParameter): Object is incompatible with this method")

        def timedAnimCurveTypeForPlug(self, plug):
            return self.kAnimCurveTA if ".rotate" in plug.key else self.kAnimCurveTU

        def addKeys(self, times, values, in_type=0, out_type=0, keep=False, change=None):
            if type(times).__name__ != "MTimeArray" or type(values).__name__ != "MDoubleArray":
                raise TypeError("addKeys(MTimeArray, MDoubleArray, ...)")
            if len(times) != len(values) or not len(times):
                raise ValueError("%d times, %d values" % (len(times), len(values)))
            ticks = [time.ticks for time in times.values]
            if sorted(set(ticks)) != ticks:
                raise ValueError("times do not rise")
            if change is None:
                raise AssertionError("keys added without an MAnimCurveChange can't be undone")
            before = scene.nodes[self._node]["keys"]
            merged = {key[0]: key for key in (before if keep else ())}
            merged.update((tick, (tick, float(value), in_type, out_type)) for tick, value in zip(ticks, values.values))
            after = tuple(merged[tick] for tick in sorted(merged))
            change.edits.append((self._node, before, after))
            scene.nodes[self._node]["keys"] = after

    found = types.ModuleType("maya.api.OpenMayaAnim")
    found.MAnimCurveChange, found.MFnAnimCurve = MAnimCurveChange, MFnAnimCurve
    return found
