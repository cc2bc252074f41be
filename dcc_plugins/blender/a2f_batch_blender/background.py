"""Work in a thread while Blender stays usable: progress in the header, Esc cancels, the end in one undo step."""

import threading
import time

import bpy

from . import a2f_client

TICK_SECONDS = 0.05
SHOW_SECONDS = 0.25  # between two headers: each makes Blender draw its window anew
#: Modes whose undo takes actions back too; edit and sculpt mode have an undo of their own.
MODES = ("OBJECT", "POSE")


class Work:
    """A function in a thread of its own; it never touches Blender.

    Attributes:
        text, share: how far it is, for people and as 0 to 1.
        result: what it returned.
        error: `a2f_client.Failed` or `a2f_client.Cancelled`; None if it went well.
    """

    def __init__(self, function):
        """Start `function(on_progress, cancelled)`; the two are as `a2f_client.ask` takes them."""
        self.text, self.share = "Starting", 0.0
        self.result = self.error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def _run(self, function):
        try:
            self.result = function(self._note, self._stop.is_set)
        except (a2f_client.Failed, a2f_client.Cancelled) as error:
            self.error = error
        except Exception as error:  # shown to the artist, never lost in a thread
            self.error = a2f_client.Failed(f"{type(error).__name__}: {error}.", "Please report this.")

    def _note(self, text, share):
        self.text, self.share = text, share

    @property
    def running(self):
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def cancel(self):
        """Ask it to end; it does at its next step."""
        self._stop.set()

    def wait(self):
        """Wait for its end."""
        self._thread.join()


class InBackground:
    """An operator that works in a thread, and writes at the end.

    A subclass has `prepare(context)`, which returns the thread's function or raises ValueError with what is wrong, and
    `finish(context, result)`, which writes and returns the operator's answer.
    """

    _now = None  # the work of all such operators: one at a time

    @classmethod
    def poll(cls, context):
        """Say whether the button can be pressed."""
        return context.object is not None and (InBackground._now is None or not InBackground._now.running)

    def execute(self, context):
        """Do it; without a window, or for scripts, wait for the end."""
        return self._start(context, wait=True)

    def _start(self, context, wait):
        self._timer, self._shown, self._shown_at = None, None, 0.0
        if context.mode not in MODES:
            return self.wrong("Switch to object mode first: in this mode Blender could not undo the bake.")
        try:
            function = self.prepare(context)
        except (ValueError, a2f_client.Failed) as error:
            return self.wrong(str(error))
        self._work = Work(function)
        if wait or context.window is None:
            self._work.wait()
            return self._end(context)
        InBackground._now = self._work
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        self._show(context)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        """Show progress; Esc cancels; write at the end."""
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.report({"INFO"}, "Cancelled; nothing was changed.")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._work.running or context.mode not in MODES:
            self._show(context)
            return {"PASS_THROUGH"}
        return self._end(context)

    def cancel(self, context):
        """Stop, for the artist or because Blender ends."""
        self._work.cancel()
        self._leave(context)

    def _end(self, context):
        self._leave(context)
        error = self._work.error
        if isinstance(error, a2f_client.Cancelled):
            return {"CANCELLED"}
        if error is not None:
            return self.wrong(str(error))
        return self.finish(context, self._work.result)

    def _leave(self, context):
        if self._timer is None:
            return
        context.window_manager.event_timer_remove(self._timer)
        self._timer = InBackground._now = None
        for screen in bpy.data.screens:  # the artist may have gone to another workspace meanwhile
            for area in screen.areas:
                if area.type == "VIEW_3D":
                    area.header_text_set(None)

    def _show(self, context):
        text = f"a2f_batch: {self._work.text} ({100 * self._work.share:.0f} %)    Esc: cancel"
        if not self._work.running:
            text = "a2f_batch: done. Switch to object mode to get the curves.    Esc: cancel"
        now, shown = time.monotonic(), (text, context.screen and context.screen.name)
        if shown == self._shown or now - self._shown_at < SHOW_SECONDS:
            return
        self._shown, self._shown_at = shown, now
        if context.screen is not None:
            for area in context.screen.areas:
                if area.type == "VIEW_3D":
                    area.header_text_set(text)

    def wrong(self, text):
        """Report what is wrong; return the operator's answer."""
        self.report({"ERROR"}, text)
        return {"CANCELLED"}
