"""a2f_batch in Maya: one button from a sound to keys on the artist's own head. Python 3.7 syntax: Maya 2022 has that."""


def show():
    """Open the window, and return it; what the shelf button calls."""
    from . import window

    return window.show()
