"""Code-books: decisions at every threshold, all 16-bit inputs, JAX's transformations, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from rotation import rotate

from formats.code_books.book import CodebookSpec, codebook_of
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.decisions import decision, decisions
from formats.code_books.named import NF4, bitmod_books, codebook, codebooks
from kernels_ref.codebook import decode_codebook as jax_decode
from kernels_ref.codebook import encode_codebook as jax_encode
from reference.array.codebook import encode_table, nearest_thresholds
from reference.codebook import decode_codebook, encode_codebook
from reference.exact.codebook import decode_codebook as judge_decode
from reference.exact.codebook import encode_codebook as judge

#: values in disorder, repeated, tiny (binary32 subnormals), crowded beyond what 16 bits tell apart, and few
ODD_BOOKS = (
    CodebookSpec(name="disorder", bits=3, numerators=(5, -3, 0, 5, -3, 7, 1), denominator=3, source="a test"),
    codebook_of("tiny", (-(2.0**-140), 0.0, 2.0**-149, 2.0**-127, 2.0**-120), source="a test"),
    codebook_of("crowded", tuple(float(1 + Fraction(i, 1 << 20)) for i in range(20)), source="a test"),
    codebook_of("two", (-3.0, 3.0), source="a test"),
    CodebookSpec(name="wide", bits=8, numerators=tuple(range(17)), denominator=16, source="a test"),
)
BOOKS = (*codebooks().values(), *ODD_BOOKS)
CASES = [(book, name) for book in BOOKS for name in decisions(book)]
IDS = [f"{book.name}-{name}" for book, name in CASES]
INPUTS = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def all_inputs(dtype):
    return np.arange(1 << 16, dtype=np.uint16).view(INPUTS[dtype])


def near_thresholds(book, name):
    """The binary32 numbers at and around every threshold, both infinities, both zeros and the smallest numbers."""
    keys = np.array(encode_table(book, decision(name, book), None).keys, np.int64)
    keys = np.unique(
        np.concatenate([keys - 2, keys - 1, keys, keys + 1, [-3, -2, -1, 0, 1, 2, 0x7F800000, ~0x7F800000]])
    )
    keys = keys[(keys >= ~0x7F800000) & (keys <= 0x7F800000)].astype(np.int32)
    return (keys ^ ((keys >> 31) & 0x7FFFFFFF)).view(np.float32)


@pytest.mark.parametrize(("book", "name"), CASES, ids=IDS)
def test_every_threshold_and_its_neighbours(book, name):
    x = near_thresholds(book, name)
    due = [judge(value, book, decision=name) for value in x.tolist()]
    assert encode_codebook(x, book, decision=name).tolist() == due
    assert jax_encode(jnp.asarray(x), book, decision=name).tolist() == due


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", INPUTS)
@pytest.mark.parametrize(("book", "name"), rotate(CASES, 12), ids=rotate(IDS, 12))
def test_numpy_and_jax_agree_on_every_16_bit_input(book, name, dtype):
    x = all_inputs(dtype)
    codes = encode_codebook(x, book, decision=name, nan="zero")
    np.testing.assert_array_equal(jax_encode(jnp.asarray(x), book, decision=name, nan="zero"), codes)
    wide = x.astype(np.float32)
    np.testing.assert_array_equal(encode_codebook(wide, book, decision=name, nan="zero"), codes)
    np.testing.assert_array_equal(jax_encode(wide, book, decision=name, nan="zero"), codes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", INPUTS)
@pytest.mark.parametrize(("book", "name"), rotate(CASES, 24), ids=rotate(IDS, 24))
def test_the_judge_on_every_16_bit_input(book, name, dtype):
    x = all_inputs(dtype)
    x = x[(x.view(np.uint16) & 0x7FFF) <= np.array(np.inf, x.dtype).view(np.uint16)]  # numbers
    due = [judge(value, book, decision=name) for value in x.astype(np.float64).tolist()]
    assert encode_codebook(x, book, decision=name).tolist() == due


def test_a_shifted_threshold_is_noticed():
    """The comparison above can fail: one threshold a unit in the last place off."""
    right = nearest_thresholds(NF4, Ties.LOWER)
    key = encode_table(NF4, Ties.LOWER, None).keys[9]
    moved = Fraction(float(np.int32(key).view(np.float32)))
    numerators = list(right.numerators)
    numerators[9] = int(moved * right.denominator)
    wrong = Thresholds(
        name="wrong",
        numerators=tuple(numerators),
        denominator=right.denominator,
        inclusive=right.inclusive,
        codes=right.codes,
        source="a planted fault",
    )
    x = near_thresholds(NF4, "lower")
    assert (encode_codebook(x, NF4, decision=wrong) != encode_codebook(x, NF4, decision="lower")).sum() == 1


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_value_is_its_own_code_and_decodes_exactly(book):
    codes = np.arange(book.size, dtype=np.uint8)
    values = [judge_decode(code, book) for code in codes.tolist()]
    got = decode_codebook(codes, book)
    np.testing.assert_array_equal(jax_decode(codes, book).view(jnp.uint32), got.view(np.uint32))
    assert got.tolist() == [float(np.float32(float(value))) for value in values]  # each lies in binary64 here
    assert np.signbit(got).tolist() == [str(value).startswith("-") for value in values]
    again = decode_codebook(encode_codebook(got, book, decision="lower"), book)
    np.testing.assert_array_equal(again, got)


@pytest.mark.parametrize("ties", Ties)
def test_ties_by_hand(ties):
    """Midpoints of -3, 0, 3, 5: -1.5, 1.5, 4, and of -3 and 3 alone: 0."""
    book = codebook_of("demo", (-3.0, 0.0, 3.0, 5.0), source="a test")
    taken = {
        Ties.LOWER: [-3, 0, 3],
        Ties.UPPER: [0, 3, 5],
        Ties.EVEN_INDEX: [-3, 3, 3],
        Ties.TOWARD_ZERO: [0, 0, 3],
        Ties.AWAY_FROM_ZERO: [-3, 3, 5],
    }[ties]
    for encode, decode in ((encode_codebook, decode_codebook), (jax_encode, jax_decode)):
        assert decode(encode(np.float32([-1.5, 1.5, 4]), book, decision=ties), book).tolist() == taken
    assert [judge_decode(judge(x, book, decision=ties), book) for x in (-1.5, 1.5, 4)] == taken
    symmetric = judge(0, codebook("bitmod_fp3_ea_minus"), decision=ties)
    assert symmetric == 0
    assert judge(0, ODD_BOOKS[3], decision=ties) == (ties not in (Ties.LOWER, Ties.EVEN_INDEX))


def test_nearest_is_nearest():
    x = near_thresholds(NF4, "lower")
    for value in x[np.isfinite(x)].tolist():
        got = judge_decode(judge(value, NF4, decision="lower"), NF4)
        assert abs(got - Fraction(value)) == min(abs(NF4.fraction(c) - Fraction(value)) for c in range(16))


@pytest.mark.parametrize("verb", [encode_codebook, jax_encode])
@pytest.mark.parametrize(("rule", "due"), [("zero", 7), ("maximum", 15), ("minimum", 0)])
def test_nan_rules(verb, rule, due):
    nans = np.array([0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFC00000, 0xFFFFFFFF], np.uint32).view(
        np.float32
    )
    assert verb(nans, "nf4", decision="lower", nan=rule).tolist() == [due] * 6
    assert judge(math.nan, "nf4", decision="lower", nan=rule) == due
    many = verb(nans, "bitsandbytes_dynamic_signed", decision="lower", nan=rule)
    assert many.tolist() == [{"zero": 127, "maximum": 255, "minimum": 0}[rule]] * 6


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("book", ["nf4", "bitsandbytes_fp4", "bitsandbytes_dynamic_unsigned"])
def test_jit_and_vmap(book, x64):
    x = np.linspace(-1.25, 1.25, 60, dtype=np.float32).reshape(3, 4, 5)
    with jax.enable_x64(x64):
        codes = jax.jit(jax.vmap(lambda row: jax_encode(row, book, decision="upper", nan="zero")))(x)
        values = jax.jit(jax.vmap(lambda row: jax_decode(row, book)))(codes)
    due = encode_codebook(x, book, decision="upper")
    np.testing.assert_array_equal(codes, due)
    np.testing.assert_array_equal(values, decode_codebook(due, book))
    assert (codes.dtype, values.dtype) == (np.uint8, np.float32)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
@pytest.mark.parametrize(("encode", "decode"), [(encode_codebook, decode_codebook), (jax_encode, jax_decode)])
def test_shapes(encode, decode, shape):
    codes = encode(np.zeros(shape, np.float32), "nf4", decision="lower")
    assert codes.shape == shape
    assert decode(codes, "nf4").shape == shape


@pytest.mark.parametrize("verb", [encode_codebook, jax_encode])
def test_byte_order_and_strides(verb):
    x = np.linspace(-1, 1, 40, dtype=">f4").reshape(4, 10)[:, ::3]
    due = encode_codebook(x.astype(np.float32), "nf4", decision="lower")
    np.testing.assert_array_equal(verb(x, "nf4", decision="lower"), due)


def test_thresholds_of_ones_own():
    """A dead zone: everything from -1/2 to 1/2, both included, is zero; exactly 1 has a cell of its own."""
    book = codebook_of("demo", (-1.0, 0.0, 1.0, 2.0), source="a test")
    own = Thresholds(
        name="dead zone",
        numerators=(-1, 1, 2, 2),
        denominator=2,
        inclusive=(True, False, True, False),
        codes=(0, 1, 1, 2, 3),
        source="a test",
    )
    x = np.float32([-0.500001, -0.5, 0.5, 0.75, np.nextafter(np.float32(1), 0), 1, np.nextafter(np.float32(1), 2)])
    due = [0, 1, 1, 1, 1, 2, 3]
    assert encode_codebook(x, book, decision=own).tolist() == due
    assert jax_encode(x, book, decision=own).tolist() == due
    assert [judge(value, book, decision=own) for value in x.tolist()] == due


class TestRefused:
    @pytest.mark.parametrize("verb", [encode_codebook, jax_encode, judge])
    def test_unknown_names(self, verb):
        with pytest.raises(KeyError, match="unknown code-book 'nf5'; known: nf4, bitsandbytes_fp4"):
            verb(np.float32(0).item() if verb is judge else np.float32(0), "nf5", decision="lower")
        x = 0.0 if verb is judge else np.float32(0)
        with pytest.raises(ValueError, match="decision='bitsandbytes_fp4_cuda' is none of nf4; choose one of: lower"):
            verb(x, "nf4", decision="bitsandbytes_fp4_cuda")
        with pytest.raises(TypeError, match="decision must be stated; choose one of: lower"):
            verb(x, "nf4", decision=None)
        own = Thresholds(name="own", numerators=(0,), inclusive=(True,), codes=(0, 16), source="a test")
        with pytest.raises(ValueError, match=r"code 16 does not exist in nf4, whose codes are 0\.\.15"):
            verb(x, "nf4", decision=own)
        with pytest.raises(ValueError, match="nan='max' is not known"):
            verb(math.nan if verb is judge else np.float32(math.nan), "nf4", decision="lower", nan="max")

    @pytest.mark.parametrize("verb", [encode_codebook, jax_encode])
    def test_nan_and_dtype(self, verb):
        with pytest.raises(ValueError, match=r"x\[1\] = nan but nf4 has no NaN; state nan= as one of: zero, maximum"):
            verb(np.float32([0, math.nan]), "nf4", decision="lower")
        for dtype in ("float64", "int32", "uint8"):
            with pytest.raises(TypeError, match=f"dtype {dtype} is not accepted; accepted: float16, bfloat16, float32"):
                verb(np.zeros(2, dtype), "nf4", decision="lower")

    def test_nan_under_jit(self):
        with pytest.raises(TypeError, match="under a JAX transformation state nan= as one of: zero, maximum, minimum"):
            jax.jit(lambda x: jax_encode(x, "nf4", decision="lower"))(jnp.zeros(2))

    def test_by_the_judge(self):
        with pytest.raises(ValueError, match="nf4 has no NaN; state nan="):
            judge(math.nan, "nf4", decision="lower")
        with pytest.raises(TypeError, match="value must be a Fraction, int or float, not str"):
            judge("1", "nf4", decision="lower")
        with pytest.raises(ValueError, match=r"code 16 does not exist in nf4, whose codes are 0\.\.15"):
            judge_decode(16, "nf4")

    @pytest.mark.parametrize("verb", [decode_codebook, jax_decode])
    def test_codes(self, verb):
        for bad in (-1, 16, 256):
            with pytest.raises(ValueError, match=rf"code {bad} at \[0, 1\] is none of nf4, whose codes are 0\.\.15"):
                verb(np.array([[0, bad]], np.int32), "nf4")
        with pytest.raises(TypeError, match="codes must be integers, not float32"):
            verb(np.zeros(2, np.float32), "nf4")

    def test_a_value_beyond_binary32(self):
        huge = CodebookSpec(name="huge", bits=1, numerators=(0, 1 << 128), source="a test")
        assert judge_decode(1, huge) == 1 << 128
        with pytest.raises(OverflowError, match="lies beyond binary32"):
            decode_codebook([0], huge)


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        (r"bits=0 must lie in 1\.\.8", {"bits": 0}),
        (r"bits=9 must lie in 1\.\.8", {"bits": 9}),
        (r"3 values do not fit: 2\.\.2 do", {"bits": 1}),
        ("1 values do not fit", {"numerators": (1,)}),
        ("denominator=0 must be positive", {"denominator": 0}),
        ("all values are equal", {"numerators": (1, 1, 1)}),
        ("negative_zero=0 is no code of zero", {"negative_zero": 0}),
        ("negative_zero=3 is no code of zero", {"negative_zero": 3}),
    ],
)
def test_a_book_must_make_sense(match, changes):
    fields = {"name": "demo", "bits": 2, "numerators": (-1, 0, 1), "denominator": 2, "source": "a test"}
    with pytest.raises(ValueError, match="CodebookSpec 'demo': " + match):
        CodebookSpec(**{**fields, **changes})


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        ("at least one threshold", {"numerators": (), "inclusive": (), "codes": (0,)}),
        ("at least one threshold and a positive denominator", {"denominator": 0}),
        ("1 flags do not fit 2 thresholds", {"inclusive": (True,)}),
        ("2 codes do not fit the 3 cells", {"codes": (0, 1)}),
        ("threshold 1 does not lie above the one before", {"numerators": (1, 0)}),
        ("threshold 1 does not lie above the one before", {"numerators": (1, 1)}),
    ],
)
def test_thresholds_must_make_sense(match, changes):
    fields = {"name": "demo", "numerators": (0, 1), "inclusive": (True, True), "codes": (0, 1, 2), "source": "a test"}
    with pytest.raises(ValueError, match="Thresholds 'demo': " + match):
        Thresholds(**{**fields, **changes})


def test_a_book_of_floats_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="value inf of code 1 is not finite"):
        codebook_of("demo", (0.0, math.inf), source="a test")


def test_bitmod_has_two_widths():
    with pytest.raises(ValueError, match="bits=5 is no width of BitMoD; choose one of: 3, 4"):
        bitmod_books(5)
