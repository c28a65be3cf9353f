"""The scale rules as integer formulas on binary32 patterns, and binary32's logarithm: equal to the declared rules."""

from __future__ import annotations

import decimal
import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from block_cases import exact

import formats
from formats import Rounding
from formats.block_formats.named import block
from formats.block_formats.rule import LOG2_ROUNDED, BlockRule, Significand, log2_rounded
from formats.block_formats.rules import block_rule, block_rules
from reference import exact as judge
from reference.array.block_scale import with_significand
from reference.blocks import quantize_blocks
from reference.exact.block import emax, quantize_block

MX = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4", "mxint8")
RULES = ("floor", "ceil", "rceil", "even")
INFINITY = 0x7F800000
_LOG2 = Significand.LOG2_IN_BINARY32


def carried(patterns):
    """The code of ``2^ceil(log2 a)``: the exponent field, and 1 if a fraction is left; code 0 reaches to 2^-127."""
    field, fraction = patterns >> 23, patterns & 0x7FFFFF
    return field + np.where(field == 0, fraction > 0x400000, fraction != 0)


def formula(rule, patterns, element):
    """E8M0 codes of largest magnitudes, int64 binary32 patterns, in integers."""
    top = emax(element)
    match rule:
        case "floor":
            code = (patterns >> 23) - top
        case "ceil":
            code = carried(patterns) - top
        case "even":
            fraction_bits = (element.precision if hasattr(element, "precision") else element.bits - 1) - 1
            code = ((patterns + (1 << (22 - fraction_bits))) >> 23) - top
        case "rceil":
            code = carried(product(patterns, reciprocal(element)))
    return np.clip(code, 0, 254)


def reciprocal(element):
    """Significand (24 bits) and exponent of binary32's 1 / largest."""
    largest = judge.decode(getattr(element, "max_code", getattr(element, "maximum", None)), element)
    code = judge.encode(1 / largest, formats.FLOAT32, rounding="nearest_ties_to_even", saturation="sat_none")
    return code & 0x7FFFFF | 0x800000, (code >> 23) - 150


def product(patterns, factor):
    """Patterns of the binary32 product by ``significand * 2^exponent``, below 1, in integers: ties to even."""
    significand, exponent = factor
    field = np.maximum(patterns >> 23, 1)
    a = (patterns & 0x7FFFFF) + np.where(patterns >> 23, 1 << 23, 0)
    whole = a.astype(np.int64) * significand  # below 2^48
    bits = np.zeros_like(whole)
    for shift in (24, 16, 8, 4, 2, 1):  # the length of the product in bits, less 1
        bits += np.where(whole >> (bits + shift) > 0, shift, 0)
    unit = np.maximum(field - 150 + exponent + bits - 23, -149)  # exponent of the result's last place
    drop = np.minimum(unit - (field - 150 + exponent), 62)
    kept, rest = whole >> drop, whole & ((1 << drop) - 1)
    half = 1 << (drop - 1)
    kept += (rest > half) | ((rest == half) & (kept & 1 == 1))
    return np.where(patterns == 0, 0, kept + ((unit + 149) << 23))


def scales(rule, patterns, fmt):
    """The codes that the golden model gives: a block for each largest magnitude."""
    x = np.zeros((len(patterns), 32), np.float32)
    x[:, 3] = -patterns.astype(np.uint32).view(np.float32)
    return quantize_blocks(x, fmt, rule=rule).scales[:, 0].astype(np.int64)


def steps(rule, element):
    """Every pattern at which the formula changes, with the one before: it never falls, so halving finds them."""
    low = np.zeros(255, np.int64)
    high = np.full(255, INFINITY - 1)
    for _ in range(32):
        middle = (low + high) // 2
        above = formula(rule, middle, element) >= np.arange(255)
        low, high = np.where(above, low, middle + 1), np.where(above, middle, high)
    edges = np.unique(low)
    return np.unique(np.clip(np.concatenate([edges - 1, edges, [0, INFINITY - 1]]), 0, INFINITY - 1))


@pytest.mark.parametrize("fmt", MX)
@pytest.mark.parametrize("rule", RULES)
class TestIntegerFormulas:
    def test_all_of_binary32(self, rule, fmt):
        """At both ends of every run of equal codes; both sides never fall, so between them nothing is left open."""
        element = block(fmt).element
        patterns = steps(rule, element)
        due = formula(rule, patterns, element)
        jumps = np.diff(patterns) > 1
        assert (due[1:][jumps] == due[:-1][jumps]).all()
        np.testing.assert_array_equal(scales(rule, patterns, fmt), due)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_every_number_of_16_bits(self, rule, fmt, dtype):
        narrow = np.arange(1 << 15, dtype=np.uint16).view(getattr(ml_dtypes, dtype, dtype))
        patterns = narrow.astype(np.float32).view(np.uint32).astype(np.int64)
        patterns = np.sort(patterns[patterns < INFINITY])
        due = formula(rule, patterns, block(fmt).element)
        assert (np.diff(due) >= 0).all()
        np.testing.assert_array_equal(scales(rule, patterns, fmt), due)

    def test_the_judge(self, rule, fmt):
        spec, patterns = block(fmt), steps(rule, block(fmt).element)[::5]
        due = formula(rule, patterns, spec.element)
        for pattern, code in zip(patterns.astype(np.uint32), due, strict=True):
            made = quantize_block([exact(pattern.view(np.float32))], spec, block_rule(rule))
            assert made.scale == code


def test_the_product_is_binary32s():
    rng = np.random.default_rng(0)
    patterns = np.concatenate(
        [rng.integers(0, INFINITY, 200_000), np.arange(1 << 12), (1 << 23) + np.arange(-999, 999)]
    )
    for fmt in MX:
        significand, exponent = reciprocal(block(fmt).element)
        factor = np.float32(significand * 2.0**exponent)
        with np.errstate(under="ignore"):
            due = (patterns.astype(np.uint32).view(np.float32) * factor).view(np.uint32)
        np.testing.assert_array_equal(product(patterns, (significand, exponent)), due)


@pytest.mark.parametrize("fmt", ["mxfp4", "mxfp8_e4m3", "mxfp6_e3m2", "mxint8"])
def test_ceil_and_rceil_leave_nothing_to_saturate(fmt):
    """But where the product by 1 / largest was rounded down, or the scale is at its end."""
    element = block(fmt).element
    largest = judge.decode(getattr(element, "max_code", getattr(element, "maximum", None)), element)
    for rule, slack in (("ceil", 0), ("rceil", Fraction(1, 1 << 23))):
        patterns = steps(rule, element)
        for pattern, code in zip(patterns, formula(rule, patterns, element), strict=True):
            absmax = Fraction(float(np.uint32(pattern).view(np.float32)))
            if 0 < code < 254:
                assert absmax <= largest * Fraction(2) ** int(code - 127) * (1 + slack), (rule, hex(pattern))


@pytest.mark.parametrize(("fmt", "bound"), [("mxfp4", Fraction(7, 6)), ("mxfp8_e4m3", Fraction(496, 448))])
def test_how_far_even_overshoots(fmt, bound):
    element = block(fmt).element
    patterns = steps("even", element)
    codes = formula("even", patterns, element)
    inside = (codes > 0) & (codes < 254)
    largest = judge.decode(element.max_code, element)
    ratios = [
        Fraction(float(np.uint32(p).view(np.float32))) / (largest * Fraction(2) ** int(c - 127))
        for p, c in zip(patterns[inside], codes[inside], strict=True)
    ]
    assert bound * Fraction(99999, 100000) < max(ratios) < bound


class TestLogarithmInBinary32:
    """How many numbers next to a power of two have a logarithm that binary32 rounds to its exponent."""

    def test_the_table(self):
        """``-log2(1 - j 2^-24) < 2^(m - 24)``, half a unit, by a correctly rounded logarithm of 60 digits."""
        with decimal.localcontext(prec=60):
            for m, count in enumerate(LOG2_ROUNDED):
                half_unit = Decimal(2) ** (m - 24)
                less, more = (-(1 - Decimal(j) / 2**24).ln() / Decimal(2).ln() for j in (count, count + 1))
                assert less < half_unit - Decimal("1e-15")
                assert more > half_unit + Decimal("1e-15")

    @staticmethod
    def log2(a):
        """The logarithm, rounded to binary32; one that is no integer is no tie, so 60 digits decide it."""
        with decimal.localcontext(prec=60):
            log2 = Fraction((Decimal(a.numerator).ln() - Decimal(a.denominator).ln()) / Decimal(2).ln())
        if abs(log2 - round(log2)) < Fraction(1, 10**50):
            log2 = Fraction(round(log2))  # of a power of two
        code = judge.encode(log2, formats.FLOAT32, rounding="nearest_ties_to_even", saturation="sat_none")
        return Fraction(judge.decode(code, formats.FLOAT32))

    @pytest.mark.parametrize("k", range(-148, 129))
    def test_numbers_next_to_every_power_of_two(self, k):
        """The last one that is taken as it and the first that is not, on both sides, by golden model and judge."""
        for side, spacing in ((0, k - 24), (1, k - 23)):
            unit = Fraction(2) ** max(spacing, -149)
            count = log2_rounded(k)[side] * Fraction(2) ** spacing // unit
            for steps_away, taken in ((count, True), (count + 1, False), (0, True)):
                a = Fraction(2) ** k + (steps_away * unit if side else -steps_away * unit)
                if a <= 0 or a >= 2**128 or not Fraction(2) ** (k - 1) < a < Fraction(2) ** (k + 1):
                    continue
                logarithm = self.log2(a)
                assert (logarithm == k) is taken
                found = with_significand(np.array([a], np.float32), _LOG2, block("mxfp4").element, np)[0]
                assert (2**128 if np.isinf(found) else Fraction(float(found))) == (Fraction(2) ** k if taken else a)
                for rounding, code in (("toward_negative", math.floor), ("toward_positive", math.ceil)):
                    rule = replace(block_rule("microxcaling"), scale_rounding=Rounding(rounding))
                    made = quantize_block([a], block("mxint8_narrow"), rule)
                    assert made.scale == min(max(code(logarithm) + 127, 0), 254)

    def test_a_scale_twice_too_large_just_below_8(self):
        x = np.zeros(32, np.float32)
        x[0] = np.nextafter(np.float32(8), np.float32(0))
        codes = [int(quantize_blocks(x, "mxfp4", rule=rule).scales[0]) for rule in ("floor", "microxcaling")]
        assert codes == [127, 128]


def test_names():
    assert len(set(block_rules())) == len(block_rules())
    for name in block_rules():
        assert block_rule(name).name == name
        assert block_rule(name).source
        assert block_rule(block_rule(name)) is block_rule(name)


def test_thresholds_name_their_format():
    fields = {field: getattr(block_rule("bitsandbytes_nf4"), field) for field in BlockRule.__slots__}
    with pytest.raises(ValueError, match="thresholds need element=, the name of the format they are for"):
        BlockRule(**{**fields, "element": None})
    with pytest.raises(ValueError, match="rule 'bitsandbytes_nf4' is for elements in nf4, not in bitsandbytes_fp4"):
        quantize_blocks(np.zeros(64, np.float32), "fp4_bnb_g64", rule="bitsandbytes_nf4")
