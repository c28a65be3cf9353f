"""Requantisation by dyadic numbers: judge, golden model and JAX agree, and published vectors hold."""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rotation import rotate

import formats
import kernels_ref
import reference
from formats import HAWQ_V3, Dyadic, DyadicSpec, IntSpec, Rounding
from reference import exact

MODES = [mode for mode in Rounding if not mode.is_stochastic]
EVEN, AWAY = "nearest_ties_to_even", "nearest_ties_to_away"
CLAMP = {"saturation": "sat_finite"}
INT16, INT32 = (
    IntSpec(name=f"int{bits}", bits=bits, minimum=-(1 << (bits - 1)), maximum=(1 << (bits - 1)) - 1, source="C")
    for bits in (16, 32)
)
UINT32 = IntSpec(name="uint32", bits=32, minimum=0, maximum=(1 << 32) - 1, source="C")
HALF = Dyadic(multiplier=1 << 30, shift=31)


def value(codes, fmt):
    return [int(exact.decode(int(code), fmt)) for code in codes]


def judged(x, dyadic, fmt, **policy):
    return [exact.requantise(int(v), dyadic, fmt, **policy) for v in x]


def executors(x, dyadic, fmt, **policy):
    """The codes of the golden model, checked against JAX with 64-bit types off and on."""
    codes = reference.requantise(x, dyadic, fmt, **policy)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            other = kernels_ref.requantise(jnp.asarray(x), dyadic, fmt, **policy)
            assert other.dtype == codes.dtype
            np.testing.assert_array_equal(other, codes)
    return codes


# Worked from the rules of HAWQ-V3 (arXiv 2011.10680): its PyTorch model rounds half to even, TVM's qnn.requantize with
# TONEAREST half away from zero, its TRUNCATE toward minus infinity.
@pytest.mark.parametrize(
    ("dyadic", "x", "rounding", "due"),
    [
        (HALF, [-6, -5, -3, -2, -1, 1, 2, 3, 5, 6], EVEN, [-3, -2, -2, -1, 0, 0, 1, 2, 2, 3]),
        (HALF, [-6, -5, -3, -2, -1, 1, 2, 3, 5, 6], AWAY, [-3, -3, -2, -1, -1, 1, 1, 2, 3, 3]),
        (HALF, [-6, -5, -3, -2, -1, 1, 2, 3, 5, 6], "toward_negative", [-3, -3, -2, -1, -1, 0, 1, 1, 2, 3]),
        (Dyadic(multiplier=1717986918, shift=33), [19], EVEN, [4]),
        (Dyadic(multiplier=1717986918, shift=33), [19], "toward_negative", [3]),
        (Dyadic(multiplier=1717986918, shift=32), [26], AWAY, [10]),
        (
            Dyadic(multiplier=1992157658, shift=38),
            [-100000, -12345, -138, -69, -1, 0, 1, 69, 138, 12345, 100000],
            EVEN,
            [-725, -89, -1, -1, 0, 0, 0, 1, 1, 89, 725],
        ),
        (
            Dyadic(multiplier=1992157658, shift=38),
            [-100000, -12345, -138, -69, -1, 0, 1, 69, 138, 12345, 100000],
            "toward_negative",
            [-725, -90, -2, -1, -1, 0, 0, 0, 1, 89, 724],
        ),
        (Dyadic(multiplier=1503238554, shift=30), [-57, 91, 1, 25, 30000], AWAY, [-80, 127, 1, 35, 42000]),
        # gemmlowp's and TFLite's multipliers 0.75, 0.25 and 1.5, under TVM's TONEAREST
        (Dyadic(multiplier=1610612736, shift=31), [-138, -69, 69, 138], AWAY, [-104, -52, 52, 104]),
        (
            Dyadic(multiplier=1073741824, shift=32),
            [-12345, -138, -69, -1, 1, 69, 138, 12345],
            AWAY,
            [-3086, -35, -17, 0, 0, 17, 35, 3086],
        ),
        (Dyadic(multiplier=1610612736, shift=30), [-12345, -69, -1, 1, 69], AWAY, [-18518, -104, -2, 2, 104]),
    ],
)
def test_worked_vectors(dyadic, x, rounding, due):
    policy = {"rounding": rounding, **CLAMP}
    assert value(judged(x, dyadic, INT32, **policy), INT32) == due
    assert value(executors(np.array(x, np.int32), dyadic, INT32, **policy), INT32) == due


def test_the_product_is_exact_where_float64_is_not():
    """x * b is a hair above a tie between 2^53 and 2^62: HAWQ-V3's float64 product rounds it onto the tie."""
    x, dyadic = 577140591, Dyadic(multiplier=1725220751, shift=34)
    assert round(float(x) * float(dyadic.multiplier) / 2.0**dyadic.shift) == 57957072
    assert judged([x], dyadic, INT32, rounding=EVEN, **CLAMP) == [57957073]
    assert executors(np.array([x], np.int32), dyadic, INT32, rounding=EVEN, **CLAMP) == [57957073]


@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize("saturation", ["sat_finite", "wrap"])
@pytest.mark.parametrize("fmt", ["int8", INT32, UINT32])
def test_rounding_up_carries_out_of_the_low_word(fmt, saturation, rounding):
    """4196353 * 2047 = 2^33 - 1, so the quotient is 2^32 - 1/2."""
    x = np.array([4196353, -4196353], np.int32)
    policy = {"rounding": rounding, "saturation": saturation}
    due = judged(x, Dyadic(multiplier=2047, shift=1), fmt, **policy)
    assert executors(x, Dyadic(multiplier=2047, shift=1), fmt, **policy).tolist() == due


DYADICS = [
    Dyadic(multiplier=1, shift=1),  # every odd x is a tie
    Dyadic(multiplier=3, shift=3),
    Dyadic(multiplier=1, shift=9),
    Dyadic(multiplier=HAWQ_V3.nearest(Fraction(1, 300)).multiplier, shift=39),
    HAWQ_V3.nearest(Fraction(127, 1 << 15)),
    Dyadic(multiplier=1 << 30, shift=38),  # ties through the high word
    Dyadic(multiplier=5, shift=0),
    Dyadic(multiplier=(1 << 31) - 1, shift=39),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("dyadic", "rounding"), rotate(list(itertools.product(DYADICS, MODES)), 16))
def test_all_int16(dyadic, rounding):
    x = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    for fmt in ("int8", INT16):
        due = judged(x, dyadic, fmt, rounding=rounding, **CLAMP)
        np.testing.assert_array_equal(executors(x, dyadic, fmt, rounding=rounding, **CLAMP), due)


MULTIPLIERS = (0, 1, 3, (1 << 16) - 1, 1 << 16, (1 << 30) + 1, 1 << 30, (1 << 31) - 1)
EDGES = (0, 1, -1, 3, -5, 127, 65535, -65536, 1 << 30, (1 << 31) - 1, -(1 << 31) + 1, -(1 << 31))
TARGETS = [
    *itertools.product(("int8", "uint8", "int4", INT16, INT32, UINT32), ("sat_finite", "wrap")),
    ("int8_narrow", "sat_finite"),
    ("ternary", "sat_finite"),
]


@pytest.mark.parametrize(("fmt", "saturation"), TARGETS)
def test_every_shift_at_the_edges(fmt, saturation):
    dyadics = [Dyadic(multiplier=b, shift=c) for b, c in itertools.product(MULTIPLIERS, range(63))]
    x = np.array(EDGES, np.int64).astype(np.int32)
    for mode in rotate(MODES, 3):
        policy = {"rounding": mode, "saturation": saturation}
        due = np.array([judged(x, dyadic, fmt, **policy) for dyadic in dyadics]).T
        wide = np.repeat(x[:, None], len(dyadics), axis=1)
        np.testing.assert_array_equal(executors(wide, dyadics, fmt, **policy), due)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "uint16"])
def test_narrow_inputs_are_taken_by_value(dtype):
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 5, 7], dtype)
    due = judged(ends, HALF, INT16, rounding=EVEN, **CLAMP)
    assert executors(ends, HALF, INT16, rounding=EVEN, **CLAMP).tolist() == due


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (2, 3, 4)])
def test_shapes(shape):
    x = np.arange(-9, -9 + int(np.prod(shape)), dtype=np.int32).reshape(shape)
    codes = executors(x, HALF, "int8", rounding=EVEN, **CLAMP)
    assert codes.shape == shape
    assert codes.ravel().tolist() == judged(x.ravel(), HALF, "int8", rounding=EVEN, **CLAMP)


def test_zero_without_axes_gives_no_warning():
    """NumPy warns of unsigned overflow in scalars only."""
    assert executors(np.array(0, np.int32), HALF, "uint8", rounding=AWAY, **CLAMP) == 0


def test_channels_lie_along_the_last_axis():
    x = np.array([[100, 100, 100], [-7, -7, -7]], np.int32)
    channels = [HALF, Dyadic(multiplier=3, shift=2), Dyadic(multiplier=2, shift=0)]
    codes = executors(x, channels, "int8", rounding=AWAY, **CLAMP)
    assert codes.view(np.int8).tolist() == [[50, 75, 127], [-4, -5, -14]]


def test_jit_and_vmap():
    x = np.arange(-12, 12, dtype=np.int32).reshape(2, 3, 4)
    channels = [HALF, Dyadic(multiplier=3, shift=2), Dyadic(multiplier=2, shift=0), Dyadic(multiplier=1, shift=62)]
    due = reference.requantise(x, channels, "int4", rounding=EVEN, **CLAMP)

    def one(row):
        return kernels_ref.requantise(row, channels, "int4", rounding=EVEN, **CLAMP)

    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.vmap(one)))(x), due)


def test_another_byte_order_is_the_same_number():
    x = np.array([300, -5], ">i4")
    assert reference.requantise(x, HALF, "int8", rounding=AWAY, **CLAMP).view(np.int8).tolist() == [127, -3]


REQUANTISERS = (reference.requantise, kernels_ref.requantise)


@pytest.mark.parametrize("verb", REQUANTISERS)
class TestBadInput:
    def refused(self, verb, kind, match, x=None, dyadic=HALF, fmt="int8", **policy):
        with pytest.raises(kind, match=match):
            verb(np.array([1, 2], np.int32) if x is None else x, dyadic, fmt, **{"rounding": EVEN, **CLAMP, **policy})

    @pytest.mark.parametrize("dtype", ["float32", "int64", "uint32", "uint64", "bool"])
    def test_dtype(self, verb, dtype):
        match = f"x has dtype {dtype}; accepted: int8, int16, int32, uint8, uint16"
        self.refused(verb, TypeError, match, x=np.zeros(2, dtype))

    def test_rounding(self, verb):
        self.refused(verb, ValueError, "rounding='half_up' is not known; choose one of", rounding="half_up")
        self.refused(verb, TypeError, "rounding must be stated", rounding=None)
        self.refused(verb, ValueError, "'stochastic_a' is stochastic; requantisation accepts", rounding="stochastic_a")

    def test_saturation(self, verb):
        self.refused(verb, ValueError, "saturation='sat_none' means nothing for int8", saturation="sat_none")
        self.refused(verb, ValueError, "'wrap' means nothing for int8_narrow", fmt="int8_narrow", saturation="wrap")

    def test_format(self, verb):
        self.refused(verb, TypeError, "fmt='float8_e4m3fn' is a float format", fmt="float8_e4m3fn")
        self.refused(verb, ValueError, "fmt='mxint8' is scaled or lacks zero", fmt="mxint8")
        self.refused(verb, ValueError, "fmt='binary' is scaled or lacks zero", fmt="binary")
        self.refused(verb, KeyError, "unknown format 'int9'", fmt="int9")

    def test_channels(self, verb):
        self.refused(verb, ValueError, r"3 dyadic numbers for x of shape \(2,\); give one, or", dyadic=[HALF] * 3)
        self.refused(verb, ValueError, r"1 dyadic numbers for x of shape \(\)", x=np.int32(1), dyadic=[HALF])
        self.refused(verb, TypeError, "dyadic must hold formats.Dyadic numbers, not int", dyadic=(3, 2))


@pytest.mark.parametrize(
    ("kind", "match", "changes"),
    [
        (TypeError, "x must be an int, not float", {"x": 1.0}),
        (TypeError, "float8_e5m2 is a float format", {"fmt": "float8_e5m2"}),
        (ValueError, "mxint8 is scaled or lacks zero", {"fmt": "mxint8"}),
        (ValueError, "'stochastic_b' is stochastic", {"rounding": "stochastic_b"}),
        (ValueError, "saturation='sat_none' means nothing for int8", {"saturation": "sat_none"}),
    ],
)
def test_the_judge_refuses(kind, match, changes):
    with pytest.raises(kind, match=match):
        exact.requantise(**{"x": 1, "dyadic": HALF, "fmt": "int8", "rounding": EVEN, **CLAMP, **changes})


class TestDyadic:
    @pytest.mark.parametrize(
        ("kind", "match", "fields"),
        [
            (ValueError, r"multiplier=2147483648 must lie in \[0, 2\^31\)", {"multiplier": 1 << 31, "shift": 0}),
            (ValueError, "multiplier=-1 must lie in", {"multiplier": -1, "shift": 0}),
            (ValueError, r"shift=63 must lie in \[0, 62\]", {"multiplier": 1, "shift": 63}),
            (ValueError, "shift=-1 must lie in", {"multiplier": 1, "shift": -1}),
            (TypeError, "multiplier=0.5 must be an int, not float", {"multiplier": 0.5, "shift": 0}),
        ],
    )
    def test_out_of_range(self, kind, match, fields):
        with pytest.raises(kind, match=match):
            Dyadic(**fields)

    @pytest.mark.parametrize(
        ("ratio", "multiplier", "shift"),
        [
            (Fraction(1, 5), 1717986918, 33),
            (Fraction(2, 5), 1717986918, 32),
            (Fraction(1, 2), 1 << 30, 31),
            (Fraction(7, 5), 1503238554, 30),
            (Fraction((1 << 40) - 1, 1 << 40), 1 << 30, 30),  # carries to 2^31
            (1 - 2.0**-40, 1 << 30, 30),
            (1, 1 << 30, 30),
            (Fraction((1 << 31) - 1, 1 << 62), (1 << 31) - 1, 62),
            ((1 << 31) - 1, (1 << 31) - 1, 0),
        ],
    )
    def test_nearest_of_hawq_v3(self, ratio, multiplier, shift):
        assert HAWQ_V3.nearest(ratio) == Dyadic(multiplier=multiplier, shift=shift)

    def test_nearest_is_nearest(self):
        """All ratios with small terms, against all normalised numbers of four bits."""
        spec = DyadicSpec(name="demo", multiplier_bits=4, source="a test")
        normalised = [Fraction(b, 1 << c) for b in range(8, 16) for c in range(12)]
        ratios = {Fraction(n, d) for n, d in itertools.product(range(1, 32), range(1, 32))}
        for ratio in (r for r in ratios if r <= 15):
            found = spec.nearest(ratio)
            best = min(abs(number - ratio) for number in normalised)
            assert 8 <= found.multiplier < 16
            assert found.value == max(number for number in normalised if abs(number - ratio) == best)  # halves up

    @pytest.mark.parametrize("ratio", [0, -1, Fraction(-1, 3), float("inf"), float("nan")])
    def test_ratio_must_be_positive_and_finite(self, ratio):
        with pytest.raises(ValueError, match="must be positive and finite"):
            HAWQ_V3.nearest(ratio)

    @pytest.mark.parametrize(("ratio", "shift"), [(Fraction(1 << 31), -1), (Fraction(1, 1 << 33), 63), (1e-300, 1027)])
    def test_ratio_beyond_the_shifts(self, ratio, shift):
        with pytest.raises(ValueError, match=rf"needs shift={shift} in hawq_v3, which must lie in \[0, 62\]"):
            HAWQ_V3.nearest(ratio)

    def test_multiplier_bits(self):
        with pytest.raises(ValueError, match=r"multiplier_bits=32 must lie in 1\.\.31"):
            DyadicSpec(name="demo", multiplier_bits=32, source="a test")


def test_the_target_may_be_a_record():
    assert formats.get(INT16) is INT16
    assert executors(np.array([1 << 20], np.int32), HALF, INT16, rounding=EVEN, **CLAMP) == [32767]
