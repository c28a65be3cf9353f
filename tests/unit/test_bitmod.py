"""BitMoD: worked groups, NumPy against the judge, invariants, bit-serial terms, and what is refused."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from formats.code_books.named import bitmod_books
from reference.codebook import encode_codebook
from reference.exact import bitmod as judge
from reference.quantize.bitmod import bitmod_dequantize, bitmod_quantize, bitmod_scale_codes

W = np.float16([0.031, -0.012, 0.047, -0.0035, 0.0702, -0.0188, 0.0255, -0.0401])
PRECISIONS = {"float16": np.float16, "float32": np.float32}
ER_PLUS, ER_MINUS, EA_PLUS, EA_MINUS = range(4)


def stored(group, bits):
    return [bitmod_books(bits)[group.choice].numerators[code] for code in group.codes]


class TestWorked:
    def test_fp3(self):
        group = judge.bitmod_group(W.tolist(), 3, precision="float16")
        assert (group.choice, stored(group, 3)) == (EA_PLUS, [2, -1, 4, 0, 6, -2, 2, -4])
        assert float(group.scale) == pytest.approx(0.01169586, abs=5e-9)
        finer = judge.bitmod_group(W.tolist(), 3, precision="float32")
        assert float(finer.scale) == pytest.approx(0.0116984, abs=5e-8)
        assert float(finer.error) == pytest.approx(1.757e-5, abs=2e-8)  # there with the binary16 scale

    def test_fp4_ties_go_to_the_first_type(self):
        group = judge.bitmod_group(W.tolist(), 4, precision="float16")
        assert (group.choice, stored(group, 4)) == (ER_PLUS, [6, -2, 8, -1, 12, -3, 4, -6])
        assert float(group.scale) == pytest.approx(0.00584793, abs=5e-9)
        assert float(group.error) == pytest.approx(6.67572e-6, abs=5e-12)

    @pytest.mark.parametrize("choice", range(4))
    def test_every_type_alone(self, choice):
        """What each candidate makes of the group, before the choice."""
        due = (
            [2, -1, 3, 0, 4, -1, 1, -2],
            [2, -1, 2, 0, 4, -1, 1, -2],
            [2, -1, 4, 0, 6, -2, 2, -4],
            [2, -1, 4, 0, 4, -2, 2, -4],
        )[choice]
        book = bitmod_books(3)[choice]
        scale = np.abs(W).max() / np.float16(max(map(abs, book.numerators)))
        exact = [Fraction(float(x)) for x in W / scale]
        nearest = [min(book.numerators, key=lambda k, x=x: (abs(k - x), k)) for x in exact]
        assert nearest == due

    def test_an_extreme_on_the_wrong_side_is_cut_to_two_thirds(self):
        """Scaled to -6, of which EA+ has only -4; 3 lies midway between 2 and 4. The search avoids it."""
        book = bitmod_books(3)[EA_PLUS]
        codes = encode_codebook(np.float32([-6, 1, 2, 3]), book, decision="lower")
        assert [book.numerators[code] for code in codes] == [-4, 1, 2, 2]
        assert judge.bitmod_group([-6.0, 1.0, 2.0, 4.0], 3, precision="float32").choice == EA_MINUS

    def test_zeros(self):
        group = judge.bitmod_group([0.0] * 4, 4, precision="float16")
        assert (group.choice, group.codes, group.error) == (ER_PLUS, (0,) * 4, 0)
        assert float(group.scale) == float(np.float16(1e-5))

    @pytest.mark.parametrize(("levels", "due"), [(255, [198, 157, 255, 78]), (127, [98, 78, 127, 39])])
    def test_second_level(self, levels, due):
        scales = np.float32([0.0117, 0.0093, 0.0151, 0.0046])
        assert bitmod_scale_codes(scales, levels=levels).tolist() == due
        assert judge.bitmod_scale_codes(scales.tolist(), levels=levels) == due

    def test_the_published_mx_baseline_is_not_ocp(self):
        """Its scale is 2/6 of a power of two: .6667, -.3333, .0833, 0, where OCP's rule gives .75, -.25, .125, 0."""
        weights = np.float16([0.7, -0.3, 0.11, 0.02]).tolist()
        e, k = judge.bitmod_mx_group(weights, 4)
        assert [n * Fraction(2) ** e * Fraction(2, 12) for n in k] == [
            Fraction(2, 3), Fraction(-1, 3), Fraction(1, 12), 0,
        ]  # fmt: skip


class TestNumpyAgainstTheJudge:
    @pytest.mark.parametrize("bits", [3, 4])
    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("spread", [1e-4, 1e-2, 1.0, 40.0])
    def test_groups(self, bits, precision, spread):
        rng = np.random.default_rng(round(spread * 1e4) + bits)
        weights = (rng.standard_t(4, (12, 24)) * spread).astype(PRECISIONS[precision])
        weights[0, :8] = 0
        done = bitmod_quantize(weights, bits=bits, group=8)
        groups = [judge.bitmod_group(g.tolist(), bits, precision=precision) for g in weights.reshape(-1, 8)]
        assert done.choices.reshape(-1).tolist() == [g.choice for g in groups]
        assert done.codes.reshape(-1, 8).tolist() == [list(g.codes) for g in groups]
        assert done.scales.reshape(-1).tolist() == [float(g.scale) for g in groups]

    @pytest.mark.parametrize("levels", [127, 255])
    @pytest.mark.parametrize("dtype", PRECISIONS.values())
    def test_scales(self, levels, dtype):
        scales = np.abs(np.random.default_rng(3).normal(size=(40, 32))).astype(dtype)
        scales[1], scales[2, 3] = 0, 0
        scales[3] = np.arange(32) / 2  # many ties: half the steps of the largest, 15.5
        got = bitmod_scale_codes(scales, levels=levels)
        assert got.tolist() == [judge.bitmod_scale_codes(row.tolist(), levels=levels) for row in scales]
        assert not got[1].any()
        assert got[2:].max(axis=-1).tolist() == [levels] * 38


class TestInvariants:
    @pytest.mark.parametrize("bits", [3, 4])
    def test_order_within_a_group(self, bits):
        weights = (np.random.default_rng(bits).standard_t(4, (60, 16)) / 32).astype(np.float16)
        done = bitmod_quantize(weights, bits=bits, group=16)
        turned = bitmod_quantize(weights[:, ::-1], bits=bits, group=16)
        assert (weights.astype(np.float64) ** 2).sum(-1).max() < 1  # so that every sum of squares is exact
        np.testing.assert_array_equal(turned.choices, done.choices)
        np.testing.assert_array_equal(turned.codes[:, ::-1], done.codes)

    @pytest.mark.parametrize("bits", [3, 4])
    def test_negation_swaps_the_signs_of_the_types(self, bits):
        """Where no quotient is a midpoint, as here; two types tie where neither special value is used."""
        weights = np.random.default_rng(bits).standard_t(4, (60, 16)).astype(np.float32)
        done = bitmod_quantize(weights, bits=bits, group=16)
        negated = bitmod_quantize(-weights, bits=bits, group=16)
        np.testing.assert_array_equal(bitmod_dequantize(negated), -bitmod_dequantize(done))
        special_used = (done.codes == 1 << bits - 1).any(-1, keepdims=True)
        np.testing.assert_array_equal((negated.choices ^ 1)[special_used], done.choices[special_used])
        assert set(done.choices[special_used].tolist()) == {0, 1, 2, 3}

    def test_the_choice_is_the_least_error(self):
        weights = np.random.default_rng(9).normal(size=(40, 8)).astype(np.float32)
        done = bitmod_quantize(weights, bits=4, group=8)
        error = ((bitmod_dequantize(done) - weights) ** 2).mean(-1)
        for book in bitmod_books(4):
            scale = np.abs(weights).max(-1, keepdims=True) / np.float32(max(map(abs, book.numerators)))
            k = np.array(sorted(book.numerators), np.float32)
            best = k[np.abs(weights[..., None] / scale[..., None] - k).argmin(-1)] * scale
            assert (error <= ((best - weights) ** 2).mean(-1) * (1 + 2**-20)).all()

    def test_axes(self):
        weights = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float16)
        done = bitmod_quantize(weights, bits=3, group=4)
        assert (done.codes.shape, done.choices.shape, done.scales.shape) == ((2, 3, 8), (2, 3, 2), (2, 3, 2))
        assert bitmod_dequantize(done).dtype == np.float16


class TestSerial:
    @pytest.mark.parametrize("bits", [3, 4])
    def test_terms_sum_to_every_value(self, bits):
        for book in bitmod_books(bits):
            for code in range(book.size):
                terms = judge.bitmod_terms(book.fraction(code))
                assert len(terms) <= 2
                assert sum((-1) ** s * Fraction(2) ** p for s, p in terms) == book.fraction(code)

    def test_exponents(self):
        due = {
            "1/2": [-1],
            "1": [0],
            "3/2": [0, -1],
            "2": [1],
            "3": [1, 0],
            "4": [2],
            "5": [2, 0],
            "6": [2, 1],
            "8": [3],
        }
        for magnitude, exponents in due.items():
            assert judge.bitmod_terms(Fraction(magnitude)) == tuple((0, p) for p in exponents)
            assert judge.bitmod_terms(-Fraction(magnitude)) == tuple((1, p) for p in exponents)

    @pytest.mark.parametrize("bad", [7, Fraction(1, 4), 32, Fraction(15, 2), Fraction(1, 3)])
    def test_no_third_term(self, bad):
        with pytest.raises(ValueError, match="is no sum of two powers of 2 from 1/2 to 8"):
            judge.bitmod_terms(bad)

    @pytest.mark.parametrize("bits", [6, 8])
    def test_booth_digits_sum_to_every_integer(self, bits):
        for n in range(-(1 << bits - 1), 1 << bits - 1):
            digits = judge.booth_digits(n, bits=bits)
            assert len(digits) == bits // 2
            assert set(digits) <= {-2, -1, 0, 1, 2}
            assert sum(d * 4**i for i, d in enumerate(digits)) == n

    def test_booth_by_hand(self):
        assert judge.booth_digits(-77, bits=8) == (-1, 1, -1, -1)
        assert judge.booth_digits(127, bits=8) == (-1, 0, 0, 2)
        assert judge.booth_digits(-128, bits=8) == (0, 0, 0, -2)
        for bits, n in ((7, 0), (8, 128), (6, -33)):
            with pytest.raises(ValueError, match=f"{n} must fit bits={bits}"):
                judge.booth_digits(n, bits=bits)

    def test_a_serial_dot_product_is_the_dot_product(self):
        rng = np.random.default_rng(4)
        activations = [Fraction(float(x)) for x in rng.normal(size=64).astype(np.float16)]
        values = [bitmod_books(4)[2].fraction(int(code)) for code in rng.integers(0, 16, 64)]
        terms = [judge.bitmod_terms(value) for value in values]
        serial = sum(
            a * (-1) ** s * Fraction(2) ** p for a, pair in zip(activations, terms, strict=True) for s, p in pair
        )
        assert serial == sum(itertools.starmap(lambda a, v: a * v, zip(activations, values, strict=True)))


class TestRefused:
    def test_weights(self):
        with pytest.raises(TypeError, match="dtype float64 is not accepted; accepted: float16, float32"):
            bitmod_quantize(np.zeros(4), bits=3, group=4)
        for group in (0, 3):
            with pytest.raises(ValueError, match=f"group={group} must divide the last axis"):
                bitmod_quantize(W, bits=3, group=group)
        with pytest.raises(ValueError, match=r"weights\[0, 1\] is not finite"):
            bitmod_quantize(np.float32([[0, np.nan]]), bits=3, group=2)
        with pytest.raises(ValueError, match="bits=5 is no width of BitMoD"):
            bitmod_quantize(W, bits=5, group=8)

    @pytest.mark.parametrize("dtype", PRECISIONS.values())
    def test_errors_beyond_1000(self, dtype):
        weights = np.array([[0] * 4, [60000, 30000, 20000, 21000]], dtype)
        with pytest.raises(ValueError, match=r"group \[1, 0\]: no data type has an error below 1000"):
            bitmod_quantize(weights, bits=3, group=4)
        with pytest.raises(ValueError, match="no data type has an error below 1000"):
            judge.bitmod_group(weights[1].tolist(), 3, precision=np.dtype(dtype).name)

    def test_by_the_judge(self):
        with pytest.raises(ValueError, match="precision='bfloat16' is not known; choose one of: float16, float32"):
            judge.bitmod_group([1.0], 3, precision="bfloat16")
        for bad in ([], [0.1]):
            with pytest.raises(ValueError, match="weights must be one or more numbers of float16"):
                judge.bitmod_group(bad, 3, precision="float16")
        for bad in ([0.0], [0.1]):
            with pytest.raises(ValueError, match="weights must be numbers of float16, not all of them 0"):
                judge.bitmod_mx_group(bad, 4)

    @pytest.mark.parametrize(
        "verb", [judge.bitmod_scale_codes, lambda s, levels: bitmod_scale_codes(np.float32(s), levels=levels)]
    )
    def test_scales(self, verb):
        with pytest.raises(ValueError, match="levels=256 is not known; choose one of: 127, 255"):
            verb([1.0], levels=256)
        with pytest.raises(ValueError, match="scales must"):
            verb([-1.0], levels=255)

    def test_scale_dtype(self):
        with pytest.raises(TypeError, match="dtype int64 is not accepted"):
            bitmod_scale_codes([1, 2], levels=255)
