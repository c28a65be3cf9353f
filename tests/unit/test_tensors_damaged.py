"""Tensor files cut short, with wrong bits or of random bytes end in ValueError, or load: no other error, no loop."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper
from rotation import rotate
from tensor_files import (
    BFLOAT16,
    constant,
    ct2_bytes,
    gguf_bytes,
    npz_bytes,
    onnx_bytes,
    onnx_tensors,
    patterns,
    safetensors_bytes,
)

from analysis import tensors

HALF, SINGLE, BRAIN = patterns(np.float16, (2, 3)), patterns(np.float32, (2, 2)), patterns(BFLOAT16, (5,))
CODES = np.arange(3, dtype=np.int8)
Q8_0 = np.arange(34, dtype=np.uint8)[None]


def make_safetensors(folder):
    return safetensors_bytes({"half": HALF, "brain": BRAIN, "codes": CODES})


def make_gguf(folder):
    arrays = {"half": HALF, "brain": BRAIN, "codes": CODES}
    return gguf_bytes(folder, arrays, [("q", Q8_0, GGMLQuantizationType.Q8_0)])


def make_npz(folder):
    return npz_bytes(folder, {"half": HALF, "single": SINGLE, "codes": CODES})


def make_npz_deflated(folder):
    return npz_bytes(folder, {"half": HALF, "zeros": np.zeros(500)}, compressed=True)


def make_onnx(folder):
    words = TensorProto(name="words", data_type=TensorProto.FLOAT16, dims=[2], int32_data=[0, 15360])
    node = constant("single", value=numpy_helper.from_array(SINGLE))
    return onnx_bytes([*onnx_tensors({"half": HALF, "codes": CODES}), words], [node])


def make_ct2(folder):
    return ct2_bytes({"half": HALF, "brain": BRAIN, "codes": CODES}, [("other", "half")])


MAKERS = {
    "safetensors": make_safetensors,
    "gguf": make_gguf,
    "npz": make_npz,
    "npz_deflated": make_npz_deflated,
    "onnx": make_onnx,
    "ct2": make_ct2,
}


@functools.cache
def made(kind):
    with tempfile.TemporaryDirectory() as folder:
        return MAKERS[kind](Path(folder))


def contents(path):
    """All that a file loads as, every value read; None if it is refused by a ValueError."""
    try:
        loaded = tensors.load(path)
    except ValueError:
        return None
    values = {t.name: (t.values.dtype, t.values.shape, t.values.tobytes()) for t in loaded}
    return values, loaded.skipped


def attempt(content, suffix=""):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        path.write_bytes(content)
        return contents(path)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_prefix_is_refused_or_loads_the_same(kind):
    whole = attempt(made(kind))
    assert len(whole[0]) >= 2
    outcomes = [attempt(made(kind)[:length]) for length in range(len(made(kind)))]
    complete = [outcome for outcome in outcomes if outcome is not None]
    assert all(outcome == whole for outcome in complete)
    padding = {"gguf": 31, "onnx": 7}.get(kind, 0)  # up to the alignment; the opset's version, whose default is 0
    assert len(complete) <= padding


@pytest.mark.parametrize("suffix", [".safetensors", ".gguf", ".npz", ".onnx"])
def test_every_prefix_under_every_suffix_is_refused_or_loads_the_same(suffix):
    for kind in MAKERS:
        for length in rotate(range(len(made(kind))), 16):
            assert attempt(made(kind)[:length], suffix) in (None, attempt(made(kind)))


@pytest.mark.parametrize("kind", MAKERS)
def test_every_flipped_bit_is_refused_or_loads(kind):
    outcomes = []
    for bit in rotate(range(8 * len(made(kind))), 16):
        content = bytearray(made(kind))
        content[bit // 8] ^= 1 << bit % 8
        outcomes.append(attempt(bytes(content)))
    assert None in outcomes
    assert any(outcomes)


@given(st.sampled_from(list(MAKERS)), st.data())
def test_random_edits_are_refused_or_load(kind, data):
    content = bytearray(made(kind))
    places = st.integers(0, len(content) - 1)
    extreme = st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\xff\xff\xff\x7f", b"\x80", b"\0"])
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        edit = data.draw(extreme | st.binary(min_size=1, max_size=4))
        content[place : place + len(edit)] = edit
    attempt(bytes(content))


@given(st.sampled_from(["", ".safetensors", ".gguf", ".npz", ".onnx"]), st.binary(max_size=64))
def test_random_bytes_are_refused_or_load(suffix, content):
    attempt(content, suffix)


@given(st.sampled_from([b"GGUF\3\0\0\0", b"PK\3\4", b"\6\0\0\0", b"\x08\x0a", b"PK\5\6"]), st.binary(max_size=64))
def test_random_bytes_after_a_mark_are_refused_or_load(mark, content):
    attempt(mark + content)
