"""Kernels of contracts, compiled for a shape, and calls of them on operands that lie apart in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax

from analysis.bench.packed_weights import Pack, of_many_rows, packer, packing
from kernels_ref.contracts import KernelContract, Shape, operands, resolve
from kernels_ref.contracts.products import STREAMED
from kernels_ref.hopper import default_split

_JAX: Any = jax
_NUMPY: Any = jax.numpy

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A compiled kernel that takes a contract's operands, those of the weights packed beforehand."""

    packer: Pack | None
    run: Callable[..., Any]

    def pack(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Operands with the weights as the kernel wants them."""
        return drawn if self.packer is None else self.packer(drawn)

    def __call__(self, packed: dict[str, Any]) -> Any:
        """The result for packed operands."""
        return self.run(**packed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A compiled kernel and operands for it; ``streamed`` ones get copies of their own for each call."""

    run: Callable[..., Any]
    fixed: dict[str, Any]
    streamed: dict[str, Any]
    tile: dict[str, Any] | None = None  #: the operands whose rows of weights repeat, if they do

    def calls(self, count: int) -> list[Call]:
        """``count`` calls, each on its own copy."""
        fixed = _JAX.tree.map(_NUMPY.asarray, self.fixed)
        copied = [_JAX.tree.map(partial(_NUMPY.array, copy=True), self.streamed) for _ in range(count)]
        return [partial(self.run, **fixed, **own) for own in copied]


def several(claim: KernelContract, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False) -> Kernel:
    """The kernel whose dotted name is ``way``, compiled for one shape, for operands of any values."""
    pack = packer(claim, way)
    example = operands(claim, shape, family="exact", seed=0)
    run = compiled(bound(claim, way, variant, interpret), example if pack is None else pack(example))
    return Kernel(packer=pack, run=run)


def prepared(
    claim: KernelContract, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False, seed: int = 0
) -> Prepared:
    """The kernel whose dotted name is ``way``, compiled for one shape; ``ValueError`` if the contract lacks it."""
    if way not in claim.kernels:
        raise ValueError(f"{claim.name} has no kernel {way!r}; it has {', '.join(claim.kernels)}")
    tile = None
    if packing(claim, way) is None:
        drawn = drawn_once(claim, shape, seed)
    else:
        drawn, tile = of_many_rows(claim, shape, way, seed)
    run = compiled(bound(claim, way, variant, interpret), drawn)
    moving = {"w", "packed"} & set(drawn) or set(drawn)
    fixed = {name: value for name, value in drawn.items() if name not in moving}
    return Prepared(run=run, fixed=fixed, streamed={name: drawn[name] for name in moving}, tile=tile)


def cut(claim: KernelContract, shape: Shape, way: str) -> KernelContract:
    """The contract, with K cut as is fastest for a shape where ``way`` streams weights.

    >>> from kernels_ref.contracts import contract
    >>> claim = contract("ternary_int8")
    >>> cut(claim, Shape(m=1, n=28672, k=8192), STREAMED).split_k
    StreamK(rows=256, depth=512, blocks=112)
    """
    if way != STREAMED:
        return claim
    return replace(claim, split_k=default_split(claim.name, shape=(shape.n, shape.k), tokens=shape.m))


@lru_cache(maxsize=2)
def drawn_once(claim: KernelContract, shape: Shape, seed: int) -> dict[str, Any]:
    """Random operands, drawn once for kernels of the same contract: large ones take seconds."""
    return operands(claim, shape, family="random", seed=seed)


def bound(claim: KernelContract, way: str, variant: Any = None, interpret: bool = False) -> Callable[..., Any]:
    """The kernel with the contract's arguments, and with ``variant`` and ``interpret`` where it takes them."""
    found = packing(claim, way)
    function = resolve(way if found is None else found.run)
    keywords = claim.keywords if found is None or found.keeps_product else {}
    taken = inspect.signature(function).parameters
    options = {"variant": variant, "interpret": interpret}
    given = {name: value for name, value in options.items() if name in taken and value}
    return partial(function, **keywords, **given)


def described(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array that is not there yet."""
    return _JAX.ShapeDtypeStruct(shape, dtype)


def compiled(function: Callable[..., Any], drawn: Any) -> Callable[..., Any]:
    """The function, compiled for keyword arguments of these shapes and dtypes: arrays, or trees of them."""
    there = _JAX.tree.map(_there, drawn)
    return _JAX.jit(function).lower(**there).compile()


def _there(x: Any) -> Any:
    return described(x.shape, x.dtype)
