"""Quantisation into blocks by one kernel: interpreted, its arithmetic on NumPy, and compiled for an H100."""

from __future__ import annotations

from types import SimpleNamespace

import described_gpu
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from rotation import rotate

import reference
from formats.block_formats.named import blocks
from formats.block_formats.rules import block_rules
from kernels_ref.hopper import block, block_codes, block_numbers, block_pairs, block_quotient, element_nearest
from kernels_ref.hopper.element_lanes import ArrayPairs
from reference.array.block_request import block_request

OLD = jax.__version_info__ < (0, 11, 2)
needs_pallas = pytest.mark.skipif(OLD, reason=f"Mosaic GPU kernels need jax >= 0.11.2; this is {jax.__version__}")


def supported(name, rule):
    try:
        block.supported(block_request(name, rule))
    except ValueError:
        return False
    return True


PAIRS = [(name, rule) for name in blocks() for rule in block_rules() if supported(name, rule)]
MAIN = [("int4_g128", "absmax"), ("mxfp4", "floor"), ("nvfp4", "torchao_nvfp4"), ("deepseek_1x128", "deepgemm")]
DTYPES = ("bfloat16", "float32", "float16")


def numbers(dtype, seed=0):
    """Rows of every size, of small integers and halves, in which ties abound, of zeros, and of zeros among numbers."""
    rng = np.random.default_rng(seed)
    span = 6 if dtype == "float16" else 40
    x = rng.standard_normal((16, 512)) * np.exp2(rng.integers(-span, span, (16, 1)))
    x[:4] = rng.integers(-9, 10, (4, 512))
    x[4:8] = rng.integers(-30, 31, (4, 512)) / 4
    x[8], x[9, ::3] = 0.0, -0.0
    return x.astype(np.float32).astype(dtype)


def equal(got, want):
    np.testing.assert_array_equal(np.asarray(got.scales), want.scales)
    np.testing.assert_array_equal(np.asarray(got.codes), want.codes)
    assert got.codes.dtype == want.codes.dtype
    assert got.scales.dtype == want.scales.dtype
    assert (got.second is None) == (want.second is None)
    assert got.second is None or float(got.second) == float(want.second)


@needs_pallas
@pytest.mark.parametrize(("name", "rule", "dtype"), [(*pair, d) for pair in MAIN for d in rotate(DTYPES, 2)])
def test_main_formats_equal_the_golden_model(name, rule, dtype):
    x = numbers(dtype)
    equal(block.quantize_blocks(x, name, rule=rule, interpret=True), reference.quantize_blocks(x, name, rule=rule))


@needs_pallas
@pytest.mark.parametrize(("name", "rule"), rotate(PAIRS, 40))
def test_every_format_and_rule_equals_the_golden_model(name, rule):
    x = numbers("bfloat16", seed=1)
    if (name, rule) == ("nvfp4_untied", "deepgemm"):  # scales below the least of E4M3 are 0
        with pytest.raises(ValueError, match=r"x\[8, 0\] over its scale is NaN, but float4_e2m1fn has no NaN"):
            block.quantize_blocks(x, name, rule=rule, interpret=True)
        x = x[:8]
    equal(block.quantize_blocks(x, name, rule=rule, interpret=True), reference.quantize_blocks(x, name, rule=rule))


def moderate_bfloat16(size):
    """Each bfloat16 number from 2^-100 to 2^113, and 0, beside neighbours up to 2^9 times as large."""
    patterns = np.arange(27 << 7, 240 << 7, dtype=np.uint16)
    x = patterns.view(ml_dtypes.bfloat16).astype(np.float32)
    x = np.concatenate([x, -x, [0.0, -0.0]])
    x = np.resize(x, (-(-len(x) // size), size))
    x[:, 0] = np.abs(x).max(1) * np.exp2(np.arange(len(x)) % 10)
    return x.astype(ml_dtypes.bfloat16)


@needs_pallas
@pytest.mark.parametrize(("name", "rule"), rotate([*MAIN[:2], ("mxfp8_e4m3", "rceil"), ("nvfp4_untied", "absmax")], 2))
def test_all_moderate_bfloat16(name, rule):
    x = moderate_bfloat16(128)
    equal(block.quantize_blocks(x, name, rule=rule, interpret=True), reference.quantize_blocks(x, name, rule=rule))


@needs_pallas
@pytest.mark.parametrize(
    ("name", "rule"), [("mxfp4", "floor"), ("mxint8", "rceil"), ("mxfp8_e5m2", "transformer_engine_mxfp8")]
)
def test_what_is_not_finite_does_as_the_rule_says(name, rule):
    x = numbers("float32")
    x[0, 5], x[1, 40], x[2, 3], x[3, 70] = np.nan, np.inf, -np.inf, np.float32(-np.nan)
    equal(block.quantize_blocks(x, name, rule=rule, interpret=True), reference.quantize_blocks(x, name, rule=rule))


@needs_pallas
@pytest.mark.parametrize(("name", "rule"), [("int4_g128", "absmax"), ("nvfp4_untied", "absmax")])
def test_scales_that_are_rounded_to_zero_leave_the_largest_codes(name, rule):
    x = numbers("float32")
    x[:8] *= np.float32(2.0**-30)
    got, want = block.quantize_blocks(x, name, rule=rule, interpret=True), reference.quantize_blocks(x, name, rule=rule)
    assert (want.scales == 0).any()
    equal(got, want)


@needs_pallas
@pytest.mark.parametrize("factor", [2.0**-90, 2.0**90])
def test_second_numbers_beyond_the_kernel_are_left_to_xla(factor):
    x = numbers("float32") * np.float32(2.0**-40 * factor)
    got = block.quantize_blocks(x, "nvfp4", rule="torchao_nvfp4", interpret=True)
    equal(got, reference.quantize_blocks(x, "nvfp4", rule="torchao_nvfp4"))


@needs_pallas
@pytest.mark.parametrize(("name", "rule"), [("int4_g128", "absmax"), ("mxfp4", "ceil"), ("mxfp8_e4m3", "floor")])
@pytest.mark.parametrize("shape", [(1, 128), (3, 5, 256), (2, 0, 128)])
def test_packed_codes_of_any_number_of_blocks(name, rule, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    want = reference.quantize_blocks(x, name, rule=rule)
    got = jax.jit(lambda v: block.quantize_packed(v, name, rule=rule, interpret=True))(x)
    codes = reference.pack(want.codes, "4bit_low_first") if want.spec.element.bits == 4 else want.codes
    np.testing.assert_array_equal(np.asarray(got.words), codes)
    np.testing.assert_array_equal(np.asarray(got.scales), want.scales)


@needs_pallas
def test_a_second_number_that_is_known_before():
    x = numbers("bfloat16")
    want = reference.quantize_blocks(x, "nvfp4", rule="torchao_nvfp4")
    got = block.quantize_packed(x, "nvfp4", rule="torchao_nvfp4", second=want.second, interpret=True)
    np.testing.assert_array_equal(np.asarray(got.words), reference.pack(want.codes, "4bit_low_first"))
    np.testing.assert_array_equal(np.asarray(got.scales), want.scales)
    with pytest.raises(ValueError, match=r"second=1e-30 must lie from 2\^-60 to 2\^60"):
        block.quantize_packed(x, "nvfp4", rule="torchao_nvfp4", second=1e-30, interpret=True)
    with pytest.raises(ValueError, match=r"second=1\.0 means nothing: mxfp4 has no second number"):
        block.quantize_packed(x, "mxfp4", rule="floor", second=1.0, interpret=True)
    with pytest.raises(ValueError, match=r"second has shape \(2,\); it is one number for the whole tensor"):
        block.quantize_packed(x, "nvfp4", rule="torchao_nvfp4", second=np.ones(2, np.float32), interpret=True)


def wholes_of(name, rule, second=None):
    return np.asarray(block_numbers.evaluate_whole(block_request(name, rule), second))


@pytest.fixture
def on_numpy(monkeypatch):
    """The body of the kernel as a NumPy program: numbers keep what a CPU's XLA takes for 0, as they do on a GPU."""

    def across(of_block, shape, _):
        return np.broadcast_to(of_block[:, None], shape)

    primitives = SimpleNamespace(broadcast_in_dim=across, optimization_barrier=lambda x: x)
    for module in (block_codes, block_numbers, block_pairs, block_quotient):
        monkeypatch.setattr(module, "jnp", np)
    for module in (block_codes, block_numbers):
        monkeypatch.setattr(module, "lax", primitives)
    for name, dtype in (("bits_of", np.int32), ("number_of", np.float32)):
        monkeypatch.setattr(block_numbers, name, lambda x, dtype=dtype: np.asarray(x).view(dtype))

    def quantized(x, name, rule, whole=None, *, packed=None):
        """Each element for itself, or, with ``packed``, two at a time, packed or not."""
        made, lanes = block_request(name, rule), ArrayPairs(np)
        factor, rows = block.supported(made), x.reshape(-1, made.spec.size)
        known = wholes[name, rule] if whole is None else whole
        known = [np.float32(value) for value in known[: len(block_numbers.whole_tensor(made))]]
        with np.errstate(all="ignore"):
            if packed is None:
                bits = element_nearest.patterns(rows, np)
                found = block_numbers.Numbers((bits & element_nearest.MAGNITUDE).max(1), made, known)
                codes = block_codes.codes(bits, found, factor, made).astype(np.uint8)
            else:
                words, way = np.ascontiguousarray(rows).view(np.uint32), block_pairs.pairs(made, factor, packed)
                largest = block_pairs.folded(lanes, list(words.T)).view(np.int32)
                found = block_numbers.Numbers(largest, made, known)
                groups = words.reshape(len(words), -1, way.program.before)
                shared = [np.asarray(row).astype(np.uint32)[:, None] for row in way.rows(found)]
                (codes,) = way.program.steps(lanes, list(np.moveaxis(groups, -1, 0)), shared)
                codes = np.ascontiguousarray(codes).view(np.uint8)
        return codes.reshape(*x.shape[:-1], -1), found.stored.reshape(*x.shape[:-1], -1)

    wholes = {pair: wholes_of(*pair) for pair in [*TINY, *PAIRED]}
    return quantized


#: rules without a full quotient, which is JAX's
TINY = [
    ("mxfp4", "floor"),
    ("mxfp4", "rceil"),
    ("mxfp8_e4m3", "ceil"),
    ("mxfp8_e5m2", "floor"),
    ("mxint8", "even"),
    ("int4_g128", "absmax"),
    ("int4_g128", "absmax_half_step"),
    ("int8_g32", "absmax"),
    ("nvfp4_untied", "absmax"),
    ("deepseek_1x128", "deepgemm"),
]


@pytest.mark.parametrize(("name", "rule"), TINY)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_all_magnitudes_on_numpy(on_numpy, name, rule, dtype):
    """All bfloat16 numbers but NaN and infinity, each beside its neighbours, and blocks of subnormal numbers."""
    patterns = np.arange(0x7F80, dtype=np.uint16)
    x = np.concatenate([patterns, patterns | 0x8000, patterns[:0x100], patterns[:0x100]])
    x = np.resize(x, (-(-x.size // 512), 512)).view(ml_dtypes.bfloat16)
    if dtype == "float32":  # with bits below those of bfloat16
        wide = x.view(np.uint16).astype(np.uint32) << 16
        x = (wide | np.random.default_rng(0).integers(0, 1 << 16, x.shape, dtype=np.uint32)).view(np.float32)
    want = reference.quantize_blocks(x, name, rule=rule)
    codes, scales = on_numpy(x, name, rule)
    np.testing.assert_array_equal(scales, want.scales)
    np.testing.assert_array_equal(codes, want.codes)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("exponent", [-20, 0, 60])
def test_magnitudes_under_a_second_number_on_numpy(on_numpy, dtype, exponent):
    """All bfloat16 numbers up to a largest one, subnormal numbers too."""
    patterns = np.arange((127 + exponent) << 7, dtype=np.uint16)
    x = np.resize(np.concatenate([patterns, patterns | 0x8000]), (len(patterns) // 8, 16)).view(ml_dtypes.bfloat16)
    x = (x.astype(np.float32) * np.float32(1.375 if dtype == "float32" else 1)).astype(dtype)
    want = reference.quantize_blocks(x, "nvfp4", rule="torchao_nvfp4")
    whole = wholes_of("nvfp4", "torchao_nvfp4", want.second)
    codes, scales = on_numpy(x, "nvfp4", "torchao_nvfp4", whole)
    np.testing.assert_array_equal(scales, want.scales)
    np.testing.assert_array_equal(codes, want.codes)


def packed_alike(codes, bits):
    return codes[..., ::2] | codes[..., 1::2] << 4 if bits == 4 else codes


PAIRED = [
    *[("mxfp4", rule) for rule in ("floor", "ceil", "rceil", "even")],
    *[(f"mxfp{fmt}", "floor") for fmt in ("8_e4m3", "8_e5m2", "6_e2m3", "6_e3m2")],
    ("mxfp8_e5m2", "transformer_engine_mxfp8"),
    ("deepseek_1x128_ue8m0", "floor"),
    ("int4_g128", "absmax"),
    ("int4_g128", "absmax_half_step"),
]


def way_of(name, rule, packed=True):
    made = block_request(name, rule)
    return block_pairs.pairs(made, block.supported(made), packed)


@pytest.mark.parametrize(("name", "rule"), PAIRED)
def test_all_magnitudes_two_at_a_time_on_numpy(on_numpy, name, rule):
    """All bfloat16 numbers but NaN and infinity, each beside its neighbours, and beside larger ones."""
    patterns = np.arange(0x7F80, dtype=np.uint16)
    x = np.concatenate([patterns, patterns | 0x8000, patterns[:0x100], patterns[:0x100]])
    x = np.resize(x, (-(-x.size // 512), 512)).view(ml_dtypes.bfloat16)
    wide = x.astype(np.float32)
    wide[:, ::32] = np.minimum(np.abs(wide).max(1) * np.exp2(np.arange(len(x)) % 12), 2.0**127)[:, None]
    x = np.concatenate([x, wide.astype(ml_dtypes.bfloat16)])
    want = reference.quantize_blocks(x, name, rule=rule)
    codes, scales = on_numpy(x, name, rule, packed=True)
    np.testing.assert_array_equal(scales, want.scales)
    np.testing.assert_array_equal(codes, packed_alike(want.codes, want.spec.element.bits))


@pytest.mark.parametrize("name", ["mxfp4", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_what_is_not_finite_two_at_a_time_on_numpy(on_numpy, name):
    x = numbers("bfloat16")
    x[0, 5], x[1, 40], x[2, 3], x[3, 70] = np.nan, np.inf, -np.inf, -np.float32(np.nan)
    want = reference.quantize_blocks(x, name, rule="floor")
    codes, scales = on_numpy(x, name, "floor", packed=True)
    np.testing.assert_array_equal(scales, want.scales)
    np.testing.assert_array_equal(codes, packed_alike(want.codes, want.spec.element.bits))


@pytest.mark.parametrize("exponent", [-20, 0, 60])
@pytest.mark.parametrize("share", [1, 1 / 64])
def test_products_two_at_a_time_on_numpy(on_numpy, exponent, share):
    """Under the second number of the tensor, and under a smaller one, with which all scales and elements saturate."""
    patterns = np.arange((127 + exponent) << 7, dtype=np.uint16)
    x = np.resize(np.concatenate([patterns, patterns | 0x8000]), (len(patterns) // 8, 16)).view(ml_dtypes.bfloat16)
    second = reference.quantize_blocks(x, "nvfp4", rule="torchao_nvfp4").second * np.float32(share)
    whole = wholes_of("nvfp4", "torchao_nvfp4", second)
    want, scales = on_numpy(x, "nvfp4", "torchao_nvfp4", whole)
    codes, same = on_numpy(x, "nvfp4", "torchao_nvfp4", whole, packed=True)
    np.testing.assert_array_equal(scales, same)
    np.testing.assert_array_equal(codes, packed_alike(want, 4))


def test_formats_that_come_two_at_a_time():
    """Those of the contracts; not integers of 8 bits, and no products that are not packed."""
    assert all(way_of(*pair) is not None for pair in [*PAIRED, ("nvfp4", "torchao_nvfp4")])
    assert way_of("int8_g32", "absmax") is way_of("mxint8", "floor") is None
    assert way_of("deepseek_1x128", "deepgemm") is way_of("nvfp4", "torchao_nvfp4", packed=False) is None


class TestPairs:
    """The steps of one word on NumPy."""

    def test_products_next_to_every_tie(self):
        """Of numbers of 8 bits and float32 factors: the product on a tie, and a few units of the factor beside it."""
        numbers = np.arange(128, 256, dtype=np.float32)[:, None, None, None]
        ties = np.float32([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 7])[:, None, None]
        factor = (ties / numbers)[..., 0] + np.float32(0)
        factor = (factor.view(np.int32)[..., None] + np.arange(-3, 4, dtype=np.int32)).view(np.float32)
        x, factor = (np.ascontiguousarray(a) for a in np.broadcast_arrays(numbers, factor))
        want = reference.encode(x * factor, "float4_e2m1fn", rounding="nearest_ties_to_even", saturation="sat_finite")
        assert all((want == code).any() for code in range(8))
        made = block_request("nvfp4", "torchao_nvfp4")
        way = block_pairs.pairs(made, block.supported(made), packed=True)
        word = x.view(np.uint32) >> 16
        (got,) = way.program.steps(ArrayPairs(np), [word] * 4, [(factor * np.float32(0.125)).view(np.uint32)])
        np.testing.assert_array_equal(got, want * np.uint32(0x01010101))

    @pytest.mark.parametrize("exponent", [-24, -3, 0, 6])
    @pytest.mark.parametrize("off", [-3, 0, 3])
    def test_all_quotients_by_a_float16(self, monkeypatch, exponent, off):
        """All significands of both and all binades that matter, by reciprocals that are three units off."""
        scale = np.arange(1 << 10, 1 << 11).astype(np.float32)[:, None]
        binades = np.exp2(np.arange(-2, 7, dtype=np.float32))[:, None, None] * 2
        x = binades * np.arange(128, 256, dtype=np.float32) * np.ones_like(scale)
        twice = 2 * x.astype(np.int64) // scale.astype(np.int64)
        odd = (2 * x.astype(np.int64)) % scale.astype(np.int64) > 0
        near = (twice + 1) // 2 - ((twice % 4 == 1) & ~odd)
        scale, x = scale * np.float32(2.0**exponent), x * np.float32(2.0**exponent)
        way = way_of("int4_g128", "absmax")
        monkeypatch.setattr(block_pairs, "jnp", np)
        inverse, lift = way.rows(SimpleNamespace(value=lambda _: scale[:, 0]))
        inverse = (inverse + np.int32(off)).view(np.uint32)[:, None]
        for sign in (0, 0x8000):
            word = x.view(np.uint32) >> 16 | np.uint32(sign)
            (got,) = way.program.steps(ArrayPairs(np), [word] * 4, [inverse, np.uint32(lift.flat[0])])
            want = np.clip(near if sign == 0 else -near, -8, 7)
            np.testing.assert_array_equal(got, (want & 15).astype(np.uint32) * np.uint32(0x01010101))

    def test_a_quotient_that_is_rounded_once_is_seen(self):
        """Without the first rounding, a product with a reciprocal falls beside ties."""
        scale = np.arange(1 << 10, 1 << 11).astype(np.float32)
        tie = (np.float32(3.5) * scale).astype(np.float32)
        product = tie * block_quotient.reciprocal(scale, np)
        assert (np.rint(product) != np.rint(np.float32(3.5))).any()


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "rule", "said"),
        [
            ("deepseek_128x128", "deepgemm", r"kernels take blocks of 16, .* neighbours, not \(128, 128\)"),
            ("mxfp4", "torchao_rceil", "no logarithm is taken in a kernel"),
            ("mxfp4", "microxcaling", "elements are not rounded to nearest, ties to even"),
            ("deepseek_1x128", "deepseek_v3", "elements are divided by a number that is no power of two"),
            ("uint4_g128", "minmax_zero_point", "elements need more than one factor"),
        ],
    )
    def test_what_no_kernel_takes_says_what_does(self, name, rule, said):
        with pytest.raises(ValueError, match=said + ".*kernels_ref.quantize_blocks takes it"):
            block.quantize_blocks(np.ones((1, 128), np.float32), name, rule=rule)

    @needs_pallas
    def test_ragged_rows(self):
        with pytest.raises(ValueError, match=r"shape \(2, 100\) is not cut evenly into blocks of \(32,\)"):
            block.quantize_blocks(np.ones((2, 100), np.float32), "mxfp4", rule="floor", interpret=True)

    @needs_pallas
    def test_not_finite_where_the_rule_refuses_it(self):
        x = numbers("float32")
        x[3, 7] = np.nan
        with pytest.raises(ValueError, match=r"x\[3, 7\] = nan, which rule 'absmax' refuses"):
            block.quantize_blocks(x, "int4_g128", rule="absmax", interpret=True)

    @pytest.mark.skipif(not OLD, reason="this jax has Mosaic GPU kernels")
    def test_an_old_jax_is_told_what_is_needed(self):
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            block.quantize_blocks(np.ones((1, 32), np.float32), "mxfp4", rule="floor")


@pytest.mark.parametrize(("name", "rule"), MAIN + rotate(PAIRS, 160))
def test_compiles_for_the_h100(name, rule):
    sharding, made = described_gpu.h100(), block_request(name, rule)
    wholes = max(1, len(block_numbers.whole_tensor(made)))
    count = 2 * block.PER_CTA // made.spec.size
    for dtype in ("bfloat16", "float32"):
        shapes = [((count, made.spec.size), dtype), ((wholes,), "float32")]
        operands = [jax.ShapeDtypeStruct(shape, kind, sharding=sharding) for shape, kind in shapes]
        subject = block.kernel(made, count, jnp.dtype(dtype).itemsize)
        assert jax.jit(subject, out_shardings=sharding).trace(*operands).lower().compile() is not None
