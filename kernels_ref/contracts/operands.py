"""Operands of a contract: drawn from a seed, or made from real weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
import reference
from formats import Layout
from formats.code_books.named import codebook
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
    drawn: dict[str, Array] = {}
    for each in contract.operands:
        is_second = each.name == "second"
        drawn[each.name] = _second(rng, drawn["x"]) if is_second else _draw(rng, contract, each, sizes, family)
    if contract.operation is Operation.SCALED_PRODUCT and family == "cancelling":
        drawn["a"], drawn["w"] = codes.cancel(rng, drawn["a"], drawn["w"], contract.operands[0].format)
    return drawn


def each_shape(operand: Operand, sizes: Shape) -> tuple[int, ...]:
    """The shape of one operand."""
    return sizes.of(operand.shape)


def _draw(rng: codes.Random, contract: KernelContract, operand: Operand, sizes: Shape, family: str) -> Array:
    shape = each_shape(operand, sizes)
    if contract.operation is Operation.SCALED_PRODUCT:
        if operand.name in ("a", "w", "zero_point"):
            paired = family != "cancelling" or operand.name != "zero_point"
            return codes.codes(rng, operand.format, shape, family if paired else "random")
        if operand.format == "int32":
            return codes.dyadic(rng, shape, operand.name)
        return codes.scales(rng, operand.format, shape, family)
    if operand.name == "codes":
        are_scales = contract.operation is Operation.SWIZZLE
        return codes.codes(rng, operand.format, shape, "random") if are_scales else _codes(rng, contract, shape)
    if operand.name == "words" and not _is_any_word(contract.keywords["layout"]):
        unpacked = each_shape(contract.out[0], sizes)
        layout: str = contract.keywords["layout"]
        return reference.pack(_codes(rng, contract, unpacked), layout)
    return _numbers(rng, operand.format, shape, family)


def _codes(rng: codes.Random, contract: KernelContract, shape: tuple[int, ...]) -> Array:
    """Codes in bytes, NaN's and infinity's among them: every one that the layout, book or format has, alike often."""
    given = contract.keywords
    if "layout" in given:
        layout = formats.layout(given["layout"])
        top = layout.max_digit if isinstance(layout, Layout) else (1 << layout.code_bits) - 1
        offset = layout.offset if isinstance(layout, Layout) else 0
        every = (np.arange(top + 1) - offset) & ((1 << layout.code_bits) - 1)
    elif "book" in given:
        every = np.arange(len(codebook(given["book"]).numerators))
    else:
        every = np.arange(1 << formats.get(given["fmt"]).bits)
    return codes.pick(rng, every.astype(np.uint8), shape)


def _is_any_word(name: str) -> bool:
    """Whether every byte holds codes of a layout: not so, where digits have gaps."""
    layout = formats.layout(name)
    return not isinstance(layout, Layout) or (layout.max_digit + 1) ** layout.per_byte == 256


def _second(rng: codes.Random, x: Array) -> Array:
    """A second number of NVFP4: half to 8 times that with which the scale of the largest magnitude is 448.

    Where it is less, large scales saturate, and where magnitudes lie beyond ``2^60 * 6 * 448`` most do: it is at most
    2^60, and at least 2^-60.
    """
    number = np.abs(x.astype(np.float64)).max(initial=0) / (6 * 448) * 2.0 ** rng.uniform(-1, 3)
    return np.asarray(np.clip(number, 2.0**-60, 2.0**60), np.float32)


def _numbers(rng: codes.Random, dtype: str, shape: tuple[int, ...], family: str) -> Array:
    """Inputs of element and block kernels: any finite pattern where scales are asked for, else normal deviates."""
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, shape, dtype=kind, endpoint=True)
    if family == "scales":
        patterns = np.frombuffer(rng.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)
        with np.errstate(invalid="ignore"):  # some versions of NumPy warn of the NaNs that are looked for
            return np.where(np.isfinite(patterns), patterns, kind.type(0))
    values = rng.standard_normal(shape, np.float32)
    if family == "zeros":
        values = np.where(rng.random(shape, np.float32) < 0.8, np.copysign(np.float32(0), values), values)
    if family == "extremes":
        values = values * np.float32(2.0) ** rng.integers(-20, 20, (*shape[:-1], 1)).astype(np.float32)
    return values.astype(kind)
