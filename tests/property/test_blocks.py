"""Quantisation into blocks aimed at ties, edges and specials: golden model and judge, and what every rule keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from block_cases import PAIRS, assert_judged, exact, judged, judged_values
from hypothesis import given
from hypothesis import strategies as st

import kernels_ref
from formats import IntSpec
from formats.block_formats.named import block
from formats.block_formats.rule import NonFinite
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks

MX = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4")
TWO_LEVELS = [pair for pair in PAIRS if block(pair[0]).scale.second is not None]
OCP_RULES = ("floor", "ceil", "even", "rceil")


def small(spec: BlockSpec) -> BlockSpec:
    """The format with blocks short enough for the judge."""
    return replace(spec, block=tuple(min(extent, 8) for extent in spec.block))


numbers = st.integers(0, 0xFFFFFFFF).map(lambda bits: np.uint32(bits).view(np.float32))
quarters = st.builds(lambda n, e: np.float32(n / 4) * np.float32(2.0**e), st.integers(-64, 64), st.integers(-3, 3))
edges = st.builds(
    lambda e, step, sign: np.float32(sign) * (np.uint32((e << 23) + step).view(np.float32)),
    st.integers(1, 253),
    st.integers(-3, 3),
    st.sampled_from((1, -1)),
)
tiny = st.integers(0, 1 << 12).map(lambda bits: np.uint32(bits).view(np.float32))
elements = st.one_of(quarters, quarters, edges, tiny, numbers)

#: second numbers: powers of two from the rule's own, and any that are positive and finite, every other one subnormal
offsets = st.integers(-300, 300) | st.integers(-12, 12)
positive = (st.integers(1, 0x7F7FFFFF) | st.integers(1, 0x7FFFFF)).map(lambda bits: np.uint32(bits).view(np.float32))


@st.composite
def tensors(draw, rows, columns):
    x = np.array(draw(st.lists(elements, min_size=1, max_size=rows * columns)), np.float32)
    x = np.resize(x, (rows, columns))
    exponent = draw(st.integers(-40, 40))
    with np.errstate(all="ignore"):
        return x * np.float32(2.0**exponent)


def may_hold(x, rule):
    """The tensor without what the rule refuses."""
    x = np.where(np.isnan(x) & (rule.nan_in_block is NonFinite.REFUSE), np.float32(1), x)
    return np.where(np.isinf(x) & (rule.infinity_in_block is NonFinite.REFUSE), np.float32(3e38), x)


@given(st.sampled_from(PAIRS), tensors(2, 19))
def test_golden_model_and_judge_agree(pair, x):
    spec, rule = small(block(pair[0])), replace(block_rule(pair[1]), nan=block_rule("floor").nan)
    x = may_hold(x, rule)
    try:
        tensor = quantize_blocks(x, spec, rule=rule, ragged="short")
    except ValueError as error:  # a scale or shift that comes out as NaN: the judge refuses it as well
        assert "cannot store" in str(error)  # noqa: PT017
        with pytest.raises(ValueError, match="has no NaN"):
            judged(x, spec, rule)
        return
    assert_judged(tensor, x, rule)


@given(st.sampled_from(PAIRS), tensors(2, 19))
def test_values_are_the_judges(pair, x):
    spec, rule = small(block(pair[0])), replace(block_rule(pair[1]), nan=block_rule("floor").nan)
    try:
        tensor = quantize_blocks(may_hold(x, rule), spec, rule=rule, ragged="short")
    except ValueError as error:
        assert "cannot store" in str(error)  # noqa: PT017
        return
    for value, due in zip(
        dequantize_blocks(tensor, "float64").reshape(-1), judged_values(tensor).reshape(-1), strict=True
    ):
        assert str(exact(value)) == str(exact(float(due)))


@given(st.sampled_from(MX), st.sampled_from(OCP_RULES), tensors(1, 32))
def test_quantising_again_changes_no_value(fmt, rule, x):
    x = np.nan_to_num(x, nan=0, posinf=1, neginf=-1)
    once = dequantize_blocks(quantize_blocks(x, fmt, rule=rule))
    np.testing.assert_array_equal(dequantize_blocks(quantize_blocks(once, fmt, rule=rule)), once)


@given(st.sampled_from(MX), st.sampled_from(OCP_RULES), tensors(1, 32), st.integers(-20, 20))
def test_powers_of_two_move_the_scale_alone(fmt, rule, x, exponent):
    x = np.where((np.abs(x) < 1e20) & (np.abs(x) > 1e-20), x, np.float32(0))
    there, back = (quantize_blocks(v, fmt, rule=rule) for v in (x, x * np.float32(2.0**exponent)))
    np.testing.assert_array_equal(there.codes, back.codes)
    moved = back.scales.astype(int) - there.scales.astype(int)
    assert moved.item() == (exponent if x.any() else 0)


@given(st.sampled_from(PAIRS), tensors(1, 32), st.randoms(use_true_random=False))
def test_order_and_sign_do_not_matter(pair, x, random):
    fmt, rule = pair
    spec, element = block(fmt), block(fmt).element
    x = np.where(np.abs(x) < 1e30, x, np.float32(1))
    if len(spec.block) > 1 or not (isinstance(element, IntSpec) or hasattr(element, "precision")):
        return
    order = list(range(32))
    random.shuffle(order)
    spec = replace(spec, block=(32,))
    rule = replace(block_rule(rule), nan=block_rule("floor").nan)
    try:
        straight, shuffled = (quantize_blocks(v, spec, rule=rule) for v in (x, x[:, order]))
    except ValueError as error:  # a NaN shift, see above
        assert "cannot store" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(straight.codes[:, order], shuffled.codes)
    np.testing.assert_array_equal(straight.scales, shuffled.scales)
    if spec.shift is None and not (isinstance(element, IntSpec) and element.minimum != -element.maximum):
        minus = dequantize_blocks(quantize_blocks(-x, spec, rule=rule))
        np.testing.assert_array_equal(minus, -dequantize_blocks(straight))


@given(st.sampled_from(("torchao_nvfp4", "modelopt_nvfp4")), tensors(3, 16))
def test_nvfp4_is_within_half_a_step(rule, x):
    """Of E2M1 under the block's scale, by the stored numbers; a block's largest element may saturate by the scale's
    own rounding, 2^-4 of it, and float32's steps add less than 2^-20.
    """
    x = np.where((np.abs(x) < 1e20) & (np.abs(x) > 1e-20), x, np.float32(0))
    tensor = quantize_blocks(x, "nvfp4", rule=rule)
    step = dequantize_blocks(replace_codes(tensor, 1), "float64")  # of 1/2, the smallest step
    error = np.abs(dequantize_blocks(tensor, "float64") - x)
    half = np.select([np.abs(x) < 4 * step, np.abs(x) < 8 * step], [step / 2, step], 2 * step)
    largest = np.abs(x).max(axis=1, keepdims=True)
    assert (error <= half * (1 + 2.0**-20) + np.where(np.abs(x) > 11 * step, largest * 2.0**-4, 0)).all()


@given(st.sampled_from(TWO_LEVELS), tensors(2, 19), st.one_of(offsets, positive))
def test_a_second_number_that_is_known_before(pair, x, known):
    """Judge, NumPy and JAX agree on whatever is made of it, far from the rule's own number too."""
    spec, rule = small(block(pair[0])), replace(block_rule(pair[1]), nan=block_rule("floor").nan)
    x = may_hold(x, rule)
    second = known if isinstance(known, np.float32) else near(own_second(x, spec, rule), known)
    tensor = quantize_blocks(x, spec, rule=rule, ragged="short", second=second)
    assert tensor.second == second
    assert_judged(tensor, x, rule, second)
    found = kernels_ref.quantize_blocks(x, spec, rule=rule, ragged="short", second=second)
    for part in ("codes", "scales", "second"):
        np.testing.assert_array_equal(getattr(found, part), getattr(tensor, part))


@given(st.sampled_from(TWO_LEVELS), tensors(2, 19))
def test_the_rules_own_second_number_changes_nothing(pair, x):
    spec, rule = small(block(pair[0])), replace(block_rule(pair[1]), nan=block_rule("floor").nan)
    x = may_hold(x, rule)
    for quantize in (quantize_blocks, kernels_ref.quantize_blocks):
        due = quantize(x, spec, rule=rule, ragged="short")
        if np.asarray(due.second) == 0:  # of a tensor of the smallest numbers
            with pytest.raises(ValueError, match=r"second = 0\.0 is no positive finite number of float32"):
                quantize(x, spec, rule=rule, ragged="short", second=due.second)
            continue
        found = quantize(x, spec, rule=rule, ragged="short", second=due.second)
        for part in ("codes", "scales", "second"):
            np.testing.assert_array_equal(getattr(found, part), getattr(due, part))


def own_second(x, spec, rule):
    return quantize_blocks(x, spec, rule=rule, ragged="short").second


def near(second, offset):
    """So many powers of two from a number, within the positive finite numbers."""
    least, most = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        return np.float32(np.ldexp(np.float64(second), offset).clip(least, most))


def replace_codes(tensor: BlockTensor, code: int) -> BlockTensor:
    return replace(tensor, codes=np.full_like(tensor.codes, code))
