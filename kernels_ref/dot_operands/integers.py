"""Families of integer operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formats import IntSpec
from kernels_ref.dot_operands.block import Array, Block, Shape, codes, random_codes

Draw = Callable[[IntSpec, Shape], Array]


def bits(block: Block[IntSpec]) -> None:
    """Any codes."""
    _fill(block, lambda spec, shape: random_codes(block.rng, spec, shape))


def small(block: Block[IntSpec]) -> None:
    """Within 4 of zero."""
    _fill(block, lambda spec, shape: _wrapped(spec, block.rng.integers(max(spec.minimum, -4), 5, shape)))


def extremes(block: Block[IntSpec]) -> None:
    """The least, the largest, zero and one."""
    _fill(block, lambda spec, shape: _wrapped(spec, block.rng.choice([spec.minimum, spec.maximum, 0, 1], shape)))


def one_sign(block: Block[IntSpec]) -> None:
    """All operands of an item at one end of the range: the largest sums."""

    def draw(spec: IntSpec, shape: Shape) -> Array:
        ends = block.rng.choice([spec.minimum or spec.maximum, spec.maximum], (shape[0], 1, 1))
        return _wrapped(spec, np.broadcast_to(ends, shape))

    _fill(block, draw)


def _fill(block: Block[IntSpec], draw: Draw) -> None:
    """Operands by ``draw``; ``c`` any, or within a product's reach of the ends of its range or of zero."""
    block.a, block.b = draw(block.a_format, block.a_shape), draw(block.b_format, block.b_shape)
    out, rng, shape = block.output, block.rng, block.c_shape
    reach = block.k << (block.a_format.bits + block.b_format.bits - 2)
    near = rng.choice([out.minimum, out.maximum, 0], shape) + rng.integers(-reach, reach + 1, shape)
    block.c = np.where(block.chance(0.25, shape), random_codes(rng, out, shape), _wrapped(out, near))


def _wrapped(spec: IntSpec, values: Array) -> Array:
    return codes(spec, values & ((1 << spec.bits) - 1))
