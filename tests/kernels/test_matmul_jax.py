"""`kernels_ref.matmul` against the golden model, the judge and recorded results, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import vectors
from rotation import rotate

import formats
from formats import (
    Accumulator,
    ExactSum,
    IntegerSum,
    IntSpec,
    PairwiseSum,
    PromotedSum,
    Rounding,
    Saturation,
    SequentialSum,
)
from formats.chips import instructions
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from kernels_ref.dot import rows as row_blocks
from kernels_ref.dot_operands import dot_families, dot_operands
from kernels_ref.matmul import matmul
from reference import exact
from reference.matmul import matmul as golden

MATRIX_CORES = ExactSteps | PairwiseSteps | JoinedSteps
UNITS = [name for name, row in instructions().items() if not isinstance(row.summation, MATRIX_CORES)]
RECORDED = [
    case for case in vectors.recorded() if not isinstance(formats.accumulator(case.accumulator).summation, MATRIX_CORES)
]
DETERMINISTIC = [mode for mode in Rounding if not mode.is_stochastic]
STOCHASTIC = [mode for mode in Rounding if mode.is_stochastic]
OUTPUTS = (
    formats.FLOAT32,
    *map(formats.get, ("float16", "bfloat16", "float8_e4m3fn", "Binary8p4se", "float8_e5m2fnuz")),
)
E4M3_E5M2 = ("float8_e4m3fn", "float8_e5m2")
INT16 = IntSpec(name="int16", bits=16, minimum=-(1 << 15), maximum=(1 << 15) - 1, source="two's complement")
UINT16 = IntSpec(name="uint16", bits=16, minimum=0, maximum=(1 << 16) - 1, source="unsigned")


def made(summation, **fields):
    return Accumulator(name="made", summation=summation, source="this test", **fields)


def integer_codes(rng, spec, shape):
    """Any code, and the ends of the range more often."""
    ends = np.array([spec.minimum, -1, 0, 1, spec.maximum]) % (1 << spec.bits)
    return np.where(rng.random(shape) < 0.5, rng.choice(ends, shape), rng.integers(0, 1 << spec.bits, shape))


def drawn(rule, a, b, k, seed=0):
    """Every family once: ``a`` (families, 2, K), ``b`` (families, K, 3) and ``c``; any code of an integer format."""
    pair = [formats.get(spec) for spec in (a, b)]
    stand_in = [
        "float8_e5m2" if isinstance(spec, IntSpec) or not (spec.has_zero and spec.signed) else spec for spec in pair
    ]
    free = replace(rule, a=None, b=None)
    batch = len(dot_families(rule))
    if isinstance(rule.output, IntSpec):
        rng = np.random.default_rng(seed)
        shapes = (batch, 2, k), (batch, k, 3), (batch, 2, 3)
        return [integer_codes(rng, spec, shape) for spec, shape in zip((*pair, rule.output), shapes, strict=True)]
    given = {"rows": 2, "columns": 3, "k": k, "batch": batch, "seed": seed}
    found = dot_operands(free, **given, a_format=stand_in[0], b_format=stand_in[1])
    codes = [codes & ((1 << spec.bits) - 1) for codes, spec in zip((found.a, found.b), pair, strict=True)]
    return [*codes, found.c]


def differences(rule, a, b, k, seed=0, **options):
    """How many results of all families differ from the golden model's, and how many there are."""
    x, y, c = drawn(rule, a, b, k, seed)
    given = {"accumulator": rule, "a_format": a, "b_format": b, **options}
    want, found = golden(x, y, c, **given), np.asarray(matmul(x, y, c, **given))
    assert found.dtype == want.dtype
    return int((found != want).sum()), want.size


def unit(name):
    rule = formats.accumulator(name)
    return rule, rule.a, rule.b


@pytest.mark.parametrize("name", rotate(UNITS, 24))
def test_matrix_units(name):
    rule, a, b = unit(name)
    assert differences(rule, a, b, 2 * rule.k)[0] == 0


@pytest.mark.parametrize("case", rotate(RECORDED, 12), ids=str)
def test_recorded_results(case):
    found = matmul(case.a[:, None], case.b[..., None], case.c[:, None, None], accumulator=case.accumulator)
    assert np.array_equal(np.asarray(found)[:, 0, 0], case.d)


def test_another_number_of_fraction_bits_is_noticed():
    rule, a, b = unit("hopper.wgmma.k32.f32.e4m3.e5m2")
    x, y, c = drawn(rule, a, b, 32)
    other = replace(rule, summation=replace(rule.summation, fraction_bits=14))
    assert (np.asarray(matmul(x, y, c, accumulator=other)) != golden(x, y, c, accumulator=rule)).any()


PAIRS = [
    ("float8_e4m3fn", "float8_e5m2"),
    ("float16", "float16"),
    ("bfloat16", "tf32"),
    ("float6_e3m2fn", "int8"),
    ("float8_e8m0fnu", "float8_e4m3fnuz"),
    ("uint8", "binary"),
    ("mxint8", "Binary8p4se"),
]
KINDS = ["exact", "sequential", "fma", "pairwise"]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("name", rotate([f"{kind}.{result}" for kind in KINDS for result in ("f32", "f16", "bf16")], 6))
def test_general_sums(name, pair):
    assert differences(formats.accumulator(name), *pair, 7)[0] == 0


def roundings():
    for mode in DETERMINISTIC:
        for spec in OUTPUTS:
            yield ExactSum(output=spec, rounding=mode)
            yield SequentialSum(output=spec, rounding=mode, fused=True)
            yield SequentialSum(output=spec, rounding=mode, fused=False)
            yield PairwiseSum(output=spec, rounding=mode)


@pytest.mark.parametrize(
    "summation", rotate(list(roundings()), 16), ids=lambda s: f"{type(s).__name__}-{s.output.name}-{s.rounding.value}"
)
def test_every_rounding_and_output(summation):
    assert differences(made(summation), "float8_e5m2", "float8_e4m3fn", 5)[0] == 0


@pytest.mark.parametrize("mode", STOCHASTIC)
@pytest.mark.parametrize(("output", "count"), [("bfloat16", 5), ("float16", 24)])
def test_stochastic_sums(mode, output, count):
    summation = SequentialSum(output=formats.get(output), rounding=mode, fused=True, random_bit_count=count)
    bits = np.random.default_rng(1).integers(0, 1 << count, (6, 15, 2, 3))
    for rule in (made(summation), made(PromotedSum(inner=summation, every=4))):
        assert differences(rule, "float16", "bfloat16", 6, random_bits=bits)[0] == 0


@pytest.mark.parametrize(
    ("summation", "a", "b", "k"),
    [
        (PromotedSum(inner=unit("hopper.wgmma.k32.f32.e4m3.e5m2")[0].summation, every=48), *E4M3_E5M2, 112),
        (unit("hopper.mma.m16n8k32.f32.e4m3.e4m3")[0].summation, "float8_e4m3fn", "float8_e4m3fn", 44),
        (PromotedSum(inner=PairwiseSum(output=OUTPUTS[1], rounding=Rounding.TO_ODD), every=3), "float16", "int8", 10),
        (unit("blackwell.tcgen05.k32.f32.e4m3.e4m3")[0].summation, "float8_e4m3fn", "float8_e4m3fn", 33),
        (replace(unit("hopper.wgmma.k16.f32.bf16")[0].summation, products=40), "bfloat16", "tf32", 40),
        (replace(unit("hopper.wgmma.k16.f32.bf16")[0].summation, fraction_bits=9), "bfloat16", "bfloat16", 16),
    ],
    ids=["promoted", "halved", "pairwise", "padded", "wide", "narrow"],
)  # fmt: skip
def test_steps_that_no_chip_has(summation, a, b, k):
    assert differences(made(summation), a, b, k)[0] == 0


@pytest.mark.parametrize("saturation", [Saturation.WRAP, Saturation.SAT_FINITE])
@pytest.mark.parametrize("bits", [2, 9, 31, 32])
@pytest.mark.parametrize(
    ("a", "b", "products"), [("int8", "uint8", None), ("int8", "int4", 4), (INT16, UINT16, None), (INT16, INT16, 3)]
)
def test_integer_sums(a, b, products, bits, saturation):
    rule = made(IntegerSum(bits=bits, saturation=saturation, products=products))
    assert differences(rule, a, b, 12)[0] == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_int8_sums_wrap_and_clamp_past_the_ends_of_int32(sign):
    a, b = np.full((1, 1 << 17), 0x80), np.full((1 << 17, 1), 0x80 if sign > 0 else 0x7F)
    given = {"a_format": "int8", "b_format": "int8"}
    exactly, end = 128 * (128 if sign > 0 else -127) * (1 << 17), 0x7FFFFFFF if sign > 0 else 0x80000000
    wrapped = matmul(a, b, [[5]], accumulator="int32.wrap", **given)
    clamped = matmul(a, b, [[end]], accumulator="int32.sat_finite", **given)
    assert int(wrapped[0, 0]) == (exactly + 5) % (1 << 32)
    assert int(clamped[0, 0]) == end


@pytest.mark.parametrize("name", ["hopper.mma.m16n8k32.f32.e4m3.e5m2", "hopper.wgmma.k16.f32.bf16"])
def test_the_judge_agrees(name):
    rule, a, b = unit(name)
    x, y, c = drawn(rule, a, b, rule.k)
    found = np.asarray(matmul(x, y, c, accumulator=name))[:, 0, 0]
    triples = zip(x[:, 0], y[:, :, 0], c[:, 0, 0], strict=True)
    assert found.tolist() == [exact.dot(p.tolist(), q.tolist(), int(r), accumulator=name) for p, q, r in triples]


@pytest.mark.parametrize("name", ["exact.f32", "exact.bf16"])
@pytest.mark.parametrize("pair", [("float8_e5m2", "float8_e4m3fn"), ("bfloat16", "bfloat16")], ids="-".join)
def test_long_exact_sums(name, pair):
    """Several stretches of K; every family fills them."""
    assert differences(formats.accumulator(name), *pair, 2100)[0] == 0


@pytest.mark.parametrize(
    ("name", "pair"), [("exact.f32", ("float16", "bfloat16")), ("pairwise.f16", ("float16", "float16"))]
)
def test_rows_a_few_at_a_time(name, pair, monkeypatch):
    rule = formats.accumulator(name)
    x, y, c = (part[0] for part in drawn(rule, *pair, 9))
    x, c = np.tile(x, (4, 1)), np.tile(c, (4, 1))
    given = {"accumulator": replace(rule, name="in blocks"), "a_format": pair[0], "b_format": pair[1]}
    monkeypatch.setattr(row_blocks, "_WORDS", 1)
    assert np.array_equal(np.asarray(matmul(x, y, c, **given)), golden(x, y, c, **given))
