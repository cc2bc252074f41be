"""Stage `linear-exp`: open a weak channel early without opening it wider."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.channels import columns
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class LinearExp:
    """y = clip((1 - w) z + w (1 - exp(-k z)), 0, 1) with z = clip(x + offset, 0, 1) / reference, on each named channel.

    The exponential lifts small values, the linear part keeps large ones apart. With an offset <= 0, rest stays rest.

    Source: LinearExpBlend of the dlp3d audio2face service and its jaw settings (offset -0.106, reference 0.75, strength 8, weight 0.4),
    there given to one mouth morph of MMD that is copied from the jaw. There it rounds to float16.

    Attributes:
        names: the channels (`bs_names` there).
        offset: added first, in weight units; below 0 it cuts off a jaw that hangs a little open.
        normalize_reference: the weight that counts as full, above 0.
        exponential_strength: k, 0 or more.
        blend_weight: w, 0 (linear) to 1 (exponential).
    """

    names: tuple[str, ...] = ("jawOpen",)
    offset: float = -0.106
    normalize_reference: float = 0.75
    exponential_strength: float = 8.0
    blend_weight: float = 0.4

    def __post_init__(self) -> None:
        for parameter, valid, wanted in (
            ("names", len(self.names) > 0, "at least one channel"),
            ("offset", -1 <= self.offset <= 1, "a number from -1 to 1"),
            ("normalize_reference", 0 < self.normalize_reference < np.inf, "a number above 0"),
            ("exponential_strength", 0 <= self.exponential_strength < np.inf, "a number of 0 or more"),
            ("blend_weight", 0 <= self.blend_weight <= 1, "a number from 0 to 1"),
        ):
            if not valid:
                raise ProfileError(f"'{parameter}' of 'linear-exp' is {getattr(self, parameter)!r}.", f"Give {wanted}.",
                                   code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the named channels reshaped.

        Raises:
            ProfileError: the clip has none of them (code 'channel-unmatched').
        """
        chosen = list(columns(clip, self.names, "linear-exp").values())
        values = np.array(clip.values)
        linear = np.clip(values[:, chosen] + np.float32(self.offset), 0, 1) / np.float32(self.normalize_reference)
        exponential = 1 - np.exp(np.float32(-self.exponential_strength) * linear)
        weight = np.float32(self.blend_weight)
        values[:, chosen] = np.clip((1 - weight) * linear + weight * exponential, 0, 1)
        return clip.with_values(values)
