"""A product in a stated order and stated slices of K, whatever executes its sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formats.schedule import Combine, KOrder, Schedule
from reference.array.carrier import Array

#: codes of ``c + a b`` from a, b, c and random bits
Sum = Callable[[Array, Array, Array, Array | None], Array]
#: codes of the sums of two results
Join = Callable[[Array, Array], Array]


def scheduled(
    a: Array, b: Array, c: Array, plan: Schedule, random_bits: Array | None, *, accumulate: Sum, joined: Join
) -> Array:
    """``accumulate`` in the order and the slices of ``plan``; draw k of ``random_bits`` goes with element k of K.

    ``a``: (..., M, K), ``b``: (..., K, N), ``c``: (..., M, N), ``random_bits``: (K, ..., M, N), of NumPy or JAX.
    """
    length = a.shape[-1]
    if plan.order is not KOrder.NATURAL:
        order = np.array(plan.permutation(length))
        a, b = a[..., order], b[..., order, :]
        random_bits = None if random_bits is None else random_bits[order]
    parts: list[Array] = []
    for start, stop in plan.bounds(length):
        first, k = c if not parts else c & 0, slice(start, stop)
        drawn = None if random_bits is None else random_bits[k]
        parts.append(accumulate(a[..., k], b[..., k, :], first, drawn) if start < stop else first)
    return _combined(parts, plan, joined)


def _combined(parts: list[Array], plan: Schedule, joined: Join) -> Array:
    if plan.combine is Combine.FOUR_LANES:
        while len(parts) > 4:
            blocks = [parts[i : i + 8] for i in range(0, len(parts), 8)]
            parts = [joined(x, y) for eight in blocks for x, y in zip(eight[:4], eight[4:], strict=True)]
    if plan.combine in (Combine.BY_HALVES, Combine.FOUR_LANES):
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [joined(x, y) for x, y in zip(parts[:half], parts[half:], strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = joined(total, part)
    return total
