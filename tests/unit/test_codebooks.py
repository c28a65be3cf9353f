"""The named code-books against their rules, their published constants and worked vectors."""

from __future__ import annotations

import hashlib
import itertools
import statistics
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import norm

from formats.code_books.binary32 import to_binary32
from formats.code_books.book import codebook_of
from formats.code_books.decisions import decision
from formats.code_books.named import NF4, bitmod_books, codebook, codebooks, dynamic_map
from reference.array.codebook import values
from reference.codebook import decode_codebook, encode_codebook
from reference.exact.codebook import encode_codebook as judge
from reference.quantize.lloyd_max import lloyd_max, quantile_levels
from reference.quantize.quantile import midpoint_quantile_book, sram_quantile_book

SIGNED, UNSIGNED = codebook("bitsandbytes_dynamic_signed"), codebook("bitsandbytes_dynamic_unsigned")
FP4 = codebook("bitsandbytes_fp4")
DYNAMIC = ["bitsandbytes_dynamic_signed", "bitsandbytes_dynamic_unsigned"]

#: dQuantizeNF4's literals, bitsandbytes csrc/kernels.cu
NF4_LITERALS = (
    *(-0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984),
    *(-0.13791173673324, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668),
    *(0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011),
)


def thresholds(book, name):
    chosen = decision(name, codebook(book))
    return [Fraction(numerator, chosen.denominator) for numerator in chosen.numerators]


class TestBinary32:
    def test_against_numpy(self):
        """Python's division is correctly rounded; rounding on is safe where binary64 lies on no tie of binary32."""
        rng = np.random.default_rng(0)
        for top, bottom in zip(rng.integers(-(10**12), 10**12, 400), rng.integers(1, 10**12, 400), strict=True):
            due = np.float32(int(top) / int(bottom))
            assert Fraction(*to_binary32(int(top), int(bottom))) == Fraction(float(due))

    @pytest.mark.parametrize("bits", [0, 1, 2, 0x7FFFFF, 0x800000, 0x3F800000, 0x7F7FFFFE, 0x7F7FFFFF])
    def test_numbers_ties_and_what_lies_between(self, bits):
        a, b = (Fraction(float(np.uint32(pattern).view(np.float32))) for pattern in (bits, bits + 1 & 0x7F7FFFFF))
        assert Fraction(*to_binary32(a.numerator, a.denominator)) == a
        if b > a:
            tie, tiny = (a + b) / 2, Fraction(1, 1 << 200)
            assert Fraction(*to_binary32(*tie.as_integer_ratio())) == (a if bits % 2 == 0 else b)
            assert Fraction(*to_binary32(*(tie - tiny).as_integer_ratio())) == a
            assert Fraction(*to_binary32(*(-tie - tiny).as_integer_ratio())) == -b

    def test_overflow(self):
        edge = (1 << 128) - (1 << 103)  # midway between the largest number and 2^128
        assert to_binary32(edge - 1, 1) == ((1 << 128) - (1 << 104), 1)
        with pytest.raises(OverflowError, match="lies beyond binary32"):
            to_binary32(edge, 1)
        with pytest.raises(ValueError, match="denominator=0 must be positive"):
            to_binary32(1, 0)


class TestNf4:
    def test_its_construction_gives_every_bit(self):
        """The quantiles of equal steps of probability: 9 points above zero, 8 below, without the last, 1/2."""
        # binary32 steps rounded as torch.linspace rounds them: the upper half from the end
        positive = norm.ppf(_linspace(0.9677083, 0.5, 9)[:-1])
        negative = -norm.ppf(_linspace(0.9677083, 0.5, 8)[:-1])
        levels = np.sort(np.concatenate([positive, negative, [0]]).astype(np.float32))
        assert (levels / levels.max()).tolist() == values(NF4).tolist()

    def test_thresholds_are_the_published_literals(self):
        assert [float(t) for t in thresholds("nf4", "bitsandbytes_nf4")] == np.float32(NF4_LITERALS).tolist()

    def test_negated_it_is_another_book(self):
        assert NF4.fraction(0) == -1
        assert NF4.fraction(15) == 1
        assert NF4.fraction(7) == 0
        assert sum(value < 0 for value in values(NF4)) == 7


def _linspace(start, end, count):
    step = (np.float32(end) - np.float32(start)) / np.float32(count - 1)
    below = np.float32(start) + step * np.arange(count // 2, dtype=np.float32)
    above = np.float32(end) - step * np.arange(count - count // 2 - 1, -1, -1, dtype=np.float32)
    return np.concatenate([below, above]).astype(np.float32)


class TestFp4:
    def test_values(self):
        parts = [0, Fraction(1, 192), Fraction(2, 3), 1, Fraction(1, 3), Fraction(1, 2), Fraction(1, 6), Fraction(1, 4)]
        assert values(FP4)[:8].tolist() == [float(np.float32(float(part))) for part in parts]
        assert values(FP4)[8:].tolist() == (-values(FP4)[:8]).tolist()
        assert np.signbit(values(FP4)[8])

    def test_it_is_e2m1_but_for_the_subnormal(self):
        e2m1 = {0, 1, Fraction(3, 2), 2, 3, 4, 6}
        exact = {6 * Fraction(n, 192) for n in (0, 1, 128, 192, 64, 96, 32, 48)}
        assert exact - e2m1 == {Fraction(1, 32)}
        assert e2m1 - exact == set()

    def test_the_literals_lie_off_the_midpoints_by_so_many_units(self):
        """In units in the last place of binary32; the midpoints are those of the rationals, rounded once."""
        literal = np.float32([float(t) for t in thresholds("bitsandbytes_fp4", "bitsandbytes_fp4_cuda")[8:]])
        midpoints = [Fraction(a + b, 384) for a, b in itertools.pairwise((0, 1, 32, 48, 64, 96, 128, 192))]
        rounded = np.float32([float(Fraction(*to_binary32(*midpoint.as_integer_ratio()))) for midpoint in midpoints])
        assert (literal.view(np.int32) - rounded.view(np.int32)).tolist() == [14, 0, 0, 0, 1, -5, 0]

    def test_tiny_numbers_and_zeros(self):
        x = np.float32([1, -1e-9, 1e-9, -0.0])
        assert encode_codebook(x, FP4, decision="bitsandbytes_fp4_cuda").tolist() == [3, 8, 0, 0]
        assert encode_codebook(x, FP4, decision="bitsandbytes_fp4_torch").tolist() == [3, 0, 8, 0]
        assert encode_codebook(x, FP4, decision="lower").tolist() == [3, 0, 0, 0]

    def test_the_formula_of_its_own_documentation_gives_another_subnormal(self):
        """Bias 2, two exponent bits, one fraction bit, over the largest: 1/48, where the table has 1/192."""
        subnormal, largest = Fraction(1, 2) / 4, Fraction(3, 2) * 4
        assert subnormal / largest == Fraction(1, 48)


class TestDynamic:
    @pytest.mark.parametrize(
        ("book", "digest"),
        [
            (SIGNED, "035c4114538df2a03bbcb4d8a39b9325d26d84a00cf6cf29018d1a6608ab14c4"),
            (UNSIGNED, "02a9b523750e21348029626da435f2adadb851b687d86349cd20752f9255de26"),
        ],
        ids=["signed", "unsigned"],
    )
    def test_digest_of_the_binary32_table(self, book, digest):
        assert hashlib.sha256(values(book).astype("<f4").tobytes()).hexdigest() == digest

    def test_rationals(self):
        signed, unsigned = dynamic_map(signed=True), dynamic_map(signed=False)
        assert [signed.fraction(c) for c in (0, 127, 128, 129, 130)] == [
            Fraction(-1271, 1280),
            0,
            *(Fraction(n, 20 * 10**6) for n in (11, 65, 155)),
        ]
        assert [signed.fraction(c) for c in (254, 255)] == [Fraction(1271, 1280), 1]
        assert [unsigned.fraction(c) for c in (0, 254, 255)] == [0, Fraction(2551, 2560), 1]
        assert unsigned.fraction(1) == Fraction(325, 10**9)

    @pytest.mark.parametrize(("signed", "gap"), [(True, Fraction(9, 640)), (False, Fraction(9, 1280))])
    def test_shape(self, signed, gap):
        book = dynamic_map(signed=signed)
        exact = [book.fraction(code) for code in range(256)]
        gaps = [b - a for a, b in itertools.pairwise(exact)]
        assert min(gaps) > 0
        assert max(gaps) == gap
        if signed:
            assert {-value for value in exact} - set(exact) == {-1}

    @pytest.mark.parametrize(("bits", "exponent_bits"), [(b, e) for b in range(2, 9) for e in range(1, b)])
    def test_every_signed_size_has_its_count(self, bits, exponent_bits):
        book = dynamic_map(signed=True, bits=bits, exponent_bits=exponent_bits)
        assert book.size == 1 << bits
        assert list(book.numerators) == sorted(book.numerators)

    def test_what_does_not_exist(self):
        with pytest.raises(ValueError, match="exponent_bits=8 and bits=8 must satisfy"):
            dynamic_map(signed=True, exponent_bits=8)
        with pytest.raises(ValueError, match="the unsigned map of 8 bits needs exponent_bits=7, not 5"):
            dynamic_map(signed=False, exponent_bits=5)

    def test_even_index_sends_127_of_255_midpoints_up(self):
        for book in (SIGNED, UNSIGNED):
            upper = [i for i, goes_up in enumerate(decision("bitsandbytes_dynamic_cuda", book).inclusive) if goes_up]
            assert upper == list(range(1, 255, 2))

    @pytest.mark.parametrize("book", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
    def test_cuda_is_its_bisection(self, book):
        """dQuantize step by step, in binary32, at every threshold and its neighbours."""
        for x in _near(book, "bitsandbytes_dynamic_cuda"):
            assert judge(float(x), book, decision="bitsandbytes_dynamic_cuda") == _bisect(values(book), x)

    @pytest.mark.parametrize(
        ("book", "zero", "moved", "missing"),
        [(SIGNED, 131, 9, range(124, 131)), (UNSIGNED, 7, 11, None)],
        ids=["signed", "unsigned"],
    )
    def test_the_cpu_grid_misses_zero_and_some_of_its_own_values(self, book, zero, moved, missing):
        codes = encode_codebook(values(book), book, decision="bitsandbytes_dynamic_cpu")
        assert encode_codebook(np.float32(0), book, decision="bitsandbytes_dynamic_cpu") == zero
        assert (codes != np.arange(256)).sum() == moved
        reached = set(decision("bitsandbytes_dynamic_cpu", book).codes)
        if missing is not None:
            assert set(range(256)) - reached == set(missing)


def _near(book, name):
    at = np.float32([float(t) for t in thresholds(book, name)])
    return np.concatenate([at, np.nextafter(at, np.float32(-2)), np.nextafter(at, np.float32(2))])


def _bisect(code, x):
    """bitsandbytes csrc/kernels.cu dQuantize: seven halvings from index 127, then the nearer of two by a midpoint."""
    pivot, lower_pivot, upper_pivot, lower, upper = 127, 0, 255, code[0], code[255]
    step = 64
    while step:
        if x > code[pivot]:
            lower_pivot, lower, pivot = pivot, code[pivot], pivot + step
        else:
            upper_pivot, upper, pivot = pivot, code[pivot], pivot - step
        step //= 2
    value = code[pivot]
    if x > value:
        return upper_pivot if x > (upper + value) * np.float32(0.5) else pivot
    return lower_pivot if x < (lower + value) * np.float32(0.5) else pivot


class TestWorkedVectors:
    """One block with absmax 2, scaled by binary32's reciprocal; from the real library, where named."""

    A = np.float32([0.11, -0.42, 0.9, -1.5, 0, 0.3, 2, -0.07])
    Y = A * (np.float32(1) / np.float32(2))

    @pytest.mark.parametrize(
        ("book", "name", "due"),
        [
            ("nf4", "bitsandbytes_nf4", [8, 5, 12, 1, 7, 9, 15, 7]),
            ("bitsandbytes_fp4", "bitsandbytes_fp4_cuda", [1, 15, 5, 10, 0, 6, 3, 9]),
            ("bitsandbytes_dynamic_signed", "even_index", [174, 56, 215, 17, 127, 194, 255, 87]),
            ("bitsandbytes_dynamic_signed", "upper", [175, 56, 215, 17, 127, 194, 255, 87]),
            ("bitsandbytes_dynamic_signed", "bitsandbytes_dynamic_cpu", [175, 56, 215, 17, 131, 194, 255, 87]),
        ],
    )
    def test_codes(self, book, name, due):
        assert encode_codebook(self.Y, book, decision=name).tolist() == due

    @pytest.mark.parametrize(
        ("book", "name", "due"),
        [
            ("nf4", "bitsandbytes_nf4", [0.159161, -0.369547, 0.881420, -1.392386, 0, 0.321860, 2, 0]),
            ("bitsandbytes_fp4", "bitsandbytes_fp4_cuda", [0.010417, -0.5, 1, -1.333333, 0, 0.333333, 2, -0.010417]),
            (
                "bitsandbytes_dynamic_signed",
                "upper",
                [0.1128125, -0.4109375, 0.8890625, -1.5078125, 0, 0.2984375, 2, -0.0678125],
            ),
        ],
    )
    def test_values(self, book, name, due):
        got = decode_codebook(encode_codebook(self.Y, book, decision=name), book) * np.float32(2)
        np.testing.assert_allclose(got, due, rtol=0, atol=5.1e-7)  # due has six decimals

    def test_minus_one_comes_back_smaller(self):
        code = encode_codebook(np.float32(-1), SIGNED, decision="even_index")
        assert code == 0
        assert 1 + dynamic_map(signed=True).fraction(0) == Fraction(9, 1280)

    def test_the_first_number_is_a_tie(self):
        """0.11 / 2 in binary32 is the midpoint of the stored values 174 and 175, hence the two vectors above."""
        assert Fraction(float(self.Y[0])) == (SIGNED.fraction(174) + SIGNED.fraction(175)) / 2


class TestBitmodBooks:
    @pytest.mark.parametrize("bits", [3, 4])
    def test_one_special_value_beside_the_minifloat(self, bits):
        plain = {3: {0, 1, 2, 4}, 4: {0, Fraction(1, 2), 1, Fraction(3, 2), 2, 3, 4, 6}}[bits]
        plain |= {-value for value in plain}
        special = {3: [3, -3, 6, -6], 4: [5, -5, 8, -8]}[bits]
        for book, due in zip(bitmod_books(bits), special, strict=True):
            exact = [book.fraction(code) for code in range(book.size)]
            assert len(set(exact)) == book.size == 1 << bits
            assert set(exact) - plain == {due} == {exact[1 << bits - 1]}

    def test_ties_of_the_widest_fp3(self):
        book = codebook("bitmod_fp3_ea_plus")
        x = np.float32([5, -5, 0.5, -0.5, 1.5, -1.5, 3, -3])
        got = decode_codebook(encode_codebook(x, book, decision="lower"), book)
        assert got.tolist() == [4, -4, 0, -1, 1, -2, 2, -4]


class TestFitted:
    #: Max 1960, table I: the outputs of the least squares quantizers of N(0, 1)
    NORMAL = {1: (0.7980,), 2: (0.4528, 1.510), 3: (0.2451, 0.7560, 1.344, 2.152)}  # noqa: RUF012

    @pytest.mark.parametrize("bits", NORMAL)
    def test_levels_of_the_normal_distribution(self, bits):
        """On 2^14 equally likely quantiles, whose tails end at 4 sigma: that costs less than 1e-3 of the levels."""
        inverse = statistics.NormalDist().inv_cdf
        numbers = [inverse((i + 0.5) / (1 << 14)) for i in range(1 << 14)]
        fit = lloyd_max(numbers, initial=quantile_levels(numbers, bits=bits), rounds=1000, name="normal")
        assert fit.settled
        got = values(fit.book)
        np.testing.assert_allclose(got[len(got) // 2 :], self.NORMAL[bits], rtol=2e-3)
        np.testing.assert_allclose(got, -got[::-1], rtol=1e-6)

    def test_a_settled_fit_is_stationary(self):
        numbers = np.random.default_rng(1).standard_t(5, 5000)
        fit = lloyd_max(numbers, initial=quantile_levels(numbers, bits=4), rounds=1000, name="fit")
        assert fit.settled
        levels = values(fit.book).astype(np.float64)
        cells = np.searchsorted((levels[1:] + levels[:-1]) / 2, numbers)
        means = [numbers[cells == code].mean() for code in range(16)]
        np.testing.assert_allclose(levels, means, rtol=2**-23)
        assert encode_codebook(numbers.astype(np.float32), fit.book, decision="lower").tolist() == cells.tolist()

    def test_order_does_not_matter_and_rounds_end(self):
        numbers = np.random.default_rng(2).normal(size=1000)
        first = lloyd_max(numbers, initial=[-1, 0, 1], rounds=2, name="fit")
        assert (first.rounds, first.settled) == (2, False)
        assert lloyd_max(numbers[::-1].reshape(10, 100), initial=[-1, 0, 1], rounds=2, name="fit") == first

    def test_a_level_without_numbers_stays(self):
        fit = lloyd_max([0.0, 1.0], initial=[0.0, 1.0, 9.0], rounds=9, name="fit")
        assert values(fit.book).tolist() == [0, 1, 9]

    def test_refusals(self):
        with pytest.raises(ValueError, match="initial must be 2 to 256 growing levels"):
            lloyd_max([0, 1], initial=[1, 1], rounds=1, name="fit")
        with pytest.raises(ValueError, match="rounds=0 must be 1 or more"):
            lloyd_max([0, 1], initial=[0, 1], rounds=0, name="fit")
        for bad in ([], [np.nan]):
            with pytest.raises(ValueError, match="values must be one or more finite numbers"):
                quantile_levels(bad, bits=1)
            with pytest.raises(ValueError, match="values must be one or more finite numbers"):
                midpoint_quantile_book(bad, bits=1, name="q")
        for bits in (0, 9):
            with pytest.raises(ValueError, match=rf"bits={bits} must lie in 1\.\.8"):
                quantile_levels([0], bits=bits)
            with pytest.raises(ValueError, match=rf"bits={bits} must lie in 1\.\.8"):
                midpoint_quantile_book([0], bits=bits, name="q")
        with pytest.raises(ValueError, match="at least 256 finite numbers; there are 255"):
            sram_quantile_book(np.ones(255), name="q")
        with pytest.raises(ValueError, match="the quantiles are all zero"):
            sram_quantile_book(np.zeros(256), name="q")


class TestQuantiles:
    def test_positions_in_one_chunk(self):
        """Of 0..4095 the positions themselves: by the formula in Fractions, over the largest."""
        book = sram_quantile_book(np.arange(4096)[::-1], name="q")
        o = Fraction(1, 510)
        exact = [(o + k * (1 - 2 * o) / 255) * 4095 for k in range(256) if k != 254]
        due = np.float32([0, *(int(position + Fraction(1, 2)) for position in exact)])
        assert values(book).tolist() == (due / due.max()).tolist()

    def test_chunks_are_averaged_and_a_ragged_one_is_left_out(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=2 * 4096 + 100).astype(np.float32)
        assert sram_quantile_book(x, name="q") == sram_quantile_book(x[: 2 * 4096], name="q")
        swapped = np.concatenate([x[4096 : 2 * 4096], x[:4096]])
        assert sram_quantile_book(x, name="q") == sram_quantile_book(swapped, name="q")

    def test_midpoints_of_a_symmetric_sample_are_symmetric(self):
        book = values(midpoint_quantile_book(np.arange(-50, 51), bits=4, name="q"))
        assert len(book) == 16
        np.testing.assert_array_equal(np.unique(book), -np.unique(book)[::-1])


def test_every_book_is_named_once_and_a_record_is_returned_as_it_is():
    assert all(name == book.name for name, book in codebooks().items())
    own = codebook_of("own", (0.0, 1.0), source="a test")
    assert codebook(own) is own
