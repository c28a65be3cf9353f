"""Scalar operations on all codes: every pair for pairs of formats, every triple of narrow fma, E4M3FN and E5M2 whole.

Two oracles. The judge is slow, so that it walks the cells of a rotation. Sums and products of narrow formats are also
exact in float64, or round to odd there, so that the codec of `reference.encode`, judged elsewhere, is an oracle at the
speed of arrays: it takes whole spaces. ``ASSAY_ROTATION=whole`` walks all cells of both: the judge's take days of one
core, the others (``-k float64``) half an hour.
"""

from __future__ import annotations

import itertools
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from rotation import INDEX, rotate

import formats
import reference
from formats import FLOAT32, FloatSpec, Rounding
from kernels_ref import arithmetic as kernels
from reference import arithmetic
from reference.exact import arithmetic as judge

pytestmark = pytest.mark.exhaustive

SPECS = [spec for name in formats.names() if (spec := formats.get(name)).bits <= 8]
FLOATS = [spec for spec in SPECS if isinstance(spec, FloatSpec)]
PAIRS = list(itertools.product(FLOATS, repeat=2))
BINARY = ("add", "sub", "mul", "div", "minimum", "maximum", "minimum_number", "maximum_number")
UNARY = ("sqrt", "negate", "convert")
NAMED = [formats.get(name) for name in ("float8_e4m3fn", "float8_e5m2")]


def policy_of(index, out):
    """A policy for a cell: neighbouring cells have others."""
    mode, saturation = list(Rounding)[index % 9], out.saturations[index // 9 % len(out.saturations)]
    policy = {"rounding": mode, "saturation": saturation, "nan": ("zero", "maximum", "minimum")[index % 3]}
    return policy | ({"random_bit_count": 1 + index % 24} if mode.is_stochastic else {})


def cells(names, operands):
    """(operation, formats, format of the result, policy) for every choice of operands; results go round all formats."""
    for index, (specs, name) in enumerate(itertools.product(operands, names)):
        out = SPECS[index * 7 % len(SPECS)]
        yield name, specs, out, policy_of(index, out)


def identify(cell):
    name, specs, out, policy = cell
    return f"{name}-{'-'.join(spec.name for spec in specs)}-{out.name}-{policy['rounding'].value}"


def all_codes(specs):
    grid = np.meshgrid(*(np.arange(1 << spec.bits, dtype=np.uint8) for spec in specs), indexing="ij")
    return [axis.reshape(-1) for axis in grid]


def draws(policy, size):
    """Random bits that go through all values, in every phase of the codes."""
    count = policy.get("random_bit_count")
    return None if count is None else (np.arange(size, dtype=np.uint64) * 2654435761 >> 7) % (1 << count)


def judged(name, codes, specs, out, policy, bits):
    operation = partial(getattr(judge, name), formats=specs, out=out, **policy)
    rows = zip(*(column.tolist() for column in codes), strict=True)
    if bits is None:
        return [operation(*row) for row in rows]
    return [operation(*row, random_bits=r) for row, r in zip(rows, bits.tolist(), strict=True)]


def check(cell, codes=None):
    """Judge, golden model and JAX give the same codes."""
    name, specs, out, policy = cell
    codes = all_codes(specs) if codes is None else codes
    bits = draws(policy, codes[0].size)
    found = getattr(arithmetic, name)(*codes, formats=specs, out=out, random_bits=bits, **policy)
    np.testing.assert_array_equal(found, judged(name, codes, specs, out, policy, bits))
    other = getattr(kernels, name)(*codes, formats=specs, out=out, random_bits=bits, **policy)
    np.testing.assert_array_equal(other, found)


@pytest.mark.parametrize("cell", rotate(list(cells(BINARY, PAIRS)), 24_000), ids=identify)
def test_every_pair_of_codes(cell):
    check(cell)


@pytest.mark.parametrize("cell", rotate(list(cells(UNARY, [(spec,) for spec in SPECS])), 24), ids=identify)
def test_every_code(cell):
    check(cell)


NARROW = [spec for spec in FLOATS if spec.bits <= 4]


@pytest.mark.parametrize("cell", rotate(list(cells(("fma",), itertools.product(NARROW, repeat=3))), 900), ids=identify)
def test_every_triple_of_narrow_codes(cell):
    check(cell)


@pytest.mark.parametrize("spec", NAMED, ids=lambda spec: spec.name)
@pytest.mark.parametrize("first", rotate(range(256), 256))
def test_fma_of_every_pair_beside_one_code(spec, first):
    codes = all_codes((spec, spec))
    check(("fma", (spec,) * 3, spec, policy_of(first, spec)), [np.full_like(codes[0], first), *codes])


def odd_sum(x, y):
    """``x + y`` in float64, rounded to odd: the error of a sum is exact (Knuth's TwoSum), and says which way."""
    with np.errstate(invalid="ignore"):
        total = x + y
        part = total - x
        error = (x - (total - part)) + (y - part)
    inexact = np.isfinite(total) & (error != 0) & (total.view(np.int64) & 1 == 0)
    return np.where(inexact, np.nextafter(total, np.where(error > 0, np.inf, -np.inf)), total)


def values(codes, spec):
    return reference.decode(codes, spec).astype(np.float64)


def negative_zeros(total, x, y):
    """Exact zero sums as toward negative has them; float64 adds to nearest, where they are positive."""
    return np.where((total == 0) & (np.signbit(x) != np.signbit(y)), -0.0, total)


def by_float64(name, codes, specs, out, policy):
    """Codes of sums, products and fma by way of float64, without a second rounding."""
    x, y, *rest = (values(code, spec) for code, spec in zip(codes, specs, strict=True))
    with np.errstate(invalid="ignore"):
        if name in ("mul", "fma"):
            x = x * y  # exact: at most 16 bits
        y = rest[0] if rest else -y if name == "sub" else y
    total = x if name == "mul" else odd_sum(x, y)
    if name != "mul" and policy["rounding"] is Rounding.TOWARD_NEGATIVE:
        total = negative_zeros(total, x, y)
    return reference.encode(total, out, random_bits=draws(policy, x.size), **policy)


def check_by_float64(cell, codes):
    name, specs, out, policy = cell
    due = by_float64(name, codes, specs, out, policy)
    found = getattr(arithmetic, name)(*codes, formats=specs, out=out, random_bits=draws(policy, due.size), **policy)
    np.testing.assert_array_equal(found, due)
    return found


FLOAT64 = [cell for cell in cells(("add", "sub", "mul"), PAIRS) if cell[3]["saturation"].value != "wrap"]


@pytest.mark.parametrize("part", rotate(range(300), 300))
def test_every_pair_of_codes_by_float64(part):
    cells_of_part = FLOAT64[part::300]
    assert len(cells_of_part) > 50
    for cell in cells_of_part:
        check_by_float64(cell, all_codes(cell[1]))


@pytest.mark.parametrize("first", range(0, 256, 32))
@pytest.mark.parametrize("spec", NAMED, ids=lambda spec: spec.name)
def test_every_triple_of_fma_by_float64(spec, first):
    """All 2^24 triples of codes, NumPy and JAX; each eighth of them in a policy that changes by the day."""
    b, c = all_codes((spec, spec))
    codes = [np.repeat(np.arange(first, first + 32, dtype=np.uint8), 1 << 16), np.tile(b, 32), np.tile(c, 32)]
    cell = ("fma", (spec,) * 3, spec, policy_of(INDEX + first // 32, spec))
    found = check_by_float64(cell, codes)
    bits = draws(cell[3], codes[0].size)
    options = {"formats": spec, "out": spec, **cell[3]}
    drawn = {} if bits is None else {"random_bits": jnp.asarray(bits.astype(np.uint32))}
    np.testing.assert_array_equal(kernels.fma(*map(jnp.asarray, codes), **drawn, **options), found)


# E5M2's count is 3,972 over 3,890,625 triples if the magnitudes a and b include infinity: neither adds to it.
@pytest.mark.parametrize(
    ("spec", "top", "saturation", "triples", "wrong"),
    [
        (NAMED[1], 125, "sat_finite", 3_890_625, 3972),
        (NAMED[1], 124, "sat_finite", 3_797_872, 3972),
        (NAMED[1], 124, "sat_none", 3_797_872, 4740),
        (NAMED[0], 128, "sat_finite", 4_177_920, 0),
    ],
)
def test_fma_by_way_of_float32_is_wrong_as_often_as_counted(spec, top, saturation, triples, wrong):
    """Magnitudes for a and b, either sign and one zero for c: the other signs are mirror images."""
    magnitudes = np.arange(top, dtype=np.uint8)
    addends = np.concatenate([magnitudes, magnitudes[1:] | np.uint8(0x80)])
    a, b, c = (axis.reshape(-1) for axis in np.meshgrid(magnitudes, magnitudes, addends, indexing="ij"))
    policy = {"rounding": "nearest_ties_to_even", "saturation": saturation}
    right = arithmetic.fma(a, b, c, formats=spec, out=spec, **policy)
    single = arithmetic.fma(a, b, c, formats=spec, out=FLOAT32, **policy)
    twice = arithmetic.convert(single, formats=FLOAT32, out=spec, **policy)
    assert (a.size, np.count_nonzero(twice != right)) == (triples, wrong)
