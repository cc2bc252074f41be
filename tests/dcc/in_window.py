"""Runs inside a Blender with a window: presses the buttons, counts the ticks of a timer meanwhile, takes pictures.

    blender --enable-event-simulate --python in_window.py -- ZIP HEAD.glb LINE.wav LONG.wav PICTURES

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

ZIP, HEAD, LINE, LONG, PICTURES = sys.argv[-5:]
TICK_SECONDS = 0.02
found, ticks, draws = {}, [], []


def story():
    """What happens; every `yield` gives Blender's main loop that many seconds."""
    yield 1.0
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    view = next(region for region in area.regions if region.type == "WINDOW")
    side = next(region for region in area.regions if region.type == "UI")
    area.spaces.active.show_region_ui = True
    window.scene.a2f.audio = bpy.path.relpath(LINE)
    yield 1.0
    with bpy.context.temp_override(window=window, area=area, region=view):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
        bpy.ops.view3d.zoom(delta=-1)
    yield 1.0
    for below in range(10, side.height, 15):  # click down the sidebar's tabs until ours opens
        where = {"x": side.x + side.width - 8, "y": side.y + side.height - below}
        window.event_simulate(type="MOUSEMOVE", value="NOTHING", **where)
        window.event_simulate(type="LEFTMOUSE", value="PRESS", **where)
        window.event_simulate(type="LEFTMOUSE", value="RELEASE", **where)
        yield 0.3
        if draws:
            break
    picture("panel", window, area)
    bpy.ops.ed.undo_push(message="before the bake")
    found["before"] = state()

    def press(sound):
        window.scene.a2f.audio = bpy.path.relpath(sound)
        with bpy.context.temp_override(window=window, area=area, region=view):
            found["pressed"] = sorted(bpy.ops.a2f.bake("INVOKE_DEFAULT"))
        ticks.clear()

    def baking():
        return sys.modules["a2f_batch_blender.background"].InBackground._now is not None

    press(LINE)  # the first loads the library
    while baking():
        yield 0.05
    found["first"], found["after"] = gaps(), state()
    with bpy.context.temp_override(window=window, area=area, region=view):
        bpy.ops.ed.undo()
    yield 0.2
    found["undone"] = state()
    yield 2.0  # the undone head is drawn anew

    press(LONG)
    started = time.monotonic()
    while baking():
        yield 0.05
    found["later"], found["seconds"], found["long"] = gaps(), time.monotonic() - started, state()
    with bpy.context.temp_override(window=window, area=area, region=view):
        bpy.ops.ed.undo()
    yield 0.2

    press(LONG)
    yield 0.5
    picture("baking", window, area)
    found["running"] = baking()
    window.event_simulate(type="ESC", value="PRESS", x=view.x + 20, y=view.y + 20)
    window.event_simulate(type="ESC", value="RELEASE", x=view.x + 20, y=view.y + 20)
    yield 0.5
    found["still_running"] = baking()
    yield 3.0
    found["cancelled"] = state()

    press(LINE)
    while baking():
        yield 0.05
    window.scene.frame_set(30)
    bpy.ops.object.select_all(action="DESELECT")
    yield 1.0
    picture("baked", window, area)


def gaps():
    """The longest time between two ticks of the timer while the work runs, that at all, and how many there were."""
    pairs = list(itertools.pairwise(ticks))
    return {"working": max((after - before for (before, _), (after, runs) in pairs if runs), default=0.0),
            "all": max(after - before for (before, _), (after, _) in pairs), "count": len(ticks)}


def state():
    return {"actions": sorted(action.name for action in bpy.data.actions),
            "curves": sum(len(action.fcurves) for action in bpy.data.actions),
            "animated": sum(bool(key.animation_data and key.animation_data.action) for key in bpy.data.shape_keys),
            "pairs": sum(len(one.a2f.pairs) for one in bpy.data.objects)}


def picture(name, window, area):
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.screenshot_area(filepath=os.path.join(PICTURES, f"{name}.png"))


def tick():
    now = sys.modules["a2f_batch_blender.background"].InBackground._now
    ticks.append((time.monotonic(), now is not None and now.running))
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
    steps = story()
    bpy.app.timers.register(lambda: tell(steps), first_interval=1.0, persistent=True)


try:
    main()
except Exception:
    print("RESULT", json.dumps({"failed": traceback.format_exc()}), flush=True)
    os._exit(1)
