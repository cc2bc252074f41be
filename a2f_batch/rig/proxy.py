"""The proxy head: the 52 ARKit targets on at most 400 vertices, for thousands of lines that have no character yet."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np

from a2f_batch.rig.head import unpack
from a2f_batch.rig.mesh import Mesh

ASSET = "proxy_head.npz"


@cache
def proxy_head() -> Mesh:
    """Return the proxy head: some of the default head's vertices, made by `a2f_batch.rig.sculpt.decimate` and kept as an array file.

    Parts: head (with lips and ears), mouth (its inside, and the tongue), whites (of the eyes, and the upper teeth), dark (irises, brows
    and hair). Size and place are the default head's; so are the targets, on the parts where they are seen. No UVs: all are 0.
    FBX has the parts as one mesh.
    """
    with np.load(BytesIO(files(__package__).joinpath(ASSET).read_bytes()), allow_pickle=False) as arrays:
        return replace(unpack({name: arrays[name] for name in arrays.files}), joined=True)
