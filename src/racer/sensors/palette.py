"""Mixtures of materials by number: 256 of them, so that a cell of the map of the ground is one byte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float32]

ROAD, BORDER, CENTER, FIELD = range(4)
MATERIALS = 4
STEPS = 16  # of a share, in the table that finds the mixture


def _mixtures() -> Shares:
    """(256, MATERIALS) shares of each mixture: what meets along lines in fine steps, three together in coarse ones."""
    fine, coarse = np.linspace(0.0, 1.0, 41), 14
    rows = []
    for one, other in ((ROAD, BORDER), (BORDER, FIELD), (ROAD, CENTER)):
        for share in fine:
            row = np.zeros(MATERIALS)
            row[one] += 1.0 - share
            row[other] += share
            rows.append(row)
    for border in range(1, coarse):
        for field in range(1, coarse - border):
            rows.append(np.array([coarse - border - field, border, 0, field]) / coarse)
    for share in np.linspace(0.0, 1.0, 17):
        rows.append(np.array([1.0 - share, 0.0, 0.0, share]))
    table = np.unique(np.array(rows).round(6), axis=0)[:256]
    return np.concatenate([table, np.repeat(table[-1:], 256 - len(table), axis=0)]).astype(np.float32)


MIXTURES = _mixtures()


def mixed(weights: Shares) -> NDArray[np.uint8]:
    """(...) number of the mixture nearest to shares (..., MATERIALS)."""
    key = np.rint(weights[..., 1:] * STEPS).astype(np.intp)
    return np.asarray(_NEAREST[key[..., 0], key[..., 1], key[..., 2]])


def _nearest() -> NDArray[np.uint8]:
    share = np.arange(STEPS + 1) / STEPS
    b, c, f = np.meshgrid(share, share, share, indexing="ij")
    grid = np.stack([1.0 - b - c - f, b, c, f], axis=-1).astype(np.float32)
    away = np.sum(grid**2, -1)[..., None] - 2.0 * grid @ MIXTURES.T + np.sum(MIXTURES**2, -1)
    return np.asarray(np.argmin(away, axis=-1), dtype=np.uint8)


_NEAREST = _nearest()
