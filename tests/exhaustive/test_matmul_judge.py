"""The array model of dot products against the judge, recorded results and exhausted operands."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import vectors
from rotation import rotate

import formats
import reference
from formats import ExactSum, FusedSteps, HalvedSteps, IntSpec, PairwiseSum, PromotedSum, Rounding, SequentialSum
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from reference.exact.dot import dot
from reference.matmul import matmul

pytestmark = pytest.mark.exhaustive

FAMILIES = ("random", "near_one", "cancelling", "subnormal", "special", "ties", "zeros")
OPERANDS = (
    "float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "tf32", "float6_e3m2fn", "float8_e4m3fnuz",
    "float8_e8m0fnu", "Binary8p4se", "int8", "uint8", "mxint8", "binary",
)  # fmt: skip
OUTPUTS = (
    formats.FLOAT32,
    *(formats.get(name) for name in ("float16", "bfloat16", "float8_e4m3fn", "Binary8p4se", "float8_e5m2fnuz")),
)
UNITS = FusedSteps | PromotedSum | ExactSteps | PairwiseSteps | JoinedSteps
CASES = 4


def draw(spec, family, rng, shape):
    """Codes of a family."""
    if isinstance(spec, IntSpec):
        ends = np.array([spec.minimum, -1, 0, 1, spec.maximum]) % (1 << spec.bits)
        return rng.choice(ends, shape) if family in ("special", "zeros") else rng.integers(0, 1 << spec.bits, shape)
    t, room = spec.fraction_bits, (1 << spec.magnitude_bits) - 1
    match family:
        case "near_one" | "cancelling":
            magnitude = ((spec.bias + rng.integers(-3, 4, shape)) << t) | rng.integers(0, 1 << t, shape)
        case "subnormal":
            magnitude = rng.integers(0, 2 << t, shape)
        case "special":
            magnitude = rng.choice([0, 1, 1 << t, spec.max_code, spec.max_code + 1, room], shape)
        case "ties":
            exponent = np.where(rng.random(shape) < 0.5, rng.integers(-30, 31, shape), rng.integers(-2, 3, shape))
            magnitude = ((spec.bias + exponent) << t) | rng.choice([0, 1, (1 << t) >> 1, (1 << t) - 1], shape)
        case "zeros":
            magnitude = np.where(rng.random(shape) < 0.7, 0, rng.choice([1, spec.max_code], shape))
        case _:
            magnitude = rng.integers(0, room + 1, shape)
    return np.clip(magnitude, 0, room) | (rng.integers(0, 2, shape) * spec.sign_code)


def operands(a, b, output, length, family, rng):
    """``a`` (CASES, K), ``b`` (CASES, K) and ``c`` (CASES); in cancelling sums the second half takes back the first."""
    x, y = draw(a, family, rng, (CASES, length)), draw(b, family, rng, (CASES, length))
    half = length // 2
    if family == "cancelling" and half:
        x[:, half : 2 * half] = x[:, :half]
        y[:, half : 2 * half] = y[:, :half] ^ (getattr(b, "sign_code", 0))
    c = np.where(rng.random(CASES) < 0.7, draw(output, family, rng, CASES), 0)
    return x, y, c


def mismatches(rule, a, b, length, family, rng):
    """Where array and judge differ, in words."""
    x, y, c = operands(a, b, rule.output, length, family, rng)
    count = getattr(getattr(rule.summation, "inner", rule.summation), "random_bit_count", None)
    bits = None if count is None else rng.integers(0, 1 << count, (length, CASES, 1, 1))
    found = matmul(
        x[:, None], y[..., None], c[:, None, None], accumulator=rule, a_format=a, b_format=b, random_bits=bits
    )
    for i in range(CASES):
        drawn = None if bits is None else bits[:, i, 0, 0].tolist()
        want = dot(x[i].tolist(), y[i].tolist(), int(c[i]), accumulator=rule, a_format=a, b_format=b, random_bits=drawn)
        if found[i, 0, 0] != want:
            yield f"{rule.name} {a.name} {b.name} {family}: {x[i]} {y[i]} {c[i]:#x}: {found[i, 0, 0]:#x}, not {want:#x}"


def named():
    """Every named accumulator, and promoted ones."""
    for name in formats.accumulators():
        rule = formats.accumulator(name)
        yield rule
        if isinstance(rule.summation, FusedSteps | HalvedSteps):
            yield formats.accumulator(f"{name}.promote{2 * rule.k}")
    for name in (
        "fma.f32.promote3",
        "sequential.bf16.promote2",
        "pairwise.f16.promote4",
        "int9.wrap",
        "int17.sat_finite",
    ):
        yield formats.accumulator(name)


def made():
    """Records that have no name: every rounding into every output, and matrix units that nobody built."""
    for mode, output in itertools.product(Rounding, OUTPUTS):
        if mode.is_stochastic:
            drawn = [SequentialSum(output=output, rounding=mode, fused=True, random_bit_count=n) for n in (1, 9, 24)]
            yield from (*drawn, PromotedSum(inner=drawn[1], every=3))
        else:
            yield from (kind(output=output, rounding=mode) for kind in (ExactSum, PairwiseSum))
            yield from (SequentialSum(output=output, rounding=mode, fused=fused) for fused in (True, False))
    rounding = itertools.cycle((Rounding.TOWARD_ZERO, Rounding.NEAREST_TIES_TO_EVEN, Rounding.TO_ODD))
    for output, bits, products in itertools.product(OUTPUTS[:3], (3, 13, 24, 25, 36), (1, 3, 8)):
        for kept, floor in ((output.fraction_bits, -300), (4, output.emin - 3), (output.fraction_bits, -2)):
            step = FusedSteps(
                products=products,
                fraction_bits=bits,
                floor=floor,
                output=output,
                kept_bits=kept,
                rounding=next(rounding),
            )
            yield step
            yield PromotedSum(inner=step, every=2 * products)
    for output, products, yes in itertools.product(OUTPUTS[:3], (1, 3, 8), (True, False)):
        yield ExactSteps(products=products, output=output)
        yield PairwiseSteps(products=products, output=output, flushes=yes)
        reach = 5 if products == 3 else None
        yield JoinedSteps(
            products=products, fraction_bits=20, sum_bits=27, output=output, interleaved=yes, c_reach=reach
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_named_accumulators_equal_the_judge(family):
    rng = np.random.default_rng(FAMILIES.index(family))
    general = itertools.cycle(itertools.product(OPERANDS, repeat=2))
    found = []
    for rule in rotate([*named()], 4):
        if rule.name.startswith("int"):
            a, b = formats.get("int8"), formats.get("uint8")
        else:
            a, b = (own or formats.get(other) for own, other in zip((rule.a, rule.b), next(general), strict=True))
        found += mismatches(rule, a, b, 2 * rule.k if rule.k > 1 else 7, family, rng)
    assert not found, found[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_made_accumulators_equal_the_judge(family):
    rng = np.random.default_rng(FAMILIES.index(family))
    floats = [name for name in OPERANDS if not isinstance(formats.get(name), IntSpec)]
    found = []
    for i, summation in enumerate(rotate([*made()], 3)):
        names = floats if isinstance(summation, UNITS) else OPERANDS
        a, b = formats.get(names[i % len(names)]), formats.get(names[(i // 3) % len(names)])
        rule = formats.Accumulator(name=str(summation), summation=summation, source="a test")
        found += mismatches(rule, a, b, 1 + i % 11, family, rng)
    assert not found, found[0]


@pytest.mark.parametrize("source", [vectors.hopper, vectors.published])
def test_recorded_results(source):
    wrong = {}
    for recorded in source():
        found = replay(recorded, recorded.accumulator)
        wrong[recorded.label] = int((found != recorded.d).sum())
    assert len(wrong) > 20
    assert not any(wrong.values()), wrong


def replay(recorded, rule):
    c = recorded.c[:, None, None]
    return matmul(recorded.a[:, None], recorded.b[..., None], c, accumulator=rule)[:, 0, 0]


@pytest.mark.parametrize(
    ("label", "field", "change"),
    [
        ("mma.m16n8k16.f32.bf16", "fraction_bits", 1),
        ("mma.m16n8k16.f32.bf16", "fraction_bits", -1),
        ("mma.m16n8k16.f32.bf16", "products", -8),
        ("mma.m16n8k8.f16.f16", "floor", 1),
        ("mma.m16n8k16.f16.f16", "floor", -1),
        ("wgmma.m64n8k32.f32.e4m3.e4m3", "kept_bits", 1),
        ("wgmma.m64n8k32.f32.e4m3.e4m3", "kept_bits", -1),
    ],
)
def test_a_wrong_unit_is_seen(label, field, change):
    """The recorded results tell the parameters of a unit from their neighbours."""
    (recorded,) = (recorded for recorded in vectors.hopper() if recorded.label == f"hopper.{label}")
    rule = formats.accumulator(recorded.accumulator)
    wrong = replace(rule.summation, **{field: getattr(rule.summation, field) + change})
    assert (replay(recorded, replace(rule, summation=wrong)) != recorded.d).any()


def float_products(rule):
    """Codes that one product of each pair of codes gives where nothing is cut, by NumPy: exact in float32."""
    a, b = (np.arange(1 << spec.bits) for spec in (rule.a, rule.b))
    x, y = reference.decode(a, rule.a), reference.decode(b, rule.b)
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.multiply.outer(x, y)
        result = exact.astype(np.float16).view(np.uint16) if rule.output.bits == 16 else exact.view(np.uint32)
    result = np.where(result == rule.output.sign_code, 0, result)  # never -0
    return a, b, np.where(np.isnan(exact), rule.summation.nan_code, result)


def eight_bits():
    for name in formats.accumulators():
        rule = formats.accumulator(name)
        if isinstance(rule.summation, FusedSteps) and rule.a.bits <= 8:
            yield name


@pytest.mark.parametrize("name", rotate([*eight_bits()], 4))
def test_all_pairs_of_codes_in_one_product(name):
    """Products of at most 8 bits lose nothing; float16 results are rounded once, to nearest even."""
    rule = formats.accumulator(name)
    a, b, want = float_products(rule)
    place = rule.k // 2
    x, y = np.zeros((a.size, rule.k), int), np.zeros((rule.k, b.size), int)
    x[:, place], y[place] = a, b
    np.testing.assert_array_equal(matmul(x, y, accumulator=rule), want)


@pytest.mark.parametrize("name", ["blackwell.tcgen05.k32.f32.e2m1.e2m1", "exact.f32", "fma.f32", "pairwise.f32"])
def test_all_sums_of_two_float4_products(name):
    check_two_products(name, formats.get("float4_e2m1fn"), np.arange(256))


@pytest.mark.parametrize("fmt", ["float6_e2m3fn", "float6_e3m2fn"])
@pytest.mark.parametrize("name", ["exact.f32", "fma.f32"])
def test_all_sums_of_two_float6_products(name, fmt):
    check_two_products(name, formats.get(fmt), np.array(rotate(range(4096), 64)))


def check_two_products(name, spec, chosen):
    """Two products of such formats and their sum are exact in float32; zeros are +0 in units, IEEE's elsewhere."""
    rule, n = formats.accumulator(name), 1 << spec.bits
    length = max(2, rule.k)
    a, b = np.zeros((chosen.size, length), int), np.zeros((length, n * n), int)
    a[:, 0], a[:, 1] = chosen // n, chosen % n
    b[0], b[1] = np.divmod(np.arange(n * n), n)
    x, y = reference.decode(a, spec), reference.decode(b, spec)
    exact = np.float32(0) + x[:, :1] * y[:1] + x[:, 1:2] * y[1:2]
    found = matmul(a, b, accumulator=rule, a_format=spec, b_format=spec)
    np.testing.assert_array_equal(found, exact.view(np.uint32))
