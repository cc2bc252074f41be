"""Runs inside a Blender with a window: presses the buttons and takes pictures, or notes how long a timer is held up meanwhile.

    blender --enable-event-simulate --python in_window.py -- ZIP HEAD.glb LINE.wav FOUR_MINUTES.wav TWO_MINUTES.wav show|time PICTURES

Prints 'RESULT {...}' at the end and quits.
"""

import itertools
import json
import os
import sys
import time
import traceback

import bpy
import numpy

ZIP, HEAD, LINE, FOUR_MINUTES, TWO_MINUTES, STORY, PICTURES = sys.argv[-7:]
TICK_SECONDS = 0.02
found, ticks, draws = {}, [], []


class View:
    """The window's 3D view with its sidebar."""

    def __init__(self):
        self.window = bpy.context.window_manager.windows[0]
        self.area = next(area for area in self.window.screen.areas if area.type == "VIEW_3D")
        self.main, self.side = (next(region for region in self.area.regions if region.type == kind) for kind in ("WINDOW", "UI"))

    def here(self):
        return bpy.context.temp_override(window=self.window, area=self.area, region=self.main)

    def opened(self):
        """Look at the head, and click down the sidebar's tabs until ours opens."""
        self.area.spaces.active.show_region_ui = True
        self.window.scene.a2f.audio = bpy.path.relpath(LINE)
        yield 1.0
        with self.here():
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_selected()
            bpy.ops.view3d.zoom(delta=-1)
        yield 1.0
        for below in range(10, self.side.height, 15):
            where = {"x": self.side.x + self.side.width - 8, "y": self.side.y + self.side.height - below}
            self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", **where)
            self.window.event_simulate(type="LEFTMOUSE", value="PRESS", **where)
            self.window.event_simulate(type="LEFTMOUSE", value="RELEASE", **where)
            yield 0.3
            if draws:
                break
        # Away from the tabs: as long as the mouse is where it clicked one, Blender draws the sidebar anew with every event.
        self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=self.side.x + self.side.width // 3, y=self.side.y + 20)

    def press(self):
        with self.here():
            found["pressed"] = sorted(bpy.ops.a2f.bake("INVOKE_DEFAULT"))

    def undo(self):
        with self.here():
            bpy.ops.ed.undo()

    def picture(self, name):
        with self.here():
            bpy.ops.screen.screenshot_area(filepath=os.path.join(PICTURES, f"{name}.png"))

    def escape(self):
        for value in ("PRESS", "RELEASE"):
            self.window.event_simulate(type="ESC", value=value, x=self.main.x + 20, y=self.main.y + 20)


def show():
    """The panel, the button, undo, Esc. Every `yield` gives Blender's main loop that many seconds."""
    yield 1.0
    view = View()
    yield from view.opened()
    view.picture("panel")
    bpy.ops.ed.undo_push(message="before the bake")
    found["before"] = state()
    view.press()
    while baking():
        yield 0.05
    found["after"] = state()
    view.undo()
    yield 0.2
    found["undone"] = state()

    view.window.scene.a2f.audio = bpy.path.relpath(FOUR_MINUTES)
    view.press()
    yield 0.5
    view.picture("baking")
    found["running"] = baking()
    view.escape()
    yield 0.5
    found["still_running"] = baking()
    yield 3.0
    found["cancelled"] = state()

    view.window.scene.a2f.audio = bpy.path.relpath(LINE)
    view.press()
    while baking():
        yield 0.05
    view.window.scene.frame_set(30)
    bpy.ops.object.select_all(action="DESELECT")
    yield 1.0
    view.picture("baked")


def pauses():
    """How long a timer is held up: by an idle Blender, while a line is baked, and when its curves are written."""
    bpy.context.preferences.system.viewport_aa = "OFF"  # it draws the same again and again, here without a graphics card
    yield 1.0
    view = View()
    yield from view.opened()
    yield from calm()
    ticks.clear()
    for i in range(8):  # the header anew, as often as a bake may want it
        view.area.header_text_set(f"idle {i}")
        yield 0.25
    view.area.header_text_set(None)
    found["idle"] = longest(ticks)
    # The first bake loads the library.
    for name, sound in (("line", LINE), ("minutes", FOUR_MINUTES)):
        yield from timed(view, name, sound)
        view.undo()
    single_head()
    yield from timed(view, "curves", TWO_MINUTES)
    face = bpy.context.view_layer.objects.active.data.shape_keys
    found["curves"]["written"] = sum(len(curve.keyframe_points) for curve in face.animation_data.action.fcurves)


def timed(view, name, sound):
    """Bake `sound` and note the longest pauses."""
    view.window.scene.a2f.audio = bpy.path.relpath(sound)
    bpy.ops.ed.undo_push(message="before the bake")
    yield from calm()
    ticks.clear()
    view.press()
    while baking():
        yield 0.02
    count = len(ticks)
    yield 0.5
    working = [one for one in ticks[:count] if one[1]]
    usual = sorted(after - before for (before, _), (after, _) in itertools.pairwise(working))[len(working) // 2 - 1]
    found[name] = {"working": longest(working), "usual": usual, "writing": longest(ticks[len(working) - 1:]), "ticks": len(working)}


def calm():
    """Wait until Blender has drawn all that it wants to."""
    for _ in range(60):
        ticks.clear()
        yield 0.5
        if len(ticks) > 1 and longest(ticks) < 2 * TICK_SECONDS:
            return


def longest(noted):
    return max(after - before for (before, _), (after, _) in itertools.pairwise(noted))


def baking():
    return sys.modules["a2f_batch_blender.background"].InBackground._now is not None


def single_head():
    """One small mesh with the 52 shape keys of ARKit, the active object, in place of all others."""
    names = sorted({block.name for key in bpy.data.shape_keys for block in key.key_blocks} - {"Basis"})
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    face = bpy.data.objects.new("Face", mesh)
    bpy.context.scene.collection.objects.link(face)
    face.shape_key_add(name="Basis")
    for name in names:
        face.shape_key_add(name=name)
    bpy.context.view_layer.objects.active = face


def state():
    return {"actions": sorted(action.name for action in bpy.data.actions),
            "curves": sum(len(action.fcurves) for action in bpy.data.actions),
            "animated": sum(bool(key.animation_data and key.animation_data.action) for key in bpy.data.shape_keys),
            "pairs": sum(len(one.a2f.pairs) for one in bpy.data.objects)}


def tick():
    ticks.append((time.monotonic(), baking()))
    return TICK_SECONDS


def tell(steps):
    """Do the next step of the story; at its end, or when it fails, say what was found and quit."""
    try:
        return next(steps)
    except StopIteration:
        found["draws"] = len(draws)
    except Exception:
        found["failed"] = traceback.format_exc()
    print("RESULT", json.dumps(found), flush=True)
    os._exit(0)


def main():
    bpy.context.preferences.view.show_splash = False
    bpy.ops.preferences.addon_install(filepath=ZIP, overwrite=True)
    bpy.ops.preferences.addon_enable(module="a2f_batch_blender")
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.object.delete()
    numpy.bool = bool  # Debian's glTF importer is older than its numpy
    bpy.ops.import_scene.gltf(filepath=HEAD)
    for action in list(bpy.data.actions):
        bpy.data.actions.remove(action)
    for key in bpy.data.shape_keys:
        key.animation_data_clear()
    bpy.context.view_layer.objects.active = next(one for one in bpy.data.objects if one.type == "MESH" and one.data.shape_keys)
    bpy.context.scene.render.fps = 30
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(os.path.dirname(HEAD), "head.blend"))
    mapping = sys.modules["a2f_batch_blender.panel"].A2F_PT_mapping
    bpy.utils.unregister_class(mapping)
    mapping.bl_options = set()  # open from the start, for the pictures
    bpy.utils.register_class(mapping)
    panel = sys.modules["a2f_batch_blender.panel"].A2F_PT_line
    drawn = panel.draw

    def counting(self, context):
        draws.append(time.monotonic())
        drawn(self, context)

    panel.draw = counting
    bpy.app.timers.register(tick, persistent=True)
    steps = {"show": show, "time": pauses}[STORY]()
    bpy.app.timers.register(lambda: tell(steps), first_interval=1.0, persistent=True)


try:
    main()
except Exception:
    print("RESULT", json.dumps({"failed": traceback.format_exc()}), flush=True)
    os._exit(1)
