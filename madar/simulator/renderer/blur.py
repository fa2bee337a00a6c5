"""Blurs and halvings of small layers, for glows and shadows."""

import numpy as np

from madar.simulator.renderer.shapes import Floats


def blurred(layer: Floats, sigma: float) -> Floats:
    """Blur the last two axes with a Gaussian.

    What leaves at one side comes in at the other, so layers have an empty margin.
    """
    height, width = layer.shape[-2:]
    down = _falloff(np.fft.fftfreq(height), sigma)
    across = _falloff(np.fft.rfftfreq(width), sigma)
    waves = np.fft.rfft2(layer) * (down[:, None] * across[None, :])
    return np.fft.irfft2(waves, s=(height, width)).astype(np.float32)


def softened(layer: Floats) -> Floats:
    """Blur by about one pixel: each axis takes 1, 2, 1 over 4."""
    for axis in (layer.ndim - 2, layer.ndim - 1):
        padding = [(1, 1) if at == axis else (0, 0) for at in range(layer.ndim)]
        wide = np.pad(layer, padding)
        length = layer.shape[axis]
        first, last = wide[_slice(axis, 0, length)], wide[_slice(axis, 2, length)]
        layer = np.float32(0.25) * (first + last) + np.float32(0.5) * layer
    return layer


def halved(layer: Floats) -> Floats:
    """Shrink both sides by two; an odd last row or column is repeated."""
    odd_down, odd_across = layer.shape[-2] % 2, layer.shape[-1] % 2
    if odd_down or odd_across:
        padding = [(0, 0)] * (layer.ndim - 2) + [(0, odd_down), (0, odd_across)]
        layer = np.pad(layer, padding, mode="edge")
    rows = layer[..., ::2, :] + layer[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)


def _falloff(frequency: Floats, sigma: float) -> Floats:
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2).astype(np.float32)


def _slice(axis: int, start: int, length: int) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, slice(start, start + length))
