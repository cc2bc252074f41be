"""Batches: a manifest of voice lines checked, rendered on worker processes, and reported."""

from __future__ import annotations
