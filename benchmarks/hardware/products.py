"""Matrix products of libraries, and the sums that might explain them: what fits all outputs, or nothing does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
import reference
from formats import Rounding, Saturation
from formats.schedule import Schedule
from hardware.models import Model, on_numpy
from kernels_ref.dot_operands import INTEGER_FAMILIES, dot_operands

RNE = {"rounding": Rounding.NEAREST_TIES_TO_EVEN, "saturation": Saturation.SAT_NONE}
#: without infinities and NaN, and without overflow
FINITE_FAMILIES = (
    "normal",
    "narrow exponents",
    "cancelling pairs",
    "subnormals",
    "signed zeros",
    "underflow",
    "full significands",
    "ties",
    "subnormal ties",
)
#: how libraries are known to cut K
TILES, SLICES = (128, 64, 32, 16, 8), (*range(2, 11), 12, 14, 16, 18, 20, 24, 32)
#: how they are known to bring binary32 to TF32: PTX cvt.rna rounds ties away, wgmma drops what it does not read
TO_TF32 = (Rounding.NEAREST_TIES_TO_AWAY, Rounding.NEAREST_TIES_TO_EVEN, Rounding.TOWARD_ZERO)
SAMPLE_ROWS, SAMPLE_COLUMNS = 2, 16


@dataclass(frozen=True)
class Candidate:
    """A sum that may be what a library computes."""

    text: str
    accumulator: str
    #: further arguments of `reference.matmul`
    terms: dict[str, Any] = field(default_factory=dict)
    #: operands are converted to this format first
    operands: str | None = None
    #: how, where that rounds
    rounding: Rounding = Rounding.NEAREST_TIES_TO_EVEN


@dataclass(frozen=True)
class Product:
    """A library's product: how to call it with codes (M, K) and (K, N), and what might explain it."""

    label: str
    a: str
    b: str
    m: int
    n: int
    k: int
    call: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    candidates: Sequence[Candidate]


def operands(product: Product, seed: int) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """Codes of a matrix product for each family that neither overflows nor has specials."""
    families = tuple(INTEGER_FAMILIES) if "int" in product.a else FINITE_FAMILIES
    general = "int32.wrap" if "int" in product.a else "exact.f32"
    drawn = dot_operands(
        general,
        rows=product.m,
        columns=product.n,
        k=product.k,
        batch=len(families),
        seed=seed,
        a_format=_carried(product.a),
        b_format=_carried(product.b),
        only=families,
    )
    return _widened(drawn.a, product.a), _widened(drawn.b, product.b), families


def _carried(fmt: str) -> str:
    """float32 operands are drawn as TF32 with noise below."""
    return "tf32" if fmt == "float32" else fmt


def _widened(codes: NDArray[Any], fmt: str) -> NDArray[Any]:
    if fmt != "float32":
        return codes
    noise = np.random.default_rng(1).integers(0, 1 << 13, codes.shape, dtype=np.uint32)
    return codes << np.uint32(13) | noise


@dataclass(frozen=True)
class Measured:
    """A library's results for operands of each family, all as codes."""

    product: Product
    a: NDArray[Any]
    b: NDArray[Any]
    d: NDArray[Any]
    families: tuple[str, ...]


def measure(product: Product, seed: int = 0) -> Measured:
    """The library's own results."""
    a, b, families = operands(product, seed)
    d = np.stack([product.call(left, right) for left, right in zip(a, b, strict=True)])
    return Measured(product, a, b, d, families)


def explain(measured: Measured, model: Model) -> dict[str, Any]:
    """Which candidate gives every output of each family; a corner of the results is tried first, by the NumPy model."""
    product, families, actual = measured.product, measured.families, measured.d
    fits: dict[str, str | None] = dict.fromkeys(families)
    missed: dict[str, list[int]] = {}
    for candidate in product.candidates:
        if None not in fits.values():
            break
        missed[candidate.text] = _missed(candidate, measured)
        likely = [i for i, family in enumerate(families) if fits[family] is None and missed[candidate.text][i] == 0]
        if likely:
            whole = _results(candidate, product, measured.a, measured.b, model)
            fits |= {families[i]: candidate.text for i in likely if np.array_equal(whole[i], actual[i])}
    open_ = [i for i, family in enumerate(families) if fits[family] is None]
    explained = sum(actual[i].size for i, family in enumerate(families) if fits[family] is not None)
    return {
        "shape": [product.m, product.n, product.k],
        "outputs": actual.size,
        "explained": explained,
        "fits": fits,
        "nearest": _nearest(missed, open_, families),
        "corner": {families[i]: actual[i, :SAMPLE_ROWS, :SAMPLE_COLUMNS].tolist() for i in open_},
    }


def _missed(candidate: Candidate, measured: Measured) -> list[int]:
    """How many outputs of each family's corner the candidate misses."""
    a, b = measured.a[:, :SAMPLE_ROWS], measured.b[:, :, :SAMPLE_COLUMNS]
    corner = _results(candidate, measured.product, a, b, on_numpy)
    return (corner != measured.d[:, :SAMPLE_ROWS, :SAMPLE_COLUMNS]).sum((1, 2)).tolist()


def _nearest(missed: dict[str, list[int]], open_: list[int], families: Sequence[str]) -> dict[str, dict[str, int]]:
    """For each unexplained family the candidate that misses the fewest of the corner's outputs."""
    nearest = {i: min(missed, key=lambda text, i=i: missed[text][i]) for i in open_}
    return {families[i]: {text: missed[text][i]} for i, text in nearest.items()}


def _results(candidate: Candidate, product: Product, a: Any, b: Any, model: Model) -> NDArray[Any]:
    left, right = (_converted(x, fmt, candidate) for x, fmt in ((a, product.a), (b, product.b)))
    accumulator = formats.accumulator(candidate.accumulator)
    given = {} if accumulator.a is not None else {"a_format": product.a, "b_format": product.b}
    return model(left, right, None, accumulator=candidate.accumulator, **given, **candidate.terms)


def _converted(codes: NDArray[Any], fmt: str, candidate: Candidate) -> NDArray[Any]:
    if candidate.operands is None:
        return codes
    values = codes.view(np.float32) if fmt == "float32" else reference.decode(codes, fmt)
    return reference.encode(values, candidate.operands, rounding=candidate.rounding, saturation=Saturation.SAT_NONE)


def split(text: str, accumulator: str, k: int, *, order: str = "natural", **rest: Any) -> Iterator[Candidate]:
    """A chain of the whole K, then K cut into slices whose sums are added; each way of cutting once."""
    terms = rest.pop("terms", {})
    yield Candidate(text, accumulator, terms={**terms, "schedule": Schedule(order=order)}, **rest)
    step, seen = formats.accumulator(accumulator).k, set[Any]()
    for tile, slices, combine in itertools.product(TILES, SLICES, ("in_order", "by_halves", "four_lanes")):
        if slices * tile > k or tile % step or (combine != "in_order" and slices not in (4, 8, 16, 32)):
            continue
        schedule = Schedule(order=order, slices=slices, tile=tile, combine=combine)
        if (schedule.bounds(k), combine) not in seen:
            seen.add((schedule.bounds(k), combine))
            split_text = f"{text}, {slices} slices of whole {tile}s added {combine}"
            yield Candidate(split_text, accumulator, terms={**terms, "schedule": schedule}, **rest)
