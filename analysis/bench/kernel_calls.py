"""Kernels of contracts, compiled for a shape, and calls of them on operands that lie apart in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from kernels_ref.contracts import KernelContract, Operand, Shape, operands, resolve
from kernels_ref.contracts.products import STREAMED

_JAX: Any = jax
_NUMPY: Any = jax.numpy

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A compiled kernel and what it is called with; ``streamed`` operands get copies of their own for each call."""

    run: Callable[..., Any]
    fixed: dict[str, Any]
    streamed: dict[str, Any]
    tiles: int = 1  #: how often the streamed operands are repeated along their first axis

    def calls(self, count: int) -> list[Call]:
        """``count`` calls, each on its own copy."""
        fixed = _JAX.tree.map(_NUMPY.asarray, self.fixed)
        once = _JAX.tree.map(_NUMPY.asarray, self.streamed)
        return [self._call(fixed, _JAX.tree.map(self._repeated, once)) for _ in range(count)]

    def _repeated(self, x: Any) -> Any:
        return _NUMPY.tile(x, (self.tiles, *[1] * (x.ndim - 1))) if self.tiles > 1 else _NUMPY.array(x, copy=True)

    def _call(self, fixed: dict[str, Any], own: dict[str, Any]) -> Call:
        return lambda: self.run(**fixed, **own)


def prepared(
    claim: KernelContract, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False, seed: int = 0
) -> Prepared:
    """The kernel whose dotted name is ``way``, compiled for one shape; ``ValueError`` if the contract lacks it."""
    if way not in claim.kernels:
        raise ValueError(f"{claim.name} has no kernel {way!r}; it has {', '.join(claim.kernels)}")
    if way == STREAMED:
        return _streamed(claim, shape, variant, interpret, seed)
    drawn = operands(claim, shape, family="random", seed=seed)
    run = compiled(bound(claim, way, variant, interpret), drawn)
    moving = {"w"} if "w" in drawn else set(drawn)
    return Prepared(
        run=run,
        fixed={name: value for name, value in drawn.items() if name not in moving},
        streamed={name: value for name, value in drawn.items() if name in moving},
    )


def bound(claim: KernelContract, way: str, variant: Any = None, interpret: bool = False) -> Callable[..., Any]:
    """The kernel with the contract's arguments, and with ``variant`` and ``interpret`` where it takes them."""
    function = resolve(way)
    taken = inspect.signature(function).parameters
    options = {"variant": variant, "interpret": interpret}
    given = {name: value for name, value in options.items() if name in taken and value}
    return partial(function, **claim.keywords, **given)


def _there(x: Any) -> Any:
    return described(x.shape, x.dtype)


def described(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array that is not there yet."""
    return _JAX.ShapeDtypeStruct(shape, dtype)


def compiled(function: Callable[..., Any], drawn: Any) -> Callable[..., Any]:
    """The function, compiled for keyword arguments of these shapes and dtypes: arrays, or trees of them."""
    there = _JAX.tree.map(_there, drawn)
    return _JAX.jit(function).lower(**there).compile()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A compiled kernel that takes a contract's operands, those of the weights packed beforehand."""

    pack: Callable[[dict[str, Any]], dict[str, Any]]  #: from all operands to what is packed; nothing for most kernels
    run: Callable[..., Any]
    loose: tuple[str, ...]  #: operands that `run` takes as they are

    def __call__(self, packed: dict[str, Any], drawn: dict[str, Any]) -> Any:
        """The result for packed weights, and what else is needed of the operands."""
        return self.run(**packed, **{name: drawn[name] for name in self.loose if name in drawn})


def several(claim: KernelContract, shape: Shape, *, way: str, variant: Any = None, interpret: bool = False) -> Kernel:
    """The kernel whose dotted name is ``way``, compiled for one shape, for operands of any values."""
    example = operands(claim, shape, family="exact", seed=0)
    run = compiled(bound(claim, way, variant, interpret), example)
    return Kernel(pack=_nothing, run=run, loose=tuple(example))


def _nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {}


def _streamed(claim: KernelContract, shape: Shape, variant: Any, interpret: bool, seed: int) -> Prepared:
    """The streaming kernel: one tile of weights, packed, is repeated to all N: times do not depend on the codes."""
    raise NotImplementedError


def repeated(drawn: dict[str, Any], claim: KernelContract, shape: Shape) -> dict[str, Any]:
    """Operands of one tile with those of N rows as long as ``shape`` says."""
    return {each.name: _as_long(drawn[each.name], each, shape) for each in claim.operands}


def _as_long(value: Any, operand: Operand, shape: Shape) -> Any:
    due = shape.of(operand.shape)
    return np.resize(value, due) if value.shape != due else value
