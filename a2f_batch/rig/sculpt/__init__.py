"""The mathematics behind the default head: needed only to make `default_head.npz` anew (`python -m a2f_batch.rig.sculpt`).

Works in millimetres, +Y up, +Z forward, +X the face's own left, origin between the ears. Needs scipy.
"""
