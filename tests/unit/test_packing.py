"""Packing: known bytes, shapes, JAX's transformations, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import onnx
import pytest

import formats
import kernels_ref
import reference
from formats import Layout
from formats.layout import LAYOUTS
from reference import exact

PACKERS = (reference.pack, kernels_ref.pack, exact.pack)
UNPACKERS = (reference.unpack, kernels_ref.unpack, exact.unpack)
ZERO, PLUS, MINUS = 0, 1, 3
NO_BYTES = {"ternary_2bit": 0xC0, "ternary_base3": 243, "4bit_low_first": 256}


@pytest.mark.parametrize(
    ("layout", "codes", "due"),
    [
        ("ternary_2bit", [ZERO] * 8, [0x55, 0x55]),
        ("ternary_2bit", [MINUS] * 4, [0]),
        ("ternary_2bit", [PLUS, ZERO, MINUS, PLUS], [0b10_00_01_10]),
        ("ternary_base3", [ZERO] * 5, [121]),
        ("ternary_base3", [MINUS] * 5, [0]),
        ("ternary_base3", [PLUS] * 5, [242]),
        ("ternary_base3", [PLUS, ZERO, MINUS, PLUS, PLUS], [2 + 3 + 2 * 27 + 2 * 81]),
        ("2bit_low_first", [0, 1, 2, 3], [0b11_10_01_00]),
        ("4bit_low_first", [0x1, 0xE], [0xE1]),
        ("4bit_high_first", [0x1, 0xE], [0x1E]),
    ],
)
@pytest.mark.parametrize(("pack", "unpack"), list(zip(PACKERS, UNPACKERS, strict=True)))
def test_known_bytes(pack, unpack, layout, codes, due):
    assert list(pack(codes, layout)) == due
    assert list(unpack(due, layout)) == codes


def test_a_ternary_code_is_the_value_plus_one():
    values = np.array([-1.0, 0.0, 1.0, -1.0, 1.0])
    codes = reference.encode(values, "ternary", rounding="toward_zero", saturation="sat_finite", nan="zero")
    assert reference.pack(codes, "ternary_base3") == [sum((int(v) + 1) * 3**j for j, v in enumerate(values))]


@pytest.mark.peers
@pytest.mark.parametrize(
    ("layout", "dtype"),
    [
        ("4bit_low_first", "int4"),
        ("4bit_low_first", "float4_e2m1fn"),
        ("2bit_low_first", "int2"),
    ],
)
def test_low_first_is_how_onnx_packs(layout, dtype):
    spec = formats.layout(layout)
    codes = np.tile(np.arange(1 << spec.code_bits, dtype=np.uint8), 3)[1:-3]  # not a palindrome, and whole bytes
    codes = codes[: len(codes) // spec.per_byte * spec.per_byte]
    tensor = onnx.numpy_helper.from_array(codes.view(getattr(ml_dtypes, dtype)))
    assert reference.pack(codes, layout).tobytes() == tensor.raw_data


@pytest.mark.parametrize("verb", [reference, kernels_ref])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint16"])
def test_any_integer_dtype_gives_uint8(verb, dtype):
    words = verb.pack(np.array([0, 1, 3, 1], dtype), "ternary_2bit")
    codes = verb.unpack(np.asarray(words).astype(np.int32), "ternary_2bit")
    assert (words.dtype, codes.dtype) == (np.uint8, np.uint8)
    assert codes.tolist() == [0, 1, 3, 1]


@pytest.mark.parametrize("verb", [reference, kernels_ref])
@pytest.mark.parametrize("shape", [(0,), (0, 10), (2, 0), (3, 1, 5)])
def test_shapes(verb, shape):
    codes = np.ones(shape, np.uint8)
    words = verb.pack(codes, "ternary_base3")
    assert words.shape == (*shape[:-1], shape[-1] // 5)
    np.testing.assert_array_equal(verb.unpack(words, "ternary_base3"), codes)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_jit_and_vmap(layout, x64):
    spec = formats.layout(layout)
    codes = (np.arange(3 * 4 * spec.per_byte) % (spec.max_digit + 1) - spec.offset) % (1 << spec.code_bits)
    codes = codes.astype(np.uint8).reshape(3, -1)
    with jax.enable_x64(x64):
        words = jax.jit(jax.vmap(lambda row: kernels_ref.pack(row, layout)))(codes)
        back = jax.jit(jax.vmap(lambda row: kernels_ref.unpack(row, layout)))(words)
    np.testing.assert_array_equal(words, reference.pack(codes, layout))
    np.testing.assert_array_equal(back, codes)


class TestRefused:
    @pytest.mark.parametrize("pack", PACKERS[:2])
    @pytest.mark.parametrize("bad", [2, 4, -1, 257])
    def test_code_with_its_index(self, pack, bad):
        with pytest.raises(ValueError, match=rf"code {bad} at \[1, 2\] is none that ternary_2bit stores: 0, 1, 3"):
            pack(np.array([[0, 1, 3, 1], [0, 1, bad, 2]], np.int32), "ternary_2bit")

    @pytest.mark.parametrize("bad", [2, 4, -1, 257])
    def test_code_by_the_judge(self, bad):
        with pytest.raises(ValueError, match=f"code {bad} at 2 is none that ternary_2bit stores"):
            exact.pack([0, 1, bad, 2], "ternary_2bit")

    @pytest.mark.parametrize("pack", PACKERS[:2])
    def test_length(self, pack):
        match = "ternary_base3 packs 5 codes a byte, so the last axis must be a multiple of 5 long; its length is 7"
        with pytest.raises(ValueError, match=match):
            pack(np.zeros((2, 7), np.uint8), "ternary_base3")

    def test_length_under_jit(self):
        with pytest.raises(ValueError, match="its length is 3"):
            jax.jit(lambda codes: kernels_ref.pack(codes, "4bit_low_first"))(jnp.zeros(3, jnp.uint8))

    def test_length_by_the_judge(self):
        with pytest.raises(
            ValueError, match=r"codes of shape \(7,\) do not fill bytes of 5, as ternary_base3 has them"
        ):
            exact.pack([0] * 7, "ternary_base3")

    @pytest.mark.parametrize(
        ("layout", "bad"), [("ternary_2bit", 0xC0), ("ternary_base3", 243), ("4bit_low_first", 256)]
    )
    @pytest.mark.parametrize("unpack", UNPACKERS[:2])
    def test_byte_with_its_index(self, unpack, layout, bad):
        spec = formats.layout(layout)
        holds = f"{spec.per_byte} digits 0..{spec.max_digit} of radix {spec.radix}"
        with pytest.raises(ValueError, match=rf"byte {bad} at \[0, 1\] is none of {layout}, which holds {holds}"):
            unpack(np.array([[0, bad], [0, 0]], np.int32), layout)

    @pytest.mark.parametrize("unpack", UNPACKERS[:2])
    def test_negative_byte(self, unpack):
        with pytest.raises(ValueError, match=r"byte -1 at \[0\]"):
            unpack(np.array([-1], np.int8), "4bit_low_first")

    @pytest.mark.parametrize("bad", [-1, 0xC0, 256])
    def test_byte_by_the_judge(self, bad):
        with pytest.raises(ValueError, match=f"byte {bad} at 1 is none that ternary_2bit has"):
            exact.unpack([0, bad], "ternary_2bit")

    @pytest.mark.parametrize("verb", [*PACKERS[:2], *UNPACKERS[:2]])
    def test_dtype_and_axes(self, verb):
        with pytest.raises(TypeError, match="must be integers, not float32; view a narrow dtype as uint8 first"):
            verb(np.zeros(4, np.float32), "ternary_2bit")
        with pytest.raises(ValueError, match="need a last axis to pack along; a scalar has none"):
            verb(np.uint8(0), "ternary_2bit")

    @pytest.mark.parametrize("verb", [*PACKERS, *UNPACKERS])
    def test_unknown_layout(self, verb):
        with pytest.raises(KeyError, match=r"unknown layout 'base3'; known: ternary_2bit, ternary_base3, 2bit_low"):
            verb([0], "base3")


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        (r"code_bits=9 must lie in 1\.\.8", {"code_bits": 9}),
        ("radix=1, per_byte=2 pack nothing", {"radix": 1}),
        ("radix=16, per_byte=0 pack nothing", {"per_byte": 0}),
        ("3 digits of radix 16 do not fit a byte", {"per_byte": 3}),
        (r"max_digit=16 must lie in 1\.\.15", {"max_digit": 16}),
        (r"max_digit=15 must lie in 1\.\.7", {"code_bits": 3}),
        (r"offset=16 must lie in 0\.\.15", {"offset": 16}),
    ],
)
def test_a_layout_must_make_sense(match, changes):
    fields = {"name": "demo", "code_bits": 4, "radix": 16, "per_byte": 2, "max_digit": 15, "source": "a test"}
    with pytest.raises(ValueError, match="Layout 'demo': " + match):
        Layout(**{**fields, **changes})


def test_a_layout_of_ones_own():
    """Offset binary nibbles: the digit of an int4 is its value plus 8."""
    own = Layout(name="own", code_bits=4, radix=16, per_byte=2, offset=8, max_digit=15, source="a test")
    assert [pack([0x8, 0x7], own)[0] for pack in PACKERS] == [0xF0] * 3
    assert formats.layout("ternary_2bit").bits_per_element == 2.0
