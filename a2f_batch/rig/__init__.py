"""Meshes that clips are put on: the default head, and the shape of any other."""

from a2f_batch.rig.head import default_head
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

__all__ = ["Material", "Mesh", "Morph", "Part", "default_head"]
