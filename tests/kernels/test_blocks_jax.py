"""Block formats in JAX against the golden model: rules, formats, edges, transformations, refusals."""

from __future__ import annotations

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from block_cases import PAIRS, assert_judged
from rotation import rotate

import formats
from formats import NanRule, Rounding
from formats.block_formats.named import block
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec, Level
from kernels_ref.block_elements import factor_of
from kernels_ref.blocks import dequantize_blocks, quantize_blocks
from reference import blocks as golden
from reference.array.block_request import block_request
from reference.blocks import BlockTensor

ROW = 256
HOME = (
    ("mxfp8_e4m3", "floor"),
    ("mxfp8_e5m2", "even"),
    ("mxfp8_e4m3", "transformer_engine_mxfp8"),
    ("mxfp4", "microxcaling"),
    ("mxfp4", "modelopt_mxfp4"),
    ("mxint8", "ceil"),
    ("nvfp4", "torchao_nvfp4"),
    ("nvfp4_divisor", "transformer_engine_nvfp4"),
    ("nf4_g64", "bitsandbytes_nf4"),
    ("fp4_bnb_g64", "bitsandbytes_fp4"),
    ("int4_g128", "absmax"),
    ("deepseek_128x128", "deepseek_v3"),
    ("deepseek_1x128", "absmax"),
    ("uint4_g128", "minmax_zero_point"),
    ("uint4_g32_offset", "minmax_offset"),
)


OTHERS = [pair for pair in PAIRS if pair not in HOME]


def scaled_rows(seed, rows=128):
    """Normal numbers, each row times another power of two; subnormal ones too."""
    rng = np.random.default_rng(seed)
    exponents = rng.integers(-150, 126, (rows, 1))
    return np.ldexp(rng.standard_normal((rows, ROW)).clip(-3.9, 3.9), exponents).astype(np.float32)


def edge_rows(seed, rows=128):
    """Powers of two, their neighbours, ties of narrow formats, the ends of binary32 and zeros, with either sign."""
    powers = np.exp2(np.arange(-149, 128)).astype(np.float32)
    beside = [np.nextafter(powers, np.float32(end)) for end in (0, np.inf)]
    ends = np.float32([0, np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal])
    rng = np.random.default_rng(seed)
    edges = np.concatenate([powers, *beside, powers * np.float32(1.5), powers * np.float32(1.25), ends])
    return rng.choice(edges[np.isfinite(edges)], (rows, ROW)) * rng.choice(np.float32([-1, 1]), (rows, ROW))


def tie_rows(rows=128):
    """Quarters up to 4, where most decisions are; and rows of zeros with either sign or one subnormal number."""
    x = np.random.default_rng(2).integers(-16, 17, (rows, ROW)).astype(np.float32) / 4
    x[: rows // 2 : 3] = -0.0
    x[1 : rows // 2 : 3] = 0
    x[1 : rows // 4 : 3, 5::32] = 1e-45
    return x


def ordinary_rows(rows=32):
    """Quarters and other numbers up to 4, no block of them without one near 1."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.integers(-16, 17, (rows, ROW)) / 4, rng.uniform(-4, 4, (rows, ROW))]).astype(np.float32)
    x[:, ::16] = 1.25
    return x


def assert_same_tensor(found, due):
    for part in ("codes", "scales", "second", "shifts"):
        a, b = getattr(due, part), getattr(found, part)
        if a is None:
            assert b is None, part
            continue
        a, b = (np.asarray(array) for array in (a, b))
        assert (a.dtype, a.shape) == (b.dtype, b.shape), part
        bits = a.dtype if a.dtype.kind == "u" else np.uint32
        np.testing.assert_array_equal(b.view(bits), a.view(bits), err_msg=part)


def assert_same_values(found, due):
    found = np.asarray(found)
    assert found.dtype == due.dtype
    word = np.uint32 if due.dtype == np.float32 else np.uint16
    differ = (found.view(word) != due.view(word)) & ~(np.isnan(found) & np.isnan(due))
    assert not differ.any(), (int(differ.sum()), found[differ][:3], due[differ][:3])


def assert_same_codes(x, name, rule, **more):
    """The same tensor, which is returned for both, or the same complaint."""
    try:
        due = golden.quantize_blocks(x, name, rule=rule, **more)
    except ValueError as error:
        complaint = re.escape(str(error))
    else:
        found = quantize_blocks(x, name, rule=rule, **more)
        assert_same_tensor(found, due)
        return found, due
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        quantize_blocks(x, name, rule=rule, **more)
    return None


def assert_same(x, name, rule, **more):
    """The same tensor and values, or the same complaint."""
    if both := assert_same_codes(x, name, rule, **more):
        for dtype in ("float32", "bfloat16", "float16"):
            assert_same_values(dequantize_blocks(both[0], dtype), golden.dequantize_blocks(both[1], dtype))


@pytest.mark.parametrize(("name", "rule"), [*HOME, *rotate(OTHERS, 24)])
def test_rules_and_formats(name, rule):
    """An ordinary tensor, blocks of every magnitude at once, and these with NaN and infinities."""
    assert_same(ordinary_rows(), name, rule)
    x = np.concatenate([scaled_rows(0), edge_rows(1), tie_rows()])
    assert_same(x, name, rule)
    x[::3, 7], x[1::3, 9], x[2::3, 40], x[5::9, 41] = np.nan, np.inf, -np.inf, -np.nan
    assert_same(x, name, rule)


@pytest.mark.parametrize(("name", "rule"), [(n, r) for n, r in HOME if factor_of(block_request(n, r))])
def test_one_magnitude_at_a_time(name, rule):
    """Whether a tensor takes the plain operations depends on all of its blocks: so each exponent has a tensor."""
    rows = ordinary_rows()
    for exponent in (*range(-149, -130, 3), *range(-130, -104), *range(-104, 104, 16), *range(104, 126, 3)):
        x = np.ldexp(rows, exponent)
        assert_same_codes(x, name, rule)


@pytest.mark.parametrize(("name", "rule"), HOME)
def test_the_judge(name, rule):
    x = np.concatenate([scaled_rows(8, 2), tie_rows(2), edge_rows(9, 2)])
    if block(name).block == (128, 128):
        x = x[:, :128]
    assert_judged(quantize_blocks(x, name, rule=rule, ragged="short"), x, block_rule(rule))


def every_amax():
    """All positive float16 and bfloat16 numbers, each the largest of a row of 32."""
    halves = np.arange(1, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    brains = (np.arange(1, 0x7F80, dtype=np.uint32) << 16).view(np.float32)
    x = np.zeros((halves.size + brains.size, 32), np.float32)
    x[:, 3] = np.concatenate([halves, brains])
    x[:, 5] = -x[:, 3] / 3
    return x


MX_RULES = ("floor", "ceil", "rceil", "even", "transformer_engine_mxfp8", "microxcaling")


@pytest.mark.parametrize(
    ("name", "rule"),
    [(name, rule) for name in ("mxfp4", "mxfp8_e4m3") for rule in MX_RULES]
    + [("mxfp4", "modelopt_mxfp4"), ("mxfp4", "ggml_mxfp4")]
    + [("int8_g32", "absmax"), ("uint4_g32_offset", "minmax_offset")],
)
def test_every_float16_and_bfloat16_amax(name, rule):
    x = every_amax()
    assert_same_codes(x, name, rule)


@pytest.mark.parametrize(("dtype", "special"), [("float16", 0x7C00), ("bfloat16", 0x7F80)])
def test_narrow_inputs(dtype, special):
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(-1, ROW)
    x = np.where(bits & special == special, np.uint16(0), bits).view(jnp.dtype(dtype))
    for name, rule in (("mxfp8_e4m3", "floor"), ("nvfp4", "torchao_nvfp4"), ("uint4_g128", "minmax_zero_point")):
        assert_same_codes(x, name, rule)


@pytest.mark.parametrize(
    ("name", "shape"), [("mxfp4", (3, 5, 70)), ("deepseek_128x128", (2, 130, 257)), ("nf4_g64", (7,))]
)
def test_short_blocks(name, shape):
    rule = {"mxfp4": "even", "nf4_g64": "bitsandbytes_nf4"}.get(name, "deepseek_v3")
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    assert_same(x, name, rule, ragged="short")


@pytest.mark.parametrize("rounding", [Rounding.TOWARD_ZERO, Rounding.TOWARD_POSITIVE, Rounding.STOCHASTIC_B])
@pytest.mark.parametrize(("name", "rule"), [("mxfp4", "floor"), ("int4_g128", "absmax")])
def test_other_roundings(name, rule, rounding):
    how = replace(block_rule(rule), rounding=rounding)
    x = np.concatenate([scaled_rows(4), tie_rows()])
    drawn = {}
    if rounding.is_stochastic:
        bits = np.random.default_rng(5).integers(0, 1 << 6, x.shape)
        drawn = {"random_bits": bits, "random_bit_count": 6}
    assert_same(x, name, how, **drawn)


def test_second_level_numbers_for_some_blocks():
    scale = Level(format=formats.get("float8_e4m3fn"), second=formats.get("bfloat16"), per=4)
    spec = BlockSpec(name="demo", element=formats.get("float4_e2m1fn"), block=(16,), scale=scale, source="a test")
    assert_same(scaled_rows(6), spec, "torchao_nvfp4")


@pytest.mark.parametrize("rule", ["torchao_nvfp4", "modelopt_nvfp4", "transformer_engine_nvfp4"])
def test_nothing_times_infinity_is_what_the_rule_makes_of_nan(rule):
    """Second numbers of tensors of the smallest numbers have infinite reciprocals: 0 times them is NaN, of any sign."""
    name = "nvfp4_divisor" if rule.startswith("transformer") else "nvfp4"
    x = np.zeros((2, 32), np.float32)
    x[:, ::3], x[:, 1::3] = 3e-42, -0.0
    assert_same(x, name, replace(block_rule(rule), nan=NanRule.ZERO))


@pytest.mark.parametrize("rule", ["torchao_nvfp4", "modelopt_nvfp4"])
@pytest.mark.parametrize("second", [2.0**-9, 2.0**-149, 2.0**-127, 2.0**60, 2.0**127])
def test_a_second_number_that_is_known_before(rule, second):
    how = replace(block_rule(rule), nan=NanRule.ZERO)
    for x in (scaled_rows(8, 32), edge_rows(9, 32), tie_rows(32)):
        assert_same(x, "nvfp4", how, second=second)


def test_known_second_numbers_for_some_blocks():
    scale = Level(format=formats.get("float8_e4m3fn"), second=formats.get("bfloat16"), per=4)
    spec = BlockSpec(name="demo", element=formats.get("float4_e2m1fn"), block=(16,), scale=scale, source="a test")
    x = scaled_rows(6, 8)
    second = golden.quantize_blocks(x, spec, rule="torchao_nvfp4").second
    assert second.shape == (8, 4)
    for known in (second, second * 4, second.astype(ml_dtypes.bfloat16)):
        assert_same(x, spec, "torchao_nvfp4", second=known)


def test_known_second_numbers_under_transformations():
    x, second = scaled_rows(7, 8).reshape(2, 4, ROW), np.float32([0.375, 2.0**-140])
    rule = replace(block_rule("torchao_nvfp4"), nan=NanRule.ZERO)
    due = [golden.quantize_blocks(part, "nvfp4", rule=rule, second=own) for part, own in zip(x, second, strict=True)]

    def quantise(v, own):
        return quantize_blocks(v, "nvfp4", rule=rule, second=own)

    mapped = jax.vmap(quantise)(x, second)
    for i, part in enumerate(due):
        assert_same_tensor(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), part)
        assert_same_tensor(jax.jit(quantise)(x[i], second[i]), part)
    with pytest.raises(TypeError, match="dtype bfloat16 is not accepted under a transformation; accepted: float32"):
        jax.jit(quantise)(x[0], jnp.bfloat16(1))
    with pytest.raises(ValueError, match=r"nvfp4: second has shape \(2,\); x of shape \(4, 256\) goes with \(\)"):
        jax.jit(quantise)(x[0], second)


@pytest.mark.parametrize(
    ("name", "rule", "second"),
    [("nvfp4", "torchao_nvfp4", 0.0), ("nvfp4", "torchao_nvfp4", np.inf), ("mxfp4", "floor", 1.0)],
)
def test_second_numbers_are_refused_as_by_the_golden_model(name, rule, second):
    x = np.ones((1, 32), np.float32)
    with pytest.raises(ValueError, match="second") as complaint:
        golden.quantize_blocks(x, name, rule=rule, second=second)
    with pytest.raises(ValueError, match=f"^{re.escape(str(complaint.value))}$"):
        quantize_blocks(x, name, rule=rule, second=second)


@pytest.mark.parametrize(("name", "rule"), [("mxfp8_e4m3", "floor"), ("nvfp4", "torchao_nvfp4")])
def test_transformations(name, rule):
    """A tensor is a pytree; jit and vmap change nothing, nor do 64-bit types."""
    x = scaled_rows(7, 8).reshape(2, 4, ROW)
    due = [golden.quantize_blocks(part, name, rule=rule) for part in x]

    def quantise(v):
        return quantize_blocks(v, name, rule=rule)

    mapped = jax.vmap(quantise)(x)
    values = jax.vmap(dequantize_blocks)(mapped)
    with jax.enable_x64(True):
        wide = jax.jit(quantise)(x[1])
    for i, part in enumerate(due):
        assert_same_tensor(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), part)
        assert_same_values(values[i], golden.dequantize_blocks(part))
    assert_same_tensor(jax.jit(quantise)(x[1]), due[1])
    assert_same_tensor(wide, due[1])
    assert_same_values(jax.jit(lambda v: dequantize_blocks(quantise(v)))(x[0]), golden.dequantize_blocks(due[0]))


def test_a_special_number_cannot_be_seen_under_jit():
    x = np.full((1, 64), np.nan, np.float32)
    with pytest.raises(ValueError, match=r"x\[0, 0\] = nan, which rule 'bitsandbytes_nf4' refuses"):
        quantize_blocks(x, "nf4_g64", rule="bitsandbytes_nf4")
    made = jax.jit(lambda v: quantize_blocks(v, "nf4_g64", rule="bitsandbytes_nf4"))(x)
    assert made.codes.shape == (1, 64)


def test_refusals():
    x = np.zeros((2, 32), np.float32)
    with pytest.raises(TypeError, match="dtype float64 is not accepted"):
        quantize_blocks(x.astype(np.float64), "mxfp4", rule="floor")
    with pytest.raises(ValueError, match="is not cut evenly into blocks"):
        quantize_blocks(x[:, :31], "mxfp4", rule="floor")
    with pytest.raises(ValueError, match="random_bits mean nothing for rule 'floor'"):
        quantize_blocks(x, "mxfp4", rule="floor", random_bits=x)
    many = replace(block_rule("absmax"), rounding=Rounding.STOCHASTIC_A)
    with pytest.raises(ValueError, match="exact quotients for rule 'absmax' need 25 bits; in JAX at most 22"):
        quantize_blocks(x, "int8_g32", rule=many, random_bits=np.zeros(x.shape, int), random_bit_count=16)
    made = quantize_blocks(x, "mxfp4", rule="floor")
    with pytest.raises(ValueError, match="dtype='float64' is not taken in JAX; choose one of: float32, bfloat16"):
        dequantize_blocks(made, "float64")
    with pytest.raises(ValueError, match="code 16 at \\[0, 0\\] does not fit float4_e2m1fn"):
        dequantize_blocks(replace(made, codes=made.codes + jnp.uint8(16)))


def test_values_that_are_no_single_product_are_refused():
    wide = Level(format=formats.FLOAT32, second=formats.FLOAT32)
    spec = BlockSpec(name="demo", element=formats.get("int4"), block=(2,), scale=wide, source="a test")
    codes, scales = np.zeros((1, 2), np.uint8), np.zeros((1, 1), np.uint32)
    with pytest.raises(ValueError, match="demo: elements times scales have 28 bits, at most 24 are taken in JAX"):
        dequantize_blocks(BlockTensor(spec=spec, codes=codes, scales=scales, second=np.float32(1)))


def test_a_wrong_code_would_be_noticed():
    x = tie_rows()
    due, found = (f(x, "mxfp4", rule="floor") for f in (golden.quantize_blocks, quantize_blocks))
    with pytest.raises(AssertionError, match="codes"):
        assert_same_tensor(replace(found, codes=found.codes.at[3, 5].add(1)), due)
    assert block("mxfp4") == found.spec
