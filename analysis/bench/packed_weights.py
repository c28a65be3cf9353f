"""Weights as kernels want them packed, and packed weights of many rows made from those of one tile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kernels_ref.contracts import KernelContract, Shape, operands, resolve
from kernels_ref.contracts.products import DENSE, STREAMED

_JAX: Any = jax
_NUMPY: Any = jax.numpy

Pack = Callable[[dict[str, Any]], dict[str, Any]]

#: rows that are packed together for dense kernels
TILE = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Packing:
    """How weights are packed for a kernel: by what, of which operands, and what then is called."""

    pack: str  #: dotted name
    taken: tuple[str, ...]  #: operands that go into it
    argument: str  #: what the kernel calls the packed weights
    run: str  #: dotted name
    keeps_product: bool  #: whether the kernel is told the product again


_PACKINGS = {
    STREAMED: Packing(
        "kernels_ref.hopper.pack_weights",
        ("w", "group_scale", "zero_point", "weight_scale", "tensor_scale", "multiplier", "shift"),
        "packed",
        "kernels_ref.hopper.streamed",
        False,
    ),
    DENSE: Packing("kernels_ref.hopper.dense_weights.pack_dense", ("w", "group_scale"), "w", DENSE, True),
}


def packing(claim: KernelContract, way: str) -> Packing | None:
    """How a kernel's weights are packed; None where it takes codes as they lie."""
    if way == DENSE and not _is_expanded(claim):
        return None
    return _PACKINGS.get(way)


def packer(claim: KernelContract, way: str) -> Pack | None:
    """From operands to those that the kernel takes, the weights packed among them; None as `packing`."""
    found = packing(claim, way)
    if found is None:
        return None
    function, product = resolve(found.pack), claim.keywords["product"]

    def pack(drawn: dict[str, Any]) -> dict[str, Any]:
        weights = {key: drawn[key] for key in found.taken if key in drawn}
        rest = {key: value for key, value in drawn.items() if key not in weights}
        cut = {"split": claim.split_k} if way == STREAMED else {}
        return {**rest, found.argument: function(weights.pop("w"), product=product, **cut, **weights)}

    return pack


def _is_expanded(claim: KernelContract) -> bool:
    from formats.products import scaled_product
    from kernels_ref.hopper.dense_plan import is_expanded

    return is_expanded(scaled_product(claim.keywords["product"]))


def of_many_rows(claim: KernelContract, shape: Shape, way: str, seed: int) -> tuple[dict[str, Any], Any]:
    """Operands of a shape, on the device, with weights that repeat one tile of rows; and that tile's operands.

    What a kernel moves and computes does not depend on the codes, and packing all rows would take a CPU minutes.
    """
    rows = claim.split_k.rows if way == STREAMED and claim.split_k else TILE
    if way != STREAMED and shape.n % rows:
        raise ValueError(f"N = {shape.n} must be a multiple of {rows}, the rows of a tile")
    pack, found = packer(claim, way), packing(claim, way)
    assert pack is not None
    assert found is not None
    one, two = (_drawn(claim, shape, count * rows, seed) for count in (1, 2))
    small, double = pack(one), pack(two)
    named = {each.name: each for each in claim.operands}
    long = {name: np.resize(small[name], shape.of(named[name].shape)) for name in small if name != found.argument}
    weights = _stretched(small[found.argument], double[found.argument], -(-shape.n // rows))
    if shape.n % rows:
        weights = _of_rows(weights, shape.n)
    return {**_JAX.tree.map(_NUMPY.asarray, long), found.argument: weights}, one


def _drawn(claim: KernelContract, shape: Shape, rows: int, seed: int) -> dict[str, Any]:
    return operands(claim, Shape(m=shape.m, n=rows, k=shape.k), family="random", seed=seed)


def _stretched(x: Any, y: Any, times: int) -> Any:
    """Packed weights of ``times`` tiles, from those of one and of two: what has doubled is repeated."""
    if hasattr(x, "shape"):
        repeats = [times if long == 2 * short else 1 for short, long in zip(x.shape, y.shape, strict=True)]
        return _NUMPY.tile(_NUMPY.asarray(x), repeats)
    parts, others = _parts(x), _parts(y)
    if parts:
        return _rebuilt(x, {key: _stretched(value, others[key], times) for key, value in parts.items()})
    return x * times if type(x) is int and y == 2 * x else x


def _of_rows(weights: Any, n: int) -> Any:
    """Packed weights whose last tile is not whole."""
    factors = {name: factor[:n] for name, factor in weights.factors.items()}
    dyadic = weights.dyadic and tuple(each[:n] for each in weights.dyadic)
    work = dataclasses.replace(weights.work, n=n)
    return dataclasses.replace(weights, factors=factors, dyadic=dyadic, work=work)


def _parts(x: Any) -> dict[Any, Any]:
    """What a dictionary, a tuple or a record holds; nothing for other values."""
    if isinstance(x, tuple):
        return dict(enumerate(x))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if dataclasses.is_dataclass(x):
        return {field.name: getattr(x, field.name) for field in dataclasses.fields(x)}
    return x if isinstance(x, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _rebuilt(x: Any, parts: dict[Any, Any]) -> Any:
    if isinstance(x, tuple):
        return tuple(parts.values())
    return parts if isinstance(x, dict) else dataclasses.replace(x, **parts)
