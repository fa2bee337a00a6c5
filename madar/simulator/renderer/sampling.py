"""Reading layers between their samples."""

import numpy as np

from madar.simulator.renderer.shapes import Floats


def bilinear(layer: Floats, x: Floats, y: Floats) -> Floats:
    """Read a layer between its samples; beyond them its rim goes on."""
    height, width = layer.shape[1:]
    x = np.clip(x, np.float32(0), np.float32(width - 1.001))
    y = np.clip(y, np.float32(0), np.float32(height - 1.001))
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = (x - column).astype(np.float32), (y - row).astype(np.float32)
    flat, at = layer.reshape(layer.shape[0], -1), row * width + column
    upper = flat[:, at] * (1 - right) + flat[:, at + 1] * right
    lower = flat[:, at + width] * (1 - right) + flat[:, at + width + 1] * right
    return upper * (1 - below) + lower * below
