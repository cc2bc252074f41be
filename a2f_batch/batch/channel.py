"""Which channel of a sound is the voice, as people write it."""

from __future__ import annotations

from a2f_batch.errors import BatchError


def read_channel(text: str) -> str | int:
    """Return a channel policy: 'mix', 'left', 'right', or an index from 0.

    Raises:
        BatchError: none of these (code 'channel').
    """
    if text.isascii() and text.isdecimal() and len(text) < 4:
        return int(text)
    if text not in ("mix", "left", "right"):
        raise BatchError(f"There is no channel {text!r}.", "Give mix, left, right or an index from 0.", code="channel")
    return text
