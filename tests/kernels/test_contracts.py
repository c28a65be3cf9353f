"""Contracts of kernels: complete, resolvable, with operands that their golden functions take, and kept."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest
from rotation import rotate

import formats
import reference
from formats import FloatSpec
from formats.code_books.named import codebook, codebooks
from formats.products import scaled_product, scaled_products
from kernels_ref.contracts import (
    FAMILIES,
    Operation,
    Shape,
    contract,
    contracts,
    matching,
    operands,
    resolve,
)
from kernels_ref.contracts.products import DENSE, ON_XLA, STREAMED
from reference.products.arguments import Size, expected

NAMES = contracts()
OTHERS = [name for name in contracts(every=True) if name not in NAMES]
PRODUCTS = contracts(Operation.SCALED_PRODUCT)
HAS_MOSAIC = jax.__version_info__ >= (0, 11, 2)
SMALL = Shape(m=4, n=128, k=256)


def call(name, dotted, drawn):
    """The kernel on drawn operands, in the interpreter where it has one."""
    function = resolve(dotted)
    options = {"interpret": True} if "interpret" in inspect.signature(function).parameters else {}
    if dotted == STREAMED:  # the interpreter has no signals between thread blocks
        options["variant"] = resolve("kernels_ref.hopper.Variant")(join="planes")
    return function(**drawn, **contract(name).keywords, **options)


def words(x):
    array = np.asarray(x)
    return array.view(f"u{array.dtype.itemsize}")


def test_every_product_has_one_contract():
    assert scaled_products() == PRODUCTS
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", PRODUCTS)
def test_operands_are_those_that_the_record_asks_for(name):
    claim, shape = contract(name), Shape(m=4, n=256, k=512)
    of = Size(shape.m, shape.n, shape.k, shape.k, None)
    due = expected(scaled_product(name), of)
    named = {each.name: shape.of(each.shape) for each in claim.operands}
    assert named.pop("a") == (4, 512)
    assert named.pop("w") == (256, 512)
    assert {key: size for key, size in named.items() if key != "zero_point"} == {
        key: size for key, size in due.items() if key != "zero_point"
    }
    assert ("zero_point" in named) == ("zero_point" in due)


def test_every_small_format_and_code_book_has_contracts_both_ways():
    every = set(contracts(every=True))
    narrow = [name for name in formats.names() if formats.get(name).bits <= 8]
    assert len(narrow) > 150
    assert len(codebooks()) == 12
    for name, dtype in itertools.product([*narrow, *codebooks()], ("bfloat16", "float32")):
        assert {f"encode_{name}_{dtype}", f"decode_{name}_{dtype}"} <= every
    for name in narrow:
        assert (f"encode_{name}_float32_stochastic" in every) == isinstance(formats.get(name), FloatSpec)


def test_contracts_are_called_what_they_are():
    for name in (*NAMES, *OTHERS):
        given = contract(name).keywords
        what = next((given[key] for key in ("product", "fmt", "book", "block_format", "layout") if key in given), None)
        assert what in name
        assert contract(name).name == name
        assert contract(name).source


@pytest.mark.parametrize("name", NAMES)
def test_golden_names_resolve(name):
    assert callable(resolve(contract(name).golden))


@pytest.mark.skipif(not HAS_MOSAIC, reason="Mosaic GPU kernels need jax >= 0.11.2")
@pytest.mark.parametrize("dotted", sorted({dotted for name in NAMES for dotted in contract(name).kernels}))
def test_kernel_names_resolve(dotted):
    assert callable(resolve(dotted))


@pytest.mark.parametrize("name", rotate(PRODUCTS, 5))
@pytest.mark.parametrize("family", FAMILIES)
def test_the_golden_function_takes_every_family(name, family):
    claim = contract(name)
    drawn = operands(claim, SMALL, family=family, seed=1)
    result = resolve(claim.golden)(**drawn, **claim.keywords, split=claim.split_k)
    assert result.shape == (SMALL.m, SMALL.n)


@pytest.mark.parametrize("name", PRODUCTS)
def test_exact_operands_give_the_same_however_k_is_cut(name):
    claim = contract(name)
    drawn = operands(claim, SMALL, family="exact", seed=2)
    whole, cut = (resolve(claim.golden)(**drawn, **claim.keywords, split=split) for split in (None, claim.split_k))
    assert np.array_equal(whole, cut)
    assert len(np.unique(whole)) > 4


#: integers are exact, and so are sums of a few E4M3 chains without scales: those have 13 bits
EXACT = ("fp6_e3m2_e4m3", "fp6_e2m3_e4m3")
SPLIT_SHOWS = [name for name in PRODUCTS if ".s32." not in contract(name).accumulator and name not in EXACT]


@pytest.mark.parametrize("name", rotate(SPLIT_SHOWS, 4))
def test_scales_show_how_k_is_cut(name):
    claim = contract(name)
    drawn = operands(claim, Shape(m=4, n=256, k=2048), family="scales", seed=3)
    unrounded = replace(scaled_product(name), out="float32")
    whole, cut = (resolve(claim.golden)(**drawn, product=unrounded, split=split) for split in (None, claim.split_k))
    assert (whole != cut).any()


def test_operands_repeat_and_families_differ():
    claim = contract("w4a16_g128")
    once, again = (operands(claim, family="random", seed=5) for _ in range(2))
    assert all(np.array_equal(once[key], again[key]) for key in once)
    drawn = [operands(claim, family=family, seed=5)["a"].tobytes() for family in FAMILIES]
    assert len(set(drawn)) >= len(FAMILIES) - 1  # scales differ in their scales, not in their codes
    assert not np.array_equal(operands(claim, family="random", seed=6)["w"], once["w"])


def test_cancelling_operands_cancel():
    drawn = operands(contract("w8a8_int8"), Shape(m=4, n=128, k=256), family="cancelling", seed=0)
    a = drawn["a"].view(np.int8).astype(int)
    w = drawn["w"].view(np.int8).astype(int)
    pairs = a[:, 0::2] + a[:, 1::2]
    assert (pairs == 0).mean() > 0.8
    assert np.array_equal(w[:, 0::2], w[:, 1::2])


@pytest.mark.skipif(not HAS_MOSAIC, reason="Mosaic GPU kernels need jax >= 0.11.2")
@pytest.mark.parametrize("name", rotate([name for name in PRODUCTS if DENSE in contract(name).kernels], 6))
def test_dense_kernels_keep_their_contract(name):
    keeps(name, DENSE)


@pytest.mark.skipif(not HAS_MOSAIC, reason="Mosaic GPU kernels need jax >= 0.11.2")
@pytest.mark.parametrize("name", rotate(PRODUCTS, 13))
def test_streaming_kernels_keep_their_contract(name):
    keeps(name, STREAMED)


@pytest.mark.parametrize("name", rotate(PRODUCTS, 25))
def test_golden_models_on_xla_keep_their_contract(name):
    keeps(name, ON_XLA)


def keeps(name, dotted):
    claim = contract(name)
    drawn = operands(claim, family="exact", seed=4)
    want = resolve(claim.golden)(**drawn, **claim.keywords)
    assert np.array_equal(words(call(name, dotted, drawn)), want)
    drawn["w"] = drawn["w"].copy()
    drawn["w"][3, 5] ^= 1
    drawn["a"] = drawn["a"].copy()
    drawn["a"][:, 5] = drawn["a"][:, 5].max()
    assert not np.array_equal(words(call(name, dotted, drawn)), want)


@pytest.mark.skipif(not HAS_MOSAIC, reason="Mosaic GPU kernels need jax >= 0.11.2")
@pytest.mark.parametrize("name", rotate([name for name in NAMES if name not in PRODUCTS], 8))
@pytest.mark.parametrize("family", ["random", "zeros"])
def test_element_and_block_kernels_keep_their_contract(name, family):
    claim = contract(name)
    drawn = operands(claim, family=family, seed=7)
    want = jax.tree.leaves(resolve(claim.golden)(**drawn, **claim.keywords))
    for dotted in claim.kernels:
        got = jax.tree.leaves(call(name, dotted, drawn))
        for x, y in zip(got, want, strict=True):
            assert np.asarray(x).shape == np.asarray(y).shape, dotted
            assert np.array_equal(words(x), words(y)), dotted


@pytest.mark.parametrize("name", rotate(OTHERS, 61))
def test_kernels_of_every_format_keep_their_contract(name):
    claim = contract(name)
    for family in ("random", "scales"):
        drawn = operands(claim, family=family, seed=8)
        want = jax.tree.leaves(resolve(claim.golden)(**drawn, **claim.keywords))
        assert [x.shape for x in want] == [claim.example.of(each.shape) for each in claim.out]
        for dotted in claim.kernels if HAS_MOSAIC else claim.kernels[:1]:
            got = jax.tree.leaves(call(name, dotted, drawn))
            assert all(np.array_equal(words(x), words(y)) for x, y in zip(got, want, strict=True)), dotted
            if family == "scales" and np.unique(words(want[0])).size > 1:
                wrong = {key: array[::-1].copy() for key, array in drawn.items()}
                assert not np.array_equal(words(jax.tree.leaves(call(name, dotted, wrong))[0]), words(want[0])), dotted


KNOWN = [name for name in contracts(Operation.QUANTISE_BLOCKS) if name.endswith("_known")]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("family", FAMILIES)
def test_known_second_numbers_leave_most_codes_and_scales_in_use(name, family):
    claim = contract(name)
    for seed in range(4):
        drawn = operands(claim, family=family, seed=seed)
        second = drawn["second"]
        assert (second.shape, second.dtype) == ((), np.float32)
        assert 2.0**-60 <= second <= 2.0**60
        packed, scales, stored = resolve(claim.golden)(**drawn, **claim.keywords)
        assert stored == second
        assert np.unique(reference.unpack(packed, "4bit_low_first")).size == 16
        assert np.unique(scales).size > 4


@pytest.mark.skipif(not HAS_MOSAIC, reason="Mosaic GPU kernels need jax >= 0.11.2")
@pytest.mark.parametrize("name", KNOWN)
def test_the_second_number_that_is_given_is_the_one_that_is_used(name):
    claim = contract(name)
    drawn = operands(claim, family="random", seed=9)
    found = [resolve(claim.golden)(**drawn, **claim.keywords)]
    drawn["second"] = drawn["second"] * np.float32(0.75)
    found.append(resolve(claim.golden)(**drawn, **claim.keywords))
    assert not np.array_equal(found[0][1], found[1][1])
    for dotted in claim.kernels:
        for x, y in zip(jax.tree.leaves(call(name, dotted, drawn)), found[1], strict=True):
            assert np.array_equal(words(x), words(y)), dotted


def test_no_processor_converts_a_decoded_nan_to_bfloat16_in_its_own_way():
    codes = jax.ShapeDtypeStruct((256,), "uint8")
    decode = resolve("kernels_ref.contracts.compositions.decode_on_xla")
    steps = str(jax.make_jaxpr(lambda x: decode(x, "float8_e4m3fn", "bfloat16"))(codes))
    assert "convert_element_type[new_dtype=bfloat16" not in steps
    assert "convert_element_type[new_dtype=bfloat16" in str(jax.make_jaxpr(lambda x: x.astype("bfloat16"))(codes))


def test_every_code_is_decoded():
    drawn = operands(contract("decode_float8_e5m2_bfloat16"), family="random", seed=0)["codes"]
    assert np.array_equal(np.unique(drawn), np.arange(256))
    drawn = operands(contract("decode_bitmod_fp3_er_plus_float32"), family="random", seed=0)["codes"]
    assert np.array_equal(np.unique(drawn), np.arange(8))


@pytest.mark.parametrize(("name", "top"), [("ternary_2bit", 0b10101010), ("ternary_base3", 242)])
def test_packed_trits_are_those_that_packing_makes(name, top):
    for claim in (contract(f"decode_ternary_{name}"), contract(f"unpack_{name}")):
        drawn = operands(claim, family="random", seed=0)["words"]
        assert drawn.shape == claim.example.of(claim.operands[0].shape)
        assert set(np.unique(reference.unpack(drawn, name))) == {0, 1, 3}
        assert drawn.max() == top


@pytest.mark.parametrize("name", codebooks())
def test_values_of_code_books_are_rounded_once_to_bfloat16_too(name):
    """By way of binary32: it has no value halfway between two of bfloat16 that is not the book's own."""
    book, claim = codebook(name), contract(f"decode_{name}_bfloat16")
    codes = np.arange(len(book.numerators), dtype=np.uint8)
    got = resolve(claim.golden)(codes, **claim.keywords)
    for value, numerator in zip(got.tolist(), book.numerators, strict=True):
        exact = reference.exact.encode(
            Fraction(numerator, book.denominator), "bfloat16", rounding="nearest_ties_to_even", saturation="sat_none"
        )
        assert reference.exact.decode(exact, "bfloat16") == Fraction(value)


def test_patterns_match_formats_in_use_before_every_one():
    assert matching("decode_float8_e5m2*") == ["decode_float8_e5m2_bfloat16"]
    assert matching("decode_float8_e5m2_float32") == ["decode_float8_e5m2_float32"]
    assert matching("nothing") == []


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: contract("w4a16"), "unknown contract 'w4a16'; known: w4a16_g128"),
        (lambda: operands(contract("w4a16_g128"), family="odd", seed=0), "family is 'odd'; known: random, scales"),
        (lambda: operands(contract("w4a16_g128"), Shape(m=1, n=128, k=100), family="random", seed=0), "k = 100 is no"),
        (lambda: operands(contract("w8a8_int8"), Shape(m=1, n=2, k=3), family="cancelling", seed=0), "K = 3"),
        (lambda: Shape(m=1, k=2).of(("q",)), "size 'q' is not of the form"),
    ],
)
def test_bad_input_is_named(work, message):
    with pytest.raises((KeyError, ValueError), match=message):
        work()
