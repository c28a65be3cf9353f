"""llama.cpp's ternary blocks TQ1_0 and TQ2_0, and the Q8_K activations that they meet, on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.ternary.storage import TernaryBlock, ternary_block
from reference.array import ternary_blocks as array_blocks

_ELEMENTS = 256
#: the least magnitude whose reciprocal is finite in binary32
LEAST_SCALE = float(np.nextafter(np.float32(2.0**-128), np.float32(1)))


def quantize_ternary_blocks(x: ArrayLike, block: str | TernaryBlock) -> NDArray[np.uint8]:
    """Bytes of TQ1_0 or TQ2_0 blocks along the last axis.

    Definition: `formats.TernaryBlock`. ``x``: finite float32, shape ``(..., n)`` with ``n`` a multiple
    of 256; the result is uint8 ``(..., n / 256, bytes_per_block)``. A scale beyond binary16 becomes infinite there.

    Raises ``KeyError`` (unknown block), ``TypeError`` (dtype) or ``ValueError`` (length; NaN or infinity, for which
    llama.cpp has no result; a greatest magnitude so small that its reciprocal is infinite).

    >>> quantize_ternary_blocks(np.zeros(256, np.float32), "tq1_0")[0, 46:].tobytes().hex()
    '80807f7f7f7f0000'
    """
    made, values = ternary_block(block), np.asarray(x)
    check_values(values)
    refuse_values(values)
    return array_blocks.quantize(values.view(np.uint32), made, np)


def dequantize_ternary_blocks(blocks: ArrayLike, block: str | TernaryBlock) -> NDArray[np.float32]:
    """The values of TQ1_0 or TQ2_0 blocks, uint8 ``(..., blocks, bytes_per_block)``, as float32 ``(..., n)``.

    Every byte is decoded, those that no quantiser makes too (digit 3 of TQ2_0 is the value 2), and every scale;
    products with an infinite or NaN scale that are NaN are the positive quiet NaN. Raises ``KeyError`` (unknown
    block), ``TypeError`` (dtype) or ``ValueError`` (shape).

    >>> dequantize_ternary_blocks(quantize_ternary_blocks(np.full(256, 0.75, np.float32), "tq2_0"), "tq2_0")[:2]
    array([0.75, 0.75], dtype=float32)
    """
    made, words = ternary_block(block), np.asarray(blocks)
    check_blocks(words, made)
    return array_blocks.dequantize(words, made, np).view(np.float32)


def quantize_q8_k(x: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes and scales of llama.cpp's Q8_K activations along the last axis.

    With ``m`` the first element of greatest magnitude in a block of 256, ``i = RN(-127 / m)``: codes are
    ``RN(x * i)`` rounded to an integer, ties to even, at most 127; ``d = RN(1 / i)``. So ``m`` becomes -127 and ``d``
    has the sign opposite to it. A block of zeros has codes and scale 0. Arguments and errors as in
    `quantize_ternary_blocks`; codes are int8 ``(..., n / 256, 256)``, scales float32 ``(..., n / 256)``. Source:
    llama.cpp ggml-quants.c @ 01243c5, quantize_row_q8_K_ref.

    >>> codes, scale = quantize_q8_k(np.float32([1.0, -2.0] + [0.5] * 254))
    >>> codes[0, :3], scale
    (array([  64, -127,   32], dtype=int8), array([0.01574803], dtype=float32))
    """
    values = np.asarray(x)
    check_values(values)
    refuse_values(values)
    codes, scale = array_blocks.quantize_q8_k(split(values.view(np.uint32)), np)
    return codes, scale.view(np.float32)


def split(values: Any) -> Any:
    """The last axis in blocks."""
    return values.reshape(*values.shape[:-1], values.shape[-1] // _ELEMENTS, _ELEMENTS)


def check_values(values: Any) -> None:
    """Refuse values by dtype and shape: what can be seen of any array, traced ones too."""
    if values.dtype.name != "float32":
        raise TypeError(f"values have dtype {values.dtype.name}; accepted: float32")
    if not values.ndim or values.shape[-1] % _ELEMENTS:
        raise ValueError(f"blocks of {_ELEMENTS} do not fill the last axis of shape {values.shape}")


def check_blocks(words: Any, made: TernaryBlock) -> None:
    """Refuse blocks by dtype and shape."""
    if words.dtype.name != "uint8":
        raise TypeError(f"blocks have dtype {words.dtype.name}; accepted: uint8")
    if words.ndim < 2 or words.shape[-1] != made.bytes_per_block:
        raise ValueError(f"{made.name} blocks have shape (..., blocks, {made.bytes_per_block}), not {words.shape}")


def refuse_values(values: NDArray[np.float32]) -> None:
    """``ValueError`` for what has no quotient: NaN, infinities, and blocks of the least subnormal numbers."""
    if not np.isfinite(values).all():
        raise ValueError(f"values hold {int((~np.isfinite(values)).sum())} NaN or infinite elements")
    if not values.size:
        return
    largest = np.abs(split(values)).max(axis=-1)
    bad = (largest > 0) & (largest < np.float32(LEAST_SCALE))
    if bad.any():
        where = [int(i) for i in np.argwhere(bad)[0]]
        raise ValueError(
            f"block {where} has the greatest magnitude {largest[tuple(where)]}: its reciprocal is infinite"
        )
