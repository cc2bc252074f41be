"""Post-processing: from raw network curves to what an animator keeps."""

from __future__ import annotations

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip
from a2f_batch.emotion import NEUTRAL, Envelope, envelope
from a2f_batch.post import pipeline
from a2f_batch.post.context import Context, Stage
from a2f_batch.post.pipeline import STAGES, Profile, profile, profiles

__all__ = ["STAGES", "Context", "Profile", "Stage", "post", "post_in", "profile", "profiles"]


def post(clip: FaceClip, profile: str | Profile = "default", *, wave: Waveform | None = None, seed: int = 0,
         emotion: str | Envelope = NEUTRAL) -> FaceClip:
    """Return `clip` run through the stages of a profile.

    Args:
        clip: raw curves of an engine, ARKit names.
        profile: a profile, or the name of one.
        wave: the line's sound, for the stages that listen to it.
        seed: for the stages that draw: same seed, same result.
        emotion: the line's emotion over time, for the stages that show it: 'joy:0.6', '0.0 neutral; 1.2 anger:0.8'.

    Raises:
        ProfileError: no such profile, or a stage that needs the sound and has none.
        EmotionError: an emotion that can't be understood.
    """
    chosen = pipeline.profile(profile) if isinstance(profile, str) else profile
    return post_in(Context(wave, seed, envelope(emotion), clip), clip, chosen)


def post_in(context: Context, clip: FaceClip, profile: Profile) -> FaceClip:
    """Return what `post` does, in a context of the caller's, who can ask it afterwards what was heard in the sound."""
    for stage in profile.stages:
        clip = stage.apply(clip, context)
    return clip.with_values(clip.values, profile=profile.name, post_seed=context.seed, post_emotion=str(context.emotion))

