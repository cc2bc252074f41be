"""What the warning codes of rendered lines mean, for people."""

from __future__ import annotations

from a2f_batch.clip import FaceClip
from a2f_batch.emotion import Envelope
from a2f_batch.post.emotion import is_shown

WARNINGS = {
    "all-silent": "the sound is silent throughout; the face is still but for its blinks",
    "streamed-wav": "the WAV does not state its length; taken as it is",
    "unended-ogg": "the Ogg stream has no end mark; the recording may have stopped early",
    "emotion-not-honoured": "neither the engine nor a stage of the profile shows the emotion; the face is neutral",
    "qc-failed": "its quality figures could not be measured (a fault of ours); its files are whole",
    "style-not-honoured": "the engine has no styles; its own was used",
}


def not_honoured(clip: FaceClip, emotion: Envelope) -> tuple[str, ...]:
    """Return the codes of what was asked of a finished `clip` that neither engine nor profile did."""
    codes = [f"{name}-not-honoured" for name in clip.meta.get("not_honoured", ()) if name != "emotion"]
    # Of emotions a stage of the profile may have shown what the engine did not.
    return (*codes, "emotion-not-honoured") if emotion.words and not is_shown(clip) else tuple(codes)
