"""The judge of dot products against everything recorded on hardware, and wrong rules that the records refute."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import vectors
from rotation import rotate

import formats
from formats import ExactSum, FusedSteps, HalvedSteps, Rounding, Saturation
from reference.exact import steps
from reference.exact.dot import dot

RECORDED = {recorded.label: recorded for recorded in vectors.recorded()}
ZERO = Fraction(1, 2**999)  #: as good as zero, yet it keeps its exponent


def mismatches(recorded, accumulator, *, family=None, enough=None):
    """How many cases differ; ``enough`` of them will do."""
    cases = range(len(recorded.d)) if family is None else (recorded.family == family).nonzero()[0].tolist()
    found = 0
    for i in cases:
        got = dot(recorded.a[i].tolist(), recorded.b[i].tolist(), int(recorded.c[i]), accumulator=accumulator)
        found += got != recorded.d[i]
        if found == enough:
            break
    return found


def test_all_of_it_is_there():
    hopper = [recorded for recorded in RECORDED.values() if recorded.family is not None]
    published = [recorded for recorded in RECORDED.values() if recorded.family is None]
    assert (len(hopper), sum(len(recorded.d) for recorded in hopper)) == (55, 21_243)
    assert (len(published), sum(len(recorded.d) for recorded in published)) == (22, 55_000)
    found = {str(family) for recorded in hopper for family in recorded.family}
    assert found == {"bits", "normal", "band", "wide", "cancel", "subn", "zeros", "special", "over", "szero", "ties"}
    for recorded in RECORDED.values():
        rule = formats.accumulator(recorded.accumulator)
        assert rule.evidence is not formats.Evidence.SECOND_HAND
        assert recorded.a.shape == recorded.b.shape == (len(recorded.d), recorded.chain * rule.k)


@pytest.mark.parametrize("label", rotate(list(RECORDED), 3))
def test_the_judge_returns_what_the_hardware_did(label):
    assert mismatches(RECORDED[label], RECORDED[label].accumulator) == 0


STEP = {
    "hopper.mma.m16n8k16.f32.bf16": [
        {"fraction_bits": 24},
        {"fraction_bits": 26},
        {"kept_bits": 22},
        {"products": 8},
        {"rounding": Rounding.NEAREST_TIES_TO_EVEN},
    ],
    "hopper.mma.m16n8k16.f16.f16": [
        {"fraction_bits": 24},
        {"fraction_bits": 26},
        {"rounding": Rounding.TOWARD_ZERO},
        {"floor": -20},
        {"floor": -22},
    ],
    "hopper.mma.m16n8k8.f32.tf32": [{"fraction_bits": 24}, {"fraction_bits": 26}, {"products": 4}],
    "hopper.wgmma.m64n8k32.f32.e4m3.e4m3": [
        {"fraction_bits": 12},
        {"fraction_bits": 14},
        {"kept_bits": 12},
        {"kept_bits": 14},
        {"kept_bits": 23},
        {"products": 16},
        {"rounding": Rounding.NEAREST_TIES_TO_EVEN},
    ],
    "hopper.wgmma.m64n8k32.f16.e5m2.e5m2": [{"fraction_bits": 12}, {"fraction_bits": 14}],
    "hopper.wgmma.m64n8k32.f32.e4m3.e4m3 x4": [{"products": 64}, {"products": 128}],
    "V100/fp16 d.fp32": [{"fraction_bits": 22}, {"fraction_bits": 24}, {"products": 2}],
    "A100/fp16 d.fp32": [{"fraction_bits": 23}, {"fraction_bits": 25}, {"products": 4}],
    "A100/tf32 d.fp32": [{"fraction_bits": 23}, {"fraction_bits": 25}, {"products": 2}],
    "A100/fp16 d.fp16": [{"rounding": Rounding.TOWARD_ZERO}],
    "Ada/bf16 d.fp32": [{"fraction_bits": 23}, {"fraction_bits": 25}],
    "Ada/E4M3 d.fp32": [{"fraction_bits": 12}, {"fraction_bits": 14}, {"kept_bits": 12}, {"products": 32}],
    "H100/bf16 d.fp32": [{"fraction_bits": 24}, {"fraction_bits": 26}, {"products": 8}],
}


@pytest.mark.parametrize(
    ("label", "change"),
    [pytest.param(label, change, id=f"{label} {change}") for label in STEP for change in STEP[label]],
)
def test_a_wrong_parameter_is_refuted(label, change):
    right = formats.accumulator(RECORDED[label].accumulator)
    wrong = replace(right, summation=replace(right.summation, **change))
    assert mismatches(RECORDED[label], wrong, enough=1) == 1


@pytest.mark.parametrize("change", [{"fraction_bits": 24}, {"kept_bits": 22}, {"products": 8}])
def test_a_wrong_parameter_of_the_rewritten_instruction_is_refuted(change):
    recorded = RECORDED["hopper.mma.m16n8k32.f32.e4m3.e4m3"]
    right = formats.accumulator(recorded.accumulator)
    wrong = HalvedSteps(step=replace(right.summation.step, **change))
    assert mismatches(recorded, replace(right, summation=wrong), enough=1) == 1


def test_the_two_fp8_instructions_of_one_chip_differ():
    warp, group = (RECORDED[f"hopper.{name}.f32.e4m3.e4m3"] for name in ("mma.m16n8k32", "wgmma.m64n8k32"))
    assert mismatches(warp, group.accumulator, enough=1) == 1
    assert mismatches(group, warp.accumulator, enough=1) == 1


@pytest.mark.parametrize("label", ["hopper.mma.m16n8k16.f32.f16", "hopper.wgmma.m64n8k32.f32.e5m2.e5m2"])
def test_correctly_rounded_sums_are_refuted(label):
    right = formats.accumulator(RECORDED[label].accumulator)
    for rounding in (Rounding.TOWARD_ZERO, Rounding.NEAREST_TIES_TO_EVEN):
        exact = ExactSum(output=right.output, rounding=rounding)
        assert mismatches(RECORDED[label], replace(right, summation=exact), enough=1) == 1


@pytest.mark.parametrize("label", [label for label in RECORDED if "s32" in label])
def test_the_other_saturation_is_refuted_where_sums_leave_the_range(label):
    right = formats.accumulator(RECORDED[label].accumulator)
    other = {Saturation.WRAP: Saturation.SAT_FINITE, Saturation.SAT_FINITE: Saturation.WRAP}
    wrong = replace(right.summation, saturation=other[right.summation.saturation])
    assert mismatches(RECORDED[label], replace(right, summation=wrong), enough=1) == 1


class TestWrongRules:
    """Rules that no parameter states, broken one at a time."""

    def test_zero_products_that_keep_an_exponent(self, monkeypatch):
        def wrong(code, spec):
            value, exponent = steps.term(code, spec)
            return (ZERO, spec.emin) if value == 0 else (value, exponent)

        monkeypatch.setattr(steps, "_operand", wrong)
        recorded = RECORDED["hopper.mma.m16n8k16.f32.f16"]
        assert mismatches(recorded, recorded.accumulator, family="zeros", enough=1) == 1

    def test_a_zero_c_that_keeps_an_exponent(self, monkeypatch):
        right = steps.term
        monkeypatch.setattr(steps, "term", lambda code, spec: right(code, spec) if code else (ZERO, spec.emin))
        recorded = RECORDED["hopper.mma.m16n8k16.f16.f16"]
        assert mismatches(recorded, recorded.accumulator, enough=1) == 1

    def test_subnormal_operands_that_are_normalised(self, monkeypatch):
        def wrong(code, spec):
            value, exponent = steps.term(code, spec)
            finite = isinstance(value, Fraction) and value != 0
            return value, steps.exponent_of(abs(value)) if finite else exponent

        monkeypatch.setattr(steps, "_operand", wrong)
        recorded = RECORDED["hopper.wgmma.m64n8k32.f32.e4m3.e4m3"]
        assert mismatches(recorded, recorded.accumulator, enough=1) == 1

    def test_fp8_operands_that_are_not_widened(self, monkeypatch):
        label = "hopper.mma.m16n8k32.f32.e4m3.e5m2"
        monkeypatch.setattr(steps, "_widened", lambda code, spec: code)
        monkeypatch.setattr(steps, "FLOAT16", None)
        right = steps.products
        pair = formats.get("float8_e4m3fn"), formats.get("float8_e5m2")
        monkeypatch.setattr(steps, "products", lambda pairs, _: right(pairs, pair))
        assert mismatches(RECORDED[label], RECORDED[label].accumulator, enough=1) == 1

    def test_negative_zero(self, monkeypatch):
        right = steps._result

        def wrong(value, rule):
            code = right(value, rule)
            return rule.output.sign_code if code == 0 and value < 0 else code

        monkeypatch.setattr(steps, "_result", wrong)
        recorded = RECORDED["hopper.mma.m16n8k16.f32.bf16"]
        assert mismatches(recorded, recorded.accumulator, enough=1) == 1

    def test_overflow_that_stays_at_the_largest_value(self, monkeypatch):
        right = steps.power_of_two
        monkeypatch.setattr(steps, "power_of_two", lambda exponent: right(999 if exponent == 128 else exponent))
        recorded = RECORDED["hopper.mma.m16n8k16.f32.bf16"]
        assert mismatches(recorded, recorded.accumulator, enough=1) == 1

    def test_alignment_that_shifts_arithmetically(self, monkeypatch):
        monkeypatch.setattr(steps, "int", lambda quotient: quotient // 1, raising=False)
        recorded = RECORDED["hopper.wgmma.m64n8k32.f32.e4m3.e4m3"]
        assert mismatches(recorded, recorded.accumulator, enough=1) == 1


def test_every_parameter_of_a_step_has_a_control():
    changed = {field for changes in STEP.values() for change in changes for field in change}
    assert changed == set(FusedSteps.__slots__) - {"output"}
