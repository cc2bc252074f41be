"""`python -m a2f_batch.rig.sculpt [FILE]` makes the default head's file anew (about 10 s)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from a2f_batch.export.atomic import replacing
from a2f_batch.rig import head
from a2f_batch.rig.sculpt.assemble import build

if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(head.__file__).with_name(head.ASSET)
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **head.pack(build()))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
