"""Smooth displacement fields: what is held moves as told, the rest follows like a thin sheet."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from a2f_batch.rig.sculpt.cage import Cage, Indices
from a2f_batch.rig.sculpt.neutral import neighbours
from a2f_batch.rig.sculpt.surface import Points, Scalars


class Sheet:
    """The head's net as an elastic sheet."""

    def __init__(self, cage: Cage) -> None:
        adjacency = neighbours(cage)
        self.average = (sparse.diags(1 / adjacency.sum(axis=1).A1) @ adjacency).tocsr()
        laplacian = sparse.identity(len(cage.mirror)) - self.average
        self._energy = (laplacian.T @ laplacian).tocsc()

    def follow(self, held: Indices, values: Points | Scalars) -> Points:
        """Return values for all vertices that equal `values` at `held` and bend least between.

        Args:
            held: vertices, each once, shape (n,).
            values: shape (n,) or (n, k).
        """
        flat = np.asarray(values, dtype=np.float64).reshape(len(held), -1)
        n = self._energy.shape[0]
        result = np.zeros((n, flat.shape[1]))
        result[held] = flat
        free = np.setdiff1d(np.arange(n), held)
        block = self._energy[free]
        result[free] = splu(block[:, free].tocsc()).solve(-(block[:, held] @ flat))
        return result.reshape((n, *np.shape(values)[1:]))
