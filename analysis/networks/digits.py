"""Handwritten digits, 8 by 8 pixels: what a small network is trained on and held against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: of each digit are held out
HELD_OUT = 45
#: the pictures as uint8 and the labels as uint8, 1797 of each, row by row
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Digits:
    """Pictures (number, 8, 8, 1) in float32, multiples of 1/16 in [0, 1], and labels 0 to 9 in int32."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int32]
    held_out_x: NDArray[np.float32]
    held_out_y: NDArray[np.int32]


def digits() -> Digits:
    """The 1797 digits of scikit-learn: 45 of each held out, 1347 to train on.

    Which ones: for the digits 0 to 9 in turn, the first 45 of a permutation by ``numpy.random.default_rng(0)``.
    Raises ``ValueError`` where the installed scikit-learn has other pictures.

    Source: ``sklearn.datasets.load_digits``: the test set of the UCI ML hand-written digits (Alpaydin and Kaynak, 1998,
    CC BY 4.0), from 43 writers.

    >>> found = digits()
    >>> found.train_x.shape, found.held_out_x.shape, np.bincount(found.held_out_y).tolist()
    ((1347, 8, 8, 1), (450, 8, 8, 1), [45, 45, 45, 45, 45, 45, 45, 45, 45, 45])
    """
    pixels, labels = loaded()
    rng = np.random.default_rng(0)
    held_out = np.zeros(len(labels), bool)
    for digit in range(10):
        held_out[rng.permutation(np.flatnonzero(labels == digit))[:HELD_OUT]] = True
    x = pixels.reshape(-1, 8, 8, 1).astype(np.float32) / np.float32(16)
    y = labels.astype(np.int32)
    return Digits(train_x=x[~held_out], train_y=y[~held_out], held_out_x=x[held_out], held_out_y=y[held_out])


def loaded() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 1797 pictures as rows of 64 pixels, 0 to 16, and their classes, in the order of scikit-learn.

    Raises ``ValueError`` where the installed scikit-learn has other pictures.
    """
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    found: Any = load_digits()  # pyright: ignore[reportUnknownVariableType]
    pixels, labels = np.asarray(found.data).astype(np.uint8), np.asarray(found.target).astype(np.uint8)
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"scikit-learn's digits have SHA-256 {digest}; expected {SHA256}")
    return pixels, labels
