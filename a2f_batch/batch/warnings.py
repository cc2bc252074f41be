"""What the warning codes of rendered lines mean, for people."""

from __future__ import annotations

WARNINGS = {
    "all-silent": "the sound is silent throughout; the face is still but for its blinks",
    "streamed-wav": "the WAV does not state its length; taken as it is",
    "unended-ogg": "the Ogg stream has no end mark; the recording may have stopped early",
    "emotion-not-honoured": "neither the engine nor a stage of the profile shows the emotion; the face is neutral",
    "style-not-honoured": "the engine has no styles; its own was used",
}
