"""GGUF blocks: the judge, NumPy and JAX on every bit of a block, every special scale, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from gguf_cases import KINDS, SPECIAL_FLOAT16, drawn, with_float16

from formats.block_formats.spec import Level
from formats.gguf.record import BitField, BitRun
from formats.gguf.types import GGUF_TYPES, gguf_type
from formats.registry import get
from formats.results import FLOAT32
from kernels_ref import gguf as jax_gguf
from reference import gguf
from reference.blocks import dequantize_blocks
from reference.exact import encode
from reference.exact import gguf as exact_gguf


def judged(blocks, kind):
    """binary32 patterns of the judge's values."""
    policy = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
    return np.array(
        [[encode(v, FLOAT32, **policy) for v in exact_gguf.dequantize_gguf(block.tolist(), kind)] for block in blocks],
        np.uint32,
    )


@KINDS
def test_every_bit_of_a_block_by_itself(kind):
    """Zeros with a single one: where each bit goes, in all three executors."""
    bits = np.packbits(np.eye(8 * kind.nbytes, dtype=np.uint8), axis=1, bitorder="little")
    ours, theirs = gguf.unpack_gguf(bits, kind), jax_gguf.unpack_gguf(bits, kind)
    due = [exact_gguf.unpack_gguf(block.tolist(), kind) for block in bits]
    for name, _ in kind.fields:
        np.testing.assert_array_equal(ours[name], np.array([codes[name] for codes in due]))
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype
    np.testing.assert_array_equal(gguf.pack_gguf(ours, kind), bits)


@KINDS
def test_values_are_the_judge_s(kind):
    special = with_float16(drawn(kind, len(SPECIAL_FLOAT16)), kind, SPECIAL_FLOAT16)
    blocks = np.concatenate([drawn(kind, 4), special, np.zeros_like(special[:1]), np.full_like(special[:1], 255)])
    due = judged(blocks, kind)
    np.testing.assert_array_equal(gguf.dequantize_gguf(blocks, kind).view(np.uint32), due)
    np.testing.assert_array_equal(np.asarray(jax_gguf.dequantize_gguf(blocks, kind)).view(np.uint32), due)


@pytest.mark.parametrize("name", ["MXFP4", "NVFP4"])
def test_every_pair_of_scale_and_element(name):
    """Subnormal products and infinite ones are among them."""
    kind = gguf_type(name)
    blocks = np.zeros((256, kind.nbytes), np.uint8)
    scales = kind.nbytes - kind.elements // 2
    blocks[:, :scales] = np.arange(256)[:, None]
    blocks[:, scales:] = np.arange(kind.elements // 2) % 16 * 0x11
    due = judged(blocks, kind)
    np.testing.assert_array_equal(gguf.dequantize_gguf(blocks, kind).view(np.uint32), due)
    np.testing.assert_array_equal(np.asarray(jax_gguf.dequantize_gguf(blocks, kind)).view(np.uint32), due)


@KINDS
def test_a_block_tensor_has_the_same_values(kind):
    data = drawn(kind, 12).reshape(2, -1)
    tensor = gguf.gguf_tensor(data, kind)
    assert (tensor.spec, tensor.codes.shape) == (kind.spec, (2, 6 * kind.elements))
    np.testing.assert_array_equal(dequantize_blocks(tensor), gguf.dequantize_gguf(data, kind))


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", ["Q4_K", "MXFP4"])
def test_jit_and_vmap(name, x64):
    kind = gguf_type(name)
    data = drawn(kind, 6).reshape(3, -1)
    with jax.enable_x64(x64):
        values = jax.jit(jax.vmap(lambda row: jax_gguf.dequantize_gguf(row, kind)))(data)
    assert np.asarray(values).tobytes() == gguf.dequantize_gguf(data, kind).tobytes()


@pytest.mark.parametrize("verb", [gguf.dequantize_gguf, jax_gguf.dequantize_gguf])
@pytest.mark.parametrize("shape", [(0,), (0, 36), (2, 0), (3, 1, 36)])
def test_shapes(verb, shape):
    assert verb(np.zeros(shape, np.uint8), "Q4_0").shape == (*shape[:-1], shape[-1] // 18 * 32)


def test_more_than_a_chunk():
    data = drawn(gguf_type("Q4_K"), 300)
    whole = gguf.dequantize_gguf(data.reshape(-1), "Q4_K")
    assert whole.tobytes() == b"".join(gguf.dequantize_gguf(row, "Q4_K").tobytes() for row in data)


def test_numbers_and_sizes():
    sizes = {"Q4_0": 4.5, "Q4_1": 5, "Q5_0": 5.5, "Q5_1": 6, "Q8_0": 8.5, "Q2_K": 2.625, "Q3_K": 3.4375, "Q4_K": 4.5}
    sizes |= {"Q5_K": 5.5, "Q6_K": 6.5625, "IQ4_NL": 4.5, "IQ4_XS": 4.25, "TQ2_0": 2.0625, "MXFP4": 4.25, "NVFP4": 4.5}
    assert {name: kind.bits_per_element for name, kind in GGUF_TYPES.items()} == sizes
    for kind in GGUF_TYPES.values():
        assert kind.bits_per_element == kind.spec.bits_per_element


class TestRefused:
    @pytest.mark.parametrize("verb", [gguf.dequantize_gguf, gguf.unpack_gguf, jax_gguf.dequantize_gguf])
    def test_bytes(self, verb):
        with pytest.raises(TypeError, match="the bytes of blocks must be uint8, not int32"):
            verb(np.zeros(18, np.int32), "Q4_0")
        with pytest.raises(ValueError, match=r"Q4_0 has blocks of 18 bytes; shape \(2, 17\) is no row of them"):
            verb(np.zeros((2, 17), np.uint8), "Q4_0")
        with pytest.raises(ValueError, match=r"shape \(\) is no row"):
            verb(np.uint8(0), "Q4_0")
        with pytest.raises(KeyError, match="unknown GGUF type 'Q4_2'; known: Q4_0, Q4_1"):
            verb(np.zeros(18, np.uint8), "Q4_2")

    def test_bytes_by_the_judge(self):
        with pytest.raises(ValueError, match="a block of Q4_0 has 18 bytes, not 17"):
            exact_gguf.unpack_gguf([0] * 17, "Q4_0")

    @pytest.mark.parametrize(
        ("error", "match", "changes"),
        [
            (ValueError, r"codes\[0, 1\] = 16 does not fit 4 bits", {"codes": [[0, 16, *[0] * 30]]}),
            (ValueError, r"codes\[0, 0\] = -1 does not fit 4 bits", {"codes": [[-1] * 32]}),
            (ValueError, r"scales\[0, 0\] = 65536 does not fit 16 bits", {"scales": [[65536]]}),
            (TypeError, "scales must be integers, not float64", {"scales": [[1.0]]}),
            (ValueError, r"codes of shapes \[\(1, 31\), \(1, 1\)\] are no whole blocks of Q4_0", {"codes": [[0] * 31]}),
            (ValueError, "are no whole blocks", {"codes": [[0] * 64]}),
            (ValueError, "are no whole blocks", {"scales": [0]}),
            (ValueError, "are no whole blocks", {"scales": 0}),
            (ValueError, r"Q4_0 has the fields \['codes', 'scales'\], not \['codes', 'scales', 'x'\]", {"x": [0]}),
        ],
    )
    def test_codes(self, error, match, changes):
        with pytest.raises(error, match=match):
            gguf.pack_gguf({"codes": [[0] * 32], "scales": [[0]], **changes}, "Q4_0")


class TestARecordMustMakeSense:
    @pytest.mark.parametrize(
        ("match", "changes"),
        [
            ("are no bits of a block", {"start": -1}),
            ("are no bits of a block", {"width": 9}),
            ("are no bits of a block", {"axes": ((0, 8),)}),
            ("4 bits from bit 14 on cross a byte", {"axes": ((2, 14),)}),
        ],
    )
    def test_run(self, match, changes):
        with pytest.raises(ValueError, match=match):
            BitRun(**{"start": 0, "width": 4, **changes})

    def test_field(self):
        with pytest.raises(ValueError, match=r"runs of \[1, 2\] codes are not one field"):
            BitField(runs=(BitRun(start=0, width=8), BitRun(start=8, width=8, axes=((2, 8),))))

    @pytest.mark.parametrize(
        ("match", "changes"),
        [
            ("the fields do not fill 19 bytes", {"nbytes": 19}),
            ("two codes share a bit of those from 16 on", {"scales": gguf_type("Q4_1").shifts}),
            (r"\('scales', 16, 1\)\], where gguf_q4_1 has", {"spec": gguf_type("Q4_1").spec}),
            ("where demo has", {"spec": replace(gguf_type("Q4_0").spec, name="demo", element=get("int8"))}),
            ("where demo has", {"spec": replace(gguf_type("Q4_0").spec, name="demo", scale=Level(format=get("int8")))}),
        ],
    )
    def test_type(self, match, changes):
        with pytest.raises(ValueError, match=match):
            replace(gguf_type("Q4_0"), **changes)

    def test_a_fault_in_the_data_shows(self):
        """The nibbles of a byte as neighbours: still a bijection, and other values."""
        right = gguf_type("Q4_0")
        run = BitRun(start=16, width=4, axes=((16, 8), (2, 4)))
        swapped = replace(right, codes=replace(right.codes, runs=(run,)))
        data = drawn(right, 2)
        assert (gguf.dequantize_gguf(data, swapped) != gguf.dequantize_gguf(data, right)).any()
