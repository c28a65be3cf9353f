"""Inputs on which block quantisers are compared: rows aimed at scales, ties and both ends of binary32."""

from __future__ import annotations

import numpy as np


def rows(size, *, seed=0, least=-100, most=100):
    """Rows of ``size`` numbers whose largest magnitudes have exponents in ``[least, most]``."""
    rng = np.random.default_rng(seed)
    drawn = [
        rng.standard_normal((400, size)),
        rng.standard_t(2, (200, size)),
        rng.integers(-64, 65, (400, size)) / 8,  # ties of every element format
        rng.choice([-1.0, 1.0], (200, size))
        * rng.choice([0, 0.25, 0.5, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6, 7], (200, size)),
    ]
    x = np.concatenate(drawn).astype(np.float32)
    x /= np.float32(2) ** np.ceil(np.log2(np.abs(x).max(axis=1, keepdims=True) + np.float32(1e-30)))
    x = x * np.float32(2) ** rng.integers(least, most, (len(x), 1)).astype(np.float32)
    return np.concatenate([x, beside_powers(size, least, most), np.zeros((1, size), np.float32)])


def beside_powers(size, least, most):
    """Largest magnitudes beside powers of two, and beside those times the largest elements there are."""
    exponents = np.arange(least, most, 3)
    tops = np.array([1, 6 / 8, 7 / 8, 7.5 / 8, 28 / 32, 448 / 512, 57344 / 65536], np.float32)
    base = (tops[:, None] * np.float32(2) ** exponents.astype(np.float32)).reshape(-1)
    patterns = (base.view(np.int32)[:, None] + np.array([-60, -44, -3, -2, -1, 0, 1, 2, 3, 22, 60])).astype(np.int32)
    x = np.zeros((patterns.size, size), np.float32)
    x[:, 0] = patterns.reshape(-1).view(np.float32)
    x[:, 1] = -x[:, 0] * np.float32(0.3)
    return x
