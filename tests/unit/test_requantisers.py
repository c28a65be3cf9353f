"""Requantisers and residual additions of published systems: judge, NumPy and JAX on ties, edges, worked vectors."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import formats
import kernels_ref.integer
import reference.integer
from formats.dyadic import DyadicPair
from formats.integer_only.additions import addition_rule, addition_rules
from formats.integer_only.multipliers import dyadic_rule, dyadic_rules
from formats.integer_only.requantisers import requantiser, requantisers
from formats.integer_only.widths import accumulators, widest
from formats.results import INT16, INT32
from kernels_ref.integer.audit import audit
from reference.exact import integer_addition, integer_requantise
from reference.integer.network import Affine

RATIOS = (0.5, 0.25, 0.75, 3 * 2.0**-9, 0.007247427341846, 0.9999999)
ABOVE_ONE = (1.5, 3.7)
INTEGER_RULES = [name for name in requantisers() if not requantiser(name).is_float]
EXECUTORS = {"numpy": reference.integer.requantise, "jax": kernels_ref.integer.requantise}


def takes(rule, ratio, zero_point=0):
    try:
        accumulators(requantiser(rule), ratio, zero_point)
    except ValueError:
        return False
    return True


def interesting(rule, ratio, zero_point, fmt):
    """Accumulators at ties, at the ends of the format, at the ends that the rule takes, and around zero."""
    low, high = accumulators(requantiser(rule), ratio, zero_point)
    low, high = max(low, -(1 << 31)), min(high, (1 << 31) - 1)
    found = {low, low + 1, high - 1, high, *range(-70, 71)}
    for n in (*range(-9, 10), fmt.minimum - zero_point, fmt.maximum - zero_point):
        for shift in (0, Fraction(1, 2)):
            centre = round((n + shift) / Fraction(ratio))
            found.update(range(centre - 2, centre + 3))
    found.update(int(v) for v in np.random.default_rng(3).integers(low, high, 60))
    found.update(s * ((1 << k) + d) for k in range(1, 31) for d in (-1, 0, 1) for s in (1, -1))
    return np.array(sorted(x for x in found if low <= x <= high), np.int32)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("rule", requantisers())
def test_executors_agree_with_the_judge(rule, executor):
    requantise, seen = EXECUTORS[executor], 0
    for ratio in (*RATIOS, *ABOVE_ONE):
        for fmt, zero in ((formats.get("int8"), -3), (formats.get("uint8"), 128), (INT32, 0)):
            if not takes(rule, ratio, zero):
                continue
            x = interesting(rule, ratio, zero, fmt)
            due = [
                integer_requantise.requantise(int(v), ratio, rule=rule, fmt=fmt, zero_point=zero) for v in x.tolist()
            ]
            got = requantise(x, ratio, rule=rule, fmt=fmt, zero_point=zero)
            np.testing.assert_array_equal(np.asarray(got), due, err_msg=f"{ratio} {fmt.name}")
            seen += len(x)
    assert seen > 3000


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("rule", requantisers())
def test_channels_clamps_and_shapes(rule, executor):
    ratios = [ratio for ratio in RATIOS if takes(rule, ratio)][:4]
    x = np.random.default_rng(0).integers(-9000, 9000, (3, 5, len(ratios))).astype(np.int32)
    options = {"rule": rule, "fmt": "int8", "zero_point": 0, "clamp": (-100, 99)}
    got = np.asarray(EXECUTORS[executor](x, ratios, **options))
    assert got.dtype == np.int8
    for index in np.ndindex(x.shape):
        due = integer_requantise.requantise(int(x[index]), ratios[index[-1]], **options)
        assert got[index] == due


@pytest.mark.parametrize("rule", requantisers())
def test_what_the_compiled_code_is_made_of(rule):
    ratio = 0.007247427341846

    def run(x):
        return kernels_ref.integer.requantise(x, ratio, rule=rule, fmt="int8", zero_point=0)

    assert audit(run, (8,), "int32").integer_only is not requantiser(rule).is_float


@pytest.mark.parametrize("rule", requantisers())
def test_zero_stays_and_order_is_kept(rule):
    for ratio in RATIOS:
        if takes(rule, ratio, 5):
            x = interesting(rule, ratio, 5, formats.get("int8"))
            y = reference.integer.requantise(x, ratio, rule=rule, fmt="int8", zero_point=5)
            assert (np.diff(y.astype(int)) >= 0).all()
            assert reference.integer.requantise([0], ratio, rule=rule, fmt="int8", zero_point=5)[0] == 5


def by(rule, x, ratio, fmt="int8", **options):
    x = np.array(x, np.int32)
    got = {name: np.asarray(f(x, ratio, rule=rule, fmt=fmt, **options)).tolist() for name, f in EXECUTORS.items()}
    assert got["numpy"] == got["jax"]
    return got["numpy"]


class TestPublished:
    """Vectors that were worked out beside the systems' own code."""

    @pytest.mark.parametrize(
        ("rule", "ratio", "x", "due"),
        [
            ("tflite_double_rounding", 0.75, [-138, -69, 69, 138], [-103, -52, 52, 104]),
            ("tflite_single_rounding", 0.75, [-138, -69, 69, 138], [-103, -52, 52, 104]),
            ("tvm_tonearest", 0.75, [-138, -69, 69, 138], [-104, -52, 52, 104]),
            ("tflite_double_rounding", 1.5, [-69, -1, 1, 69], [-103, -1, 2, 104]),
            ("tvm_tonearest", 1.5, [-69, -1, 1, 69], [-104, -2, 2, 104]),
        ],
    )
    def test_ties(self, rule, ratio, x, due):
        assert by(rule, x, ratio) == due

    @pytest.mark.parametrize(
        ("rule", "due"),
        [
            ("tflite_double_rounding", [-3086, -35, -17, 0, 1, 18, 35, 3087]),
            ("tflite_single_rounding", [-3086, -34, -17, 0, 0, 17, 35, 3086]),
            ("tvm_tonearest", [-3086, -35, -17, 0, 0, 17, 35, 3086]),
        ],
    )
    def test_a_quarter(self, rule, due):
        assert by(rule, [-12345, -138, -69, -1, 1, 69, 138, 12345], 0.25, INT16) == due

    def test_double_rounding_off_ties(self):
        ratio = float(Fraction(1985516539, 1 << 37))
        assert dyadic_rule("tflite").pair(ratio) == DyadicPair(multiplier=1985516539, shift=37)
        assert by("tflite_double_rounding", [-157927], ratio, INT16) == [-2282]
        assert by("tflite_single_rounding", [-157927], ratio, INT16) == [-2281]

    Z = (-100000, -12345, -138, -69, -1, 0, 1, 69, 138, 12345, 100000)

    @pytest.mark.parametrize("rule", ["hawq_v3_pytorch", "hawq_v3_tvm", "tvm_truncate"])
    def test_hawq_ratio(self, rule):
        ratio = 0.007247427341846
        assert dyadic_rule("tvm").pair(ratio) == DyadicPair(multiplier=1992157658, shift=38)
        nearest = [-725, -89, -1, -1, 0, 0, 0, 1, 1, 89, 725]
        floor = [-725, -90, -2, -1, -1, 0, 0, 0, 1, 89, 724]
        assert by(rule, list(self.Z), ratio, INT16) == (floor if rule == "tvm_truncate" else nearest)

    @pytest.mark.parametrize(
        ("rule", "half", "quarter"),
        [
            ("hawq_v3_pytorch", [-3, -2, -2, -1, 0, 0, 1, 2, 2, 3], [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2]),
            ("tvm_tonearest", [-3, -3, -2, -1, -1, 1, 1, 2, 3, 3], [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2]),
            ("tvm_upward", [-3, -2, -1, -1, 0, 1, 1, 2, 3, 3], [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2]),
            ("tvm_truncate", [-3, -3, -2, -1, -1, 0, 1, 1, 2, 3], None),
        ],
    )
    def test_hawq_ties(self, rule, half, quarter):
        z = [-6, -5, -3, -2, -1, 1, 2, 3, 5, 6]
        assert by(rule, z, 0.5) == half
        assert quarter is None or by(rule, z, 0.25) == quarter

    def test_onnx(self):
        assert by("onnx_qlinear", [1, 3, 5, 7, -1, -3, -5, 127], 0.5) == [0, 2, 2, 4, 0, -2, -2, 64]
        assert by("onnx_qlinear", [1, 3], 0.5, zero_point=3) == [3, 5]

    def test_one_as_a_quarter(self):
        """Rounding twice is not a correctly rounded product: an error of 3/4."""
        assert by("tflite_double_rounding", [1], 0.25) == [1]


class TestHalves:
    def test_doubling_high_product(self):
        """``floor(a b / 2^31 + 1/2)``: by a multiplier 2^30 and no second shift."""
        assert by("tflite_double_rounding", [1, -1, 3, -3, 5, -5], 0.5) == [1, 0, 2, -1, 3, -2]

    def test_single_rounding_is_the_floor_of_its_definition(self):
        rng = np.random.default_rng(1)
        for _ in range(200):
            x, ratio = int(rng.integers(-(1 << 24), 1 << 24)), float(rng.uniform(2.0**-12, 2.0**-6))
            b, c = integer_requantise.multiplier(requantiser("tflite_single_rounding"), ratio)
            due = math.floor(Fraction(x * b, 1 << c) + Fraction(1, 2))
            assert reference.integer.requantise([x], ratio, rule="tflite_single_rounding", fmt=INT32) == [due]

    def test_double_rounding_errs_by_what_is_known(self):
        """At most 1/2 + 2^-(R+1) for a second shift of R, and 3/4 is attained at R = 1; without one it is single."""
        for ratio, right in ((0.26, 1), (0.13, 2), (0.6, 0), (0.01, 6)):
            b, c = integer_requantise.multiplier(requantiser("tflite_double_rounding"), ratio)
            assert c - 31 == right
            x = np.arange(-4000, 4000, dtype=np.int32)
            y = reference.integer.requantise(x, ratio, rule="tflite_double_rounding", fmt=INT32)
            worst = max(abs(Fraction(int(v) * b, 1 << c) - int(w)) for v, w in zip(x, y, strict=True))
            assert worst <= Fraction(1, 2) + (Fraction(1, 2 ** (right + 1)) if right else 0)
            if not right:
                single = reference.integer.requantise(x, ratio, rule="tflite_single_rounding", fmt=INT32)
                np.testing.assert_array_equal(y, single)

    @pytest.mark.parametrize("rule", ["tvm_tonearest", "hawq_v3_pytorch", "ibert", "onnx_qlinear"])
    def test_odd_rules(self, rule):
        x = np.arange(-3000, 3001, dtype=np.int32)
        for ratio in RATIOS:
            y = reference.integer.requantise(x, ratio, rule=rule, fmt=INT32)
            np.testing.assert_array_equal(y, -y[::-1])

    @pytest.mark.parametrize("rule", ["tvm_upward", "tvm_truncate", "tflite_single_rounding"])
    def test_rules_that_are_not_odd(self, rule):
        x = np.arange(-30, 31, dtype=np.int32)
        y = reference.integer.requantise(x, 0.5, rule=rule, fmt=INT32)
        assert (y != -y[::-1]).any()


class TestMultipliers:
    @pytest.mark.parametrize("name", dyadic_rules())
    def test_bounds_against_the_real_scale(self, name):
        rule, rng, seen = dyadic_rule(name), np.random.default_rng(0), 0
        ratios = [*RATIOS, *ABOVE_ONE, *np.exp2(rng.uniform(-25, 0, 300)), *(1 - 2.0**-k for k in range(20, 50))]
        for ratio in map(float, ratios):
            try:
                pair = rule.pair(ratio)
            except ValueError:
                continue
            if pair.multiplier:
                seen += 1
                assert abs(Fraction(pair.multiplier, 1) / Fraction(2) ** pair.shift - Fraction(ratio)) <= rule.bound(
                    ratio
                )
        assert seen > 200

    def test_worked(self):
        assert dyadic_rule("tflite").pair(0.75) == DyadicPair(multiplier=1610612736, shift=31)
        assert dyadic_rule("tflite").pair(0.25) == DyadicPair(multiplier=1073741824, shift=32)
        assert dyadic_rule("tflite").pair(1 - 2**-40) == DyadicPair(multiplier=1 << 30, shift=30)
        assert dyadic_rule("hawq_v3_pytorch").pair(1 - 2**-40) == DyadicPair(multiplier=1 << 31, shift=31)
        assert dyadic_rule("tvm").pair(Fraction(1, 5)) == DyadicPair(multiplier=1717986918, shift=33)
        assert dyadic_rule("tflite").pair(0).multiplier == 0
        assert dyadic_rule("tflite").pair(2.0**-33).multiplier == 0
        assert dyadic_rule("tflite_single_rounding").pair(2.0**31) == DyadicPair(multiplier=(1 << 31) - 1, shift=1)

    def test_a_tie_goes_down_without_floats(self):
        tie = float(Fraction((1 << 31) + 1, 1 << 32))  # b = 2^30 + 1/2
        assert (
            dyadic_rule("tflite").pair(tie).multiplier == dyadic_rule("tflite_emulated_float").pair(tie).multiplier + 1
        )

    def test_refusals(self):
        with pytest.raises(ValueError, match="must be finite and not negative"):
            dyadic_rule("tflite").pair(-1.0)
        with pytest.raises(ValueError, match="gemmlowp takes -31 to 0"):
            dyadic_rule("gemmlowp").pair(1.5)
        with pytest.raises(KeyError, match="tflite_double_rounding"):
            requantiser("tflite")


class TestOverflow:
    @pytest.mark.parametrize("executor", EXECUTORS)
    def test_left_shift_must_fit_int32(self, executor):
        with pytest.raises(
            OverflowError, match=r"x=1073741824 at \[1\]: left shift in tflite_double_rounding needs 34"
        ):
            EXECUTORS[executor](np.int32([3, 1 << 30]), 2.0, rule="tflite_double_rounding", fmt="int8")
        with pytest.raises(OverflowError):
            integer_requantise.requantise(1 << 30, 2.0, rule="tflite_double_rounding", fmt="int8")

    @pytest.mark.parametrize("rule", INTEGER_RULES)
    def test_the_judge_refuses_where_the_golden_model_does(self, rule):
        for ratio in (*RATIOS, *ABOVE_ONE):
            if not takes(rule, ratio):
                continue
            low, high = accumulators(requantiser(rule), ratio)
            for inside, outside in ((low, low - 1), (high, high + 1)):
                integer_requantise.scaled(inside, ratio, requantiser(rule))
                with pytest.raises(OverflowError):
                    integer_requantise.scaled(outside, ratio, requantiser(rule))

    def test_binary64_is_inexact_from_two_to_the_53_on(self):
        """HAWQ-V3's float simulation against an exact product, on both sides of the bound."""
        b, ratio = (1 << 31) - 1, float(Fraction((1 << 31) - 1, 1 << 31))
        for x, differs in (((1 << 22) - 1, False), ((1 << 26) + 1, True)):
            product = integer_requantise.significant(x * b, 53)
            assert (product != x * b) is differs
            assert by("hawq_v3_pytorch", [x], ratio, INT32) == [round(Fraction(product, 1 << 31))]

    def test_widths(self):
        assert widest(requantiser("tflite_single_rounding"), 0.0072, -(1 << 20), 1 << 20) == 52


def affine(scale, zero=0, fmt="int8"):
    return Affine(format=formats.get(fmt) if isinstance(fmt, str) else fmt, scale=scale, zero_point=zero)


class TestAddition:
    EXECUTORS = (reference.integer.add, kernels_ref.integer.add)

    @pytest.mark.parametrize("rule", addition_rules())
    def test_executors_agree_on_every_pair_of_some_integers(self, rule):
        some = np.array([*range(-128, -120), -77, -2, -1, 0, 1, 2, 3, 50, *range(120, 128)])
        a, b = (m.reshape(-1) for m in np.meshgrid(some, some))
        for scales in ((0.5, 0.25, 0.5), (0.1, 0.07, 0.11), (0.02, 0.9, 0.7), (1.0, 1.0, 1.0)):
            first, second, out = affine(scales[0], 3), affine(scales[1], -20), affine(scales[2], 5)
            due = [
                integer_addition.add(int(p), first, int(q), second, out, rule=rule) for p, q in zip(a, b, strict=True)
            ]
            for add in self.EXECUTORS:
                got = add(a.astype(np.int8), first, b.astype(np.int8), second, out, rule=rule)
                np.testing.assert_array_equal(np.asarray(got), due)

    @pytest.mark.parametrize(
        ("rule", "column"), [("hawq_v3_pytorch", 0), ("tvm_half_away", 1), ("hawq_v3_tvm", 2), ("tvm", 2)]
    )
    def test_hawq_residuals(self, rule, column):
        cases = {
            (1234, -57): (537, 537, 537),
            (-1235, 91): (-491, -491, -490),
            (1, 1): (1, 2, 2),
            (-3, 25): (33, 33, 34),
            (32767, 30000): (58384, 58384, 58384),
        }
        if rule == "tvm_half_away":
            for (r, m), due in cases.items():
                terms = by("tvm_tonearest", [r], 0.5, INT32)[0] + by("tvm_tonearest", [m], 1.4, INT32)[0]
                assert terms == due[column]
            return
        scales = affine(1 / 1000, fmt=INT32), affine(7 / 2500, fmt=INT32), affine(1 / 500, fmt=INT32)
        for (r, m), due in cases.items():
            for add in self.EXECUTORS:
                got = add(np.int32([r]), scales[0], np.int32([m]), scales[1], scales[2], rule=rule)
                assert int(got[0]) == due[column]

    def test_branches_commute(self):
        first, second, out = affine(0.1, 3), affine(0.07, -5), affine(0.2)
        a, b = (np.random.default_rng(s).integers(-128, 128, 500).astype(np.int8) for s in (1, 2))
        for rule in addition_rules():
            one = reference.integer.add(a, first, b, second, out, rule=rule)
            np.testing.assert_array_equal(one, reference.integer.add(b, second, a, first, out, rule=rule))

    def test_door(self):
        with pytest.raises(KeyError, match="tflite, tflite_single_rounding"):
            addition_rule("tf")
        with pytest.raises(ValueError, match="a has integers from 200 to 200; int8 has -128 to 127"):
            reference.integer.add(np.int16([200]), affine(1.0), np.int16([1]), affine(1.0), affine(1.0), rule="tvm")
