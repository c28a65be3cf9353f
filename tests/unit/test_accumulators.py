"""Accumulators as data: names, rows, evidence, and records that refuse what means nothing."""

from __future__ import annotations

import dataclasses

import pytest

import formats
from formats.chips import instructions
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps

EVIDENCE = {
    "volta": {"published vectors"},
    "turing": {"second hand"},
    "ampere": {"published vectors"},
    "ada": {"published vectors"},
    "hopper": {"measured"},
    "blackwell": {"published vectors", "second hand"},
    "blackwell_rtx": {"second hand"},
    "cdna1": {"second hand"},
    "cdna2": {"second hand"},
    "cdna3": {"second hand"},
}
# label: products of a step, fraction bits, floor, kept bits; arXiv 2512.07004 and 2511.10909
STEPS = {
    "volta.mma.m8n8k4.f32.f16": (4, 23, -131, 23),
    "volta.mma.m8n8k4.f16.f16": (4, 23, -19, 10),
    "turing.mma.m16n8k8.f32.f16": (8, 24, -132, 23),
    "ampere.mma.m16n8k16.f32.bf16": (8, 24, -132, 23),
    "ampere.mma.m16n8k8.f16.f16": (8, 24, -20, 10),
    "ampere.mma.m16n8k8.f32.tf32": (4, 24, -132, 23),
    "ada.mma.m16n8k32.f32.e4m3.e5m2": (16, 13, -132, 13),
    "ada.mma.m16n8k32.f16.e5m2.e4m3": (16, 13, -20, 10),
    "hopper.mma.m16n8k16.f32.f16": (16, 25, -133, 23),
    "hopper.mma.m16n8k8.f16.f16": (8, 25, -21, 10),
    "hopper.wgmma.k8.f32.tf32": (8, 25, -133, 23),
    "hopper.wgmma.k32.f32.e4m3.e4m3": (32, 13, -133, 13),
    "hopper.wgmma.k32.f16.e5m2.e5m2": (32, 13, -21, 10),
    "blackwell.mma.m16n8k16.f32.bf16": (16, 25, -133, 23),
    "blackwell.tcgen05.k32.f32.e4m3.e4m3": (32, 25, -133, 23),
    "blackwell_rtx.mma.m16n8k32.f32.e2m1.e3m2": (32, 25, -133, 23),
}


def unit(summation):
    """Elements of K that cannot be taken apart."""
    match summation:
        case formats.HalvedSteps():
            return 2 * summation.step.products
        case _:
            return summation.products


@pytest.mark.parametrize("name", formats.accumulators())
def test_every_name_is_found_and_a_record_is_returned_as_it_is(name):
    found = formats.accumulator(name)
    assert found.name == name
    assert formats.accumulator(found) is found
    assert hash(found) == hash(dataclasses.replace(found))
    assert found.source


def test_names_are_unique_and_rows_keep_their_names():
    names = formats.accumulators()
    assert len(names) == len(set(names))
    assert all(row.name == name for name, row in instructions().items())


@pytest.mark.parametrize("name", instructions())
def test_an_instruction_is_whole_steps_of_formats_that_exist(name):
    row, found = instructions()[name], formats.accumulator(name)
    assert row.k % unit(row.summation) == 0
    assert (found.a, found.b, found.k) == (formats.get(row.a), formats.get(row.b), row.k)
    assert found.output.name == {"f32": "float32", "f16": "float16", "s32": "int32"}[name.split(".")[3]]


def test_every_chip_has_the_evidence_that_it_has():
    found: dict[str, set[str]] = {}
    for name, row in instructions().items():
        found.setdefault(name.partition(".")[0], set()).add(row.evidence.value)
    assert found == EVIDENCE


@pytest.mark.parametrize("name", STEPS)
def test_parameters_of_the_units(name):
    step = formats.accumulator(name).summation
    assert (step.products, step.fraction_bits, step.floor, step.kept_bits) == STEPS[name]
    toward_zero = formats.Rounding.TOWARD_ZERO
    assert step.rounding is (toward_zero if ".f32." in name else formats.Rounding.NEAREST_TIES_TO_EVEN)


@pytest.mark.parametrize("chip", ["hopper", "blackwell"])
@pytest.mark.parametrize(("k", "output", "floor"), [(16, "f32", -133), (32, "f32", -133), (32, "f16", -21)])
def test_fp8_of_a_warp_is_rewritten(chip, k, output, floor):
    summation = formats.accumulator(f"{chip}.mma.m16n8k{k}.{output}.e4m3.e5m2").summation
    assert isinstance(summation, formats.HalvedSteps)
    assert (summation.step.products, summation.step.fraction_bits, summation.step.floor) == (k // 2, 25, floor)


def test_matrix_cores():
    def of(name):
        return formats.accumulator(name).summation

    f32 = formats.FLOAT32
    assert of("cdna1.mfma.k16.f32.f16.exact") == ExactSteps(products=4, output=f32)
    assert of("cdna1.mfma.k8.f32.bf16.pairwise") == PairwiseSteps(products=2, output=f32, flushes=False)
    assert of("cdna2.mfma.k8.f32.bf16_1k") == PairwiseSteps(products=4, output=f32, flushes=True)
    common = {"fraction_bits": 24, "sum_bits": 31, "output": f32}
    plain, apart = {"interleaved": False, "c_reach": None}, {"interleaved": True, "c_reach": 25}
    assert of("cdna3.mfma.k16.f32.bf16") == JoinedSteps(products=8, **common, **plain)
    assert of("cdna3.mfma.k4.f32.f16") == JoinedSteps(products=4, **common, **plain)
    assert of("cdna3.mfma.k8.f32.xf32") == JoinedSteps(products=4, **common, **plain)
    assert of("cdna3.mfma.k32.f32.fp8.bf8") == JoinedSteps(products=16, **common, **apart)


def test_shapes_may_name_m_and_n():
    for spelled, name in (
        ("hopper.wgmma.m64n8k32.f32.e4m3.e5m2", "hopper.wgmma.k32.f32.e4m3.e5m2"),
        ("hopper.wgmma.m64n256k16.f16.f16.promote64", "hopper.wgmma.k16.f16.f16.promote64"),
        ("cdna3.mfma.32x32x8.f32.f16", "cdna3.mfma.k8.f32.f16"),
        ("cdna1.mfma.4x4x2.f32.bf16.exact", "cdna1.mfma.k2.f32.bf16.exact"),
    ):
        assert formats.accumulator(spelled).name == name


@pytest.mark.parametrize("bits", range(2, 33))
@pytest.mark.parametrize("saturation", ["wrap", "sat_finite"])
def test_integers_of_any_width_up_to_32(bits, saturation):
    found = formats.accumulator(f"int{bits}.{saturation}")
    assert found.summation == formats.IntegerSum(bits=bits, saturation=formats.Saturation(saturation))
    assert (found.output.minimum, found.output.maximum) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@pytest.mark.parametrize(
    "name", ["int1.wrap", "int33.wrap", "int64.sat_finite", "int32.sat_none", "int32", "uint8.wrap"]
)
def test_other_integers_are_refused(name):
    with pytest.raises(KeyError, match=f"unknown accumulator '{name}'; near it: "):
        formats.accumulator(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("hopper.wgmma.k32.f32.e4m3", "hopper.wgmma.k32.f32.e4m3.e4m3"),
        ("hoper.mma.m16n8k16.f32.bf16", "hopper.mma.m16n8k16.f32.bf16"),
        ("exact.f64", "exact.f32"),
        ("", "volta.mma.m8n8k4.f32.f16"),
        ("fma.f32.promote", "fma.f32"),
        ("fma.f32.promote-4", "fma.f32"),
    ],
)
def test_an_unknown_name_lists_near_ones(name, near):
    with pytest.raises(KeyError, match=r"unknown accumulator .*all: formats\.accumulators\(\)") as failure:
        formats.accumulator(name)
    assert near in str(failure.value)


def test_promotion_by_name():
    base = formats.accumulator("hopper.wgmma.k32.f32.e4m3.e4m3")
    found = formats.accumulator("hopper.wgmma.k32.f32.e4m3.e4m3.promote128")
    assert found.summation == formats.PromotedSum(inner=base.summation, every=128)
    assert (found.a, found.b, found.k, found.output) == (base.a, base.b, base.k, base.output)
    assert formats.accumulator("fma.bf16.promote3").summation.every == 3


@pytest.mark.parametrize("every", [0, 16, 33, 100])
def test_promotion_is_every_so_many_instructions(every):
    name = f"hopper.wgmma.k32.f32.e4m3.e4m3.promote{every}"
    with pytest.raises(KeyError, match=f"{every} must be a multiple of its k=32"):
        formats.accumulator(name)


@pytest.mark.parametrize("name", ["exact.f32", "int32.wrap", "cdna3.mfma.k8.f32.f16", "hopper.wgmma.k32.s32.s8.s8"])
def test_other_sums_are_not_promoted(name):
    with pytest.raises(KeyError, match=f"{name} is not promoted: that is for fused, sequential and pairwise sums"):
        formats.accumulator(name + ".promote128")


def test_records_that_mean_nothing_are_refused():
    spec, stochastic = formats.FLOAT32, formats.Rounding.STOCHASTIC_A
    with pytest.raises(ValueError, match="rounding='stochastic_a' needs fused=True"):
        formats.SequentialSum(output=spec, rounding=stochastic, fused=False, random_bit_count=8)
    for rounding, count in ((stochastic, None), (formats.Rounding.TOWARD_ZERO, 8)):
        with pytest.raises(ValueError, match="random_bit_count goes with a stochastic rounding, and only with one"):
            formats.SequentialSum(output=spec, rounding=rounding, fused=True, random_bit_count=count)
    for bits in (1, 33):
        with pytest.raises(ValueError, match=rf"bits={bits} must lie in 2\.\.32"):
            formats.IntegerSum(bits=bits, saturation=formats.Saturation.WRAP)
    with pytest.raises(ValueError, match="saturation='sat_none' must be wrap or sat_finite"):
        formats.IntegerSum(bits=8, saturation=formats.Saturation.SAT_NONE)


def test_the_nan_of_a_unit():
    nans = {"hopper.mma.m16n8k16.f32.f16": 0x7FFFFFFF, "hopper.mma.m16n8k16.f16.f16": 0x7FFF}
    assert {name: formats.accumulator(name).summation.nan_code for name in nans} == nans
