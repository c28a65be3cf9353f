"""Operands of a contract: drawn from a seed, or made from real weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from kernels_ref.contracts import codes
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

Array = NDArray[Any]


def operands(contract: KernelContract, shape: Shape | None = None, *, family: str, seed: int) -> dict[str, Array]:
    """What golden function and kernels are given, by argument name; equal arguments give equal operands.

    ``shape``: by default the contract's example. ``family``: a key of `kernels_ref.contracts.FAMILIES`.

    Raises ``ValueError`` for an unknown family and for sizes that groups do not divide.

    >>> from kernels_ref.contracts import contract
    >>> drawn = operands(contract("w4a16_g128"), family="random", seed=0)
    >>> {name: (array.dtype.name, array.shape) for name, array in drawn.items()}
    {'a': ('uint16', (8, 512)), 'w': ('uint8', (256, 512)), 'group_scale': ('uint16', (256, 4))}
    """
    if family not in codes.FAMILIES:
        raise ValueError(f"family is {family!r}; known: {', '.join(codes.FAMILIES)}")
    sizes = shape or contract.example
    rng = np.random.default_rng([seed, list(codes.FAMILIES).index(family)])
    drawn = {each.name: _draw(rng, contract, each, each_shape(each, sizes), family) for each in contract.operands}
    if contract.operation is Operation.SCALED_PRODUCT and family == "cancelling":
        drawn["a"], drawn["w"] = codes.cancel(rng, drawn["a"], drawn["w"], contract.operands[0].format)
    return drawn


def each_shape(operand: Operand, sizes: Shape) -> tuple[int, ...]:
    """The shape of one operand."""
    return sizes.of(operand.shape)


def _draw(rng: codes.Random, contract: KernelContract, operand: Operand, shape: tuple[int, ...], family: str) -> Array:
    if contract.operation is Operation.SCALED_PRODUCT:
        if operand.name in ("a", "w", "zero_point"):
            paired = family != "cancelling" or operand.name != "zero_point"
            return codes.codes(rng, operand.format, shape, family if paired else "random")
        if operand.format == "int32":
            return codes.dyadic(rng, shape, operand.name)
        return codes.scales(rng, operand.format, shape, family)
    if operand.format in formats.names() and operand.name == "codes":
        return codes.codes(rng, operand.format, shape, "random")
    return _numbers(rng, operand.format, shape, family)


def _numbers(rng: codes.Random, dtype: str, shape: tuple[int, ...], family: str) -> Array:
    """Inputs of element and block kernels: any finite pattern where scales are asked for, else normal deviates."""
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)
    if family == "scales":
        patterns = np.frombuffer(rng.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)
        return np.where(np.isfinite(patterns), patterns, kind.type(0))
    values = rng.standard_normal(shape, np.float32)
    if family == "zeros":
        values = np.where(rng.random(shape, np.float32) < 0.8, np.copysign(np.float32(0), values), values)
    if family == "extremes":
        values = values * np.float32(2.0) ** rng.integers(-20, 20, (*shape[:-1], 1)).astype(np.float32)
    return values.astype(kind)
