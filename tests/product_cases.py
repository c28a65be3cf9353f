"""Operands of products with quantised weights that reach for ties, edges, cancellation and specials; and the judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import formats
from formats import FloatSpec, IntSpec
from formats.products import ScaledProduct, StreamK, Weight, scaled_product, scaled_products
from formats.products.record import value_format
from reference.codec import decode, encode
from reference.exact.scaled_product import scaled_dot
from reference.products.arguments import expected, size

Terms = dict[str, np.ndarray]

#: K of a case: no multiple of any unit; three units of the depth of `CUTS`
K = 300
#: tiles of two columns, each with another cut of K
CUTS = StreamK(rows=2, depth=128, blocks=5)
#: three parts of K everywhere
THIRDS = StreamK(rows=2, depth=128, blocks=9)


def singles() -> list[ScaledProduct]:
    """Every product, with the float32 before its last rounding as the output; those of integers as they are."""
    found = [scaled_product(name) for name in scaled_products()]
    return [product if product.requantiser else replace(product, out="float32") for product in found]


def finite_codes(name: str) -> np.ndarray:
    """All codes of finite numbers."""
    spec = value_format(name)
    if isinstance(spec, IntSpec):
        return np.arange(spec.minimum, spec.maximum + 1) & ((1 << spec.bits) - 1)
    codes = np.arange(1 << spec.bits)
    return codes[np.isfinite(decode(codes, spec))]


def normal(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Codes of a bell around zero."""
    spec = value_format(name)
    if isinstance(spec, IntSpec):
        return rng.choice(finite_codes(name), shape)
    values = rng.standard_normal(shape).astype(np.float32)
    return encode(values, spec, rounding="nearest_ties_to_even", saturation="sat_finite").astype(np.int64)


def _extreme(name: str, shape: tuple[int, ...], rng: np.random.Generator, *, tiny: bool) -> np.ndarray:
    """The smallest or the largest magnitudes, of both signs; zeros of both signs among the small."""
    codes = finite_codes(name)
    order = np.argsort(np.abs(decode(codes, value_format(name))), kind="stable")
    few = max(2, len(codes) // 8)
    return rng.choice(codes[order[:few] if tiny else order[-few:]], shape)


def _cancelling(codes: np.ndarray, name: str) -> np.ndarray:
    """The second half of each 8 is the first with the sign turned: under equal weights all sums are rests."""
    spec, found = value_format(name), codes.copy()
    for start in range(0, codes.shape[-1] - 7, 8):
        half = codes[..., start : start + 4]
        negative = half ^ spec.sign_code if isinstance(spec, FloatSpec) else -half & ((1 << spec.bits) - 1)
        found[..., start + 4 : start + 8] = negative
    return found


def _falling(name: str, k: int, rng: np.random.Generator, *, steeply: bool) -> np.ndarray:
    """A bell that falls along K: terms of a sum, and parts of K, are unlike; steeply: after the first 128 elements."""
    spec = value_format(name)
    if isinstance(spec, IntSpec):
        return normal(name, (k,), rng)
    exponent = np.where(np.arange(k) < 128, 7, -8) if steeply else np.linspace(7, -7, k).round()
    values = rng.standard_normal(k) * 2.0 ** (rng.integers(-1, 2, k) + exponent)
    return encode(values, spec, rounding="nearest_ties_to_even", saturation="sat_finite").astype(np.int64)


def activations(product: ScaledProduct, m: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in turn: falling, a bell, cancelling, falling steeply, any, largest, smallest, NaN or an infinity."""
    name, spec = product.a, formats.get(product.a)
    rows = [normal(name, (k,), rng) for _ in range(m)]
    for i in range(m):
        match i % 8:
            case 0 | 3:
                rows[i] = _falling(name, k, rng, steeply=i % 8 == 3)
            case 2:
                rows[i] = _cancelling(rows[i], name)
            case 4:
                rows[i] = rng.choice(finite_codes(name), k)
            case 5:
                rows[i] = _extreme(name, (k,), rng, tiny=False)
            case 6:
                rows[i] = _extreme(name, (k,), rng, tiny=True)
            case 7 if isinstance(spec, FloatSpec):
                rows[i][rng.integers(0, k)] = spec.infinity_code if spec.has_infinity else spec.nan_code
            case _:
                pass
    return np.array(rows)


def weights(product: ScaledProduct, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in turn: any code, pairs of equal ones for what cancels, a bell, a bell, the largest, the smallest."""
    name = product.w
    rows = [normal(name, (k,), rng) for _ in range(n)]
    for j in range(n):
        match j % 6:
            case 0:
                rows[j] = rng.choice(finite_codes(name), k)
            case 1:
                for start in range(0, k - 7, 8):
                    rows[j][start + 4 : start + 8] = rows[j][start : start + 4]
            case 4:
                rows[j] = _extreme(name, (k,), rng, tiny=False)
            case 5:
                rows[j] = _extreme(name, (k,), rng, tiny=True)
            case _:
                pass
    return np.array(rows)


_EDGES = np.array([1e-45, 1e-39, 3e38, 0.0, -0.0, -1.0], np.float32)


def _scales(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """float32 numbers around one; every sixth one is an edge: subnormal, huge, zero, negative."""
    usual = np.exp(rng.standard_normal(shape)).astype(np.float32)
    index = np.arange(usual.size).reshape(shape)
    return np.where(index % 6 == 5, rng.choice(_EDGES, shape), usual).astype(np.float32)


def _group_scales(product: ScaledProduct, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    name = product.group_scale
    if name == "float32":
        return _scales(shape, rng).view(np.uint32)
    codes = finite_codes(name)
    if product.weight is Weight.REQUANTISED:
        largest = 127.4 / np.abs(decode(finite_codes(product.w), product.w)).max()
        codes = codes[np.abs(decode(codes, name)) <= largest]
        large = codes[np.abs(decode(codes, name)) > 1]
        return np.where(rng.integers(0, 4, shape) == 0, rng.choice(codes, shape), rng.choice(large, shape))
    usual = codes[(decode(codes, name) > 2.0**-12) & (decode(codes, name) < 2.0**12)]
    return np.where(rng.integers(0, 12, shape) == 0, rng.choice(codes, shape), rng.choice(usual, shape))


def case(
    product: ScaledProduct, m: int, n: int, k: int, rng: np.random.Generator, split: StreamK | None = None
) -> tuple[np.ndarray, np.ndarray, Terms]:
    """``a``, ``w`` and every other argument of a product."""
    a, w = activations(product, m, k, rng), weights(product, n, k, rng)
    terms: Terms = {}
    for name, shape in expected(product, size(product, a.shape, w.shape, split)).items():
        match name:
            case "group_scale":
                terms[name] = _group_scales(product, shape, rng)
            case "zero_point":
                terms[name] = rng.choice(finite_codes(product.zero_point), shape)
            case "multiplier":
                terms[name] = rng.integers(1 << 30, 1 << 31, shape)
            case "shift":
                terms[name] = rng.integers(36, 46, shape)
            case _:
                terms[name] = _scales(shape, rng)
    return a, w, terms


def judged(
    product: ScaledProduct,
    a: np.ndarray,
    w: np.ndarray,
    terms: dict[str, np.ndarray],
    i: int,
    j: int,
    split: StreamK | None,
) -> int:
    """What the judge says of output (i, j)."""
    plural = {"group_scale": "group_scales", "zero_point": "zero_points", "a_scale": "a_scales"}
    at = {"group_scale": j // product.weight_rows, "a_scale": i, "token_scale": i, "tensor_scale": ()}
    stated = {plural.get(name, name): term[at.get(name, j)].tolist() for name, term in terms.items()}
    cuts = None if split is None else split.cuts(len(w), w.shape[1])[j // split.rows]
    return scaled_dot(a[i].tolist(), w[j].tolist(), product=product, cuts=cuts, **stated)


def all_judged(product: ScaledProduct, a: np.ndarray, w: np.ndarray, terms: Terms, split: StreamK | None) -> np.ndarray:
    """What the judge says of every output."""
    return np.array([[judged(product, a, w, terms, i, j, split) for j in range(len(w))] for i in range(len(a))])
