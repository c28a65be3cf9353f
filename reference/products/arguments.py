"""What a scaled product takes besides its operands: which arguments, of what shapes, and how K is filled up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formats.products import Factor, ScaledProduct, StreamK, Weight


@dataclass(frozen=True, slots=True)
class Size:
    """Rows, columns and K of a product, K also filled up, and the parts of K for each tile of columns."""

    m: int
    n: int
    k: int
    filled_k: int
    split: StreamK | None

    def starts(self, step: int) -> NDArray[np.bool_]:
        """Whether a part of K, not the first, begins with element ``i step``: (K / step, N)."""
        begins = np.zeros((self.filled_k // step, self.n), np.bool_)
        if self.split is not None:
            for tile, cuts in enumerate(self.split.cuts(self.n, self.k)):
                columns = slice(tile * self.split.rows, (tile + 1) * self.split.rows)
                begins[[cut // step for cut in cuts[1:-1]], columns] = True
        return begins


def size(product: ScaledProduct, a: tuple[int, ...], w: tuple[int, ...], split: StreamK | None) -> Size:
    """The checked sizes of ``a`` (M, K) and ``w`` (N, K); ``ValueError`` names what does not fit."""
    for name, shape in (("a", a), ("w", w)):
        if len(shape) != 2:
            raise ValueError(f"{name} needs two axes, (M, K) and (N, K); its shape is {shape}")
    if a[1] != w[1] or a[1] == 0:
        raise ValueError(f"a has K={a[1]} columns and w {w[1]}; both need the same number, at least 1")
    if split is not None and split.depth % product.unit:
        raise ValueError(f"split.depth={split.depth} must be a multiple of {product.unit}, the unit of {product.name}")
    unit = product.unit if split is None else split.depth
    return Size(a[0], w[0], a[1], math.ceil(a[1] / unit) * unit, split)


def expected(product: ScaledProduct, of: Size) -> dict[str, tuple[int, ...]]:
    """The arguments that a product takes, and their shapes.

    >>> from formats.products import scaled_product
    >>> expected(scaled_product("mxfp4_e4m3"), Size(2, 3, 64, 64, None))
    {'group_scale': (3, 2), 'token_scale': (2,)}
    """
    groups = math.ceil(of.k / product.group) if product.group else 1
    shapes: dict[str, tuple[int, ...]] = {}
    if product.group_scale is not None:
        shapes["group_scale"] = (math.ceil(of.n / product.weight_rows), groups)
    if product.weight is Weight.MINUS_ZERO_POINT:
        shapes["zero_point"] = (of.n, groups)
    if product.a_grouped:
        shapes["a_scale"] = (of.m, groups)
    of_factor = {Factor.WEIGHT_SCALE: (of.n,), Factor.TOKEN_SCALE: (of.m,), Factor.TENSOR_SCALE: ()}
    shapes |= {factor.value: of_factor[factor] for factor in product.epilogue}
    if product.requantiser is not None:
        shapes |= {"multiplier": (of.n,), "shift": (of.n,)}
    return shapes


def check_given(product: ScaledProduct, of: Size, given: dict[str, tuple[int, ...]]) -> None:
    """``TypeError`` for an argument that is missing or means nothing, ``ValueError`` for its shape."""
    shapes = expected(product, of)
    for name in given:
        if name not in shapes:
            raise TypeError(f"{name} means nothing for {product.name}; it takes: {', '.join(shapes) or 'no others'}")
    for name, shape in shapes.items():
        if name not in given:
            raise TypeError(f"{product.name} needs {name}, of shape {shape}")
        flat = name == "zero_point" and product.group is None and given[name] == shape[:1]
        if given[name] != shape and not flat:
            raise ValueError(f"{name} has shape {given[name]}; {product.name} takes {shape}")


def groups_of(group: int | None, k: int) -> NDArray[np.intp]:
    """The group of each element of K."""
    return np.arange(k) // (group or k)
