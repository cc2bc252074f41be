"""Post-processing: from raw network curves to what an animator keeps."""

from __future__ import annotations

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.post import pipeline
from a2f_batch.post.context import Context, Stage
from a2f_batch.post.pipeline import STAGES, Profile, profile, profiles

__all__ = ["STAGES", "Context", "Profile", "Stage", "post", "profile", "profiles"]


def post(clip: FaceClip, profile: str | Profile = "default", *, wave: Waveform | None = None, seed: int = 0) -> FaceClip:
    """Return `clip` run through the stages of a profile.

    Args:
        clip: raw curves of an engine, ARKit names.
        profile: a profile, or the name of one.
        wave: the line's sound, for the stages that listen to it.
        seed: for the stages that draw: same seed, same result.

    Raises:
        ProfileError: no such profile, or a stage that needs the sound and has none.
    """
    chosen = pipeline.profile(profile) if isinstance(profile, str) else profile
    context = Context(wave, seed)
    for stage in chosen.stages:
        clip = stage.apply(clip, context)
    return clip.with_values(clip.values, profile=chosen.name, post_seed=seed)

