"""Maya's main thread: idle moments, in which other threads' calls are made."""

import queue
import threading
import time


class Idle:
    """The queue of what is done when Maya is idle."""

    def __init__(self):
        self.main = threading.current_thread()
        self.calls = queue.Queue()

    def check(self, what):
        """Refuse what is called from another thread than the main one."""
        if threading.current_thread() is not self.main:
            raise RuntimeError("%s was called from the thread %s: Maya's commands are not thread-safe" % (
                what, threading.current_thread().name))

    def until(self, done, seconds=60):
        """Let idle moments pass until `done()`; return how many calls were made in them."""
        self.check("idle")
        made, end = 0, time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise AssertionError("still not done after %d s of idle moments" % seconds)
            try:
                call = self.calls.get(timeout=0.02)
            except queue.Empty:
                continue
            call()
            made += 1
        return made


class Utils:
    """The module maya.utils."""

    def __init__(self, idle):
        self._idle = idle

    def executeDeferred(self, function, *arguments, **named):
        if not callable(function):
            raise TypeError("this stand-in takes functions alone")
        self._idle.calls.put(lambda: function(*arguments, **named))

    def executeInMainThreadWithResult(self, function, *arguments, **named):
        if not callable(function):
            raise TypeError("this stand-in takes functions alone")
        if threading.current_thread() is self._idle.main:
            return function(*arguments, **named)
        result, done = [], threading.Event()

        def call():
            try:
                result.append((function(*arguments, **named), None))
            except Exception as error:
                result.append((None, error))
            done.set()

        self._idle.calls.put(call)
        if not done.wait(60):
            raise AssertionError("Maya was never idle")
        value, error = result[0]
        if error is not None:
            raise error
        return value
