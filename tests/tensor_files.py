"""Small tensor files, written by each format's own library (CTranslate2's by hand: it has no writer here)."""

from __future__ import annotations

import struct

import gguf
import ml_dtypes
import numpy as np
import onnx
import safetensors.numpy
from onnx import helper, numpy_helper

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def patterns(dtype, shape):
    """Bit patterns of a dtype, NaNs, infinities, subnormals and both zeros among them."""
    dtype = np.dtype(dtype)
    word = np.dtype(f"u{dtype.itemsize}")
    top = 8 * dtype.itemsize
    special = np.array([0, 1, 1 << (top - 1), (1 << (top - 1)) + 1], word)
    infinity = np.array([np.inf, -np.inf, 1.5]).astype(dtype).view(word)
    payload = infinity[:1] | word.type(5)
    known = np.concatenate([special, infinity, payload])
    count = int(np.prod(shape))
    drawn = np.random.default_rng(0).integers(0, 1 << top, max(count - known.size, 0), dtype=word)
    return np.concatenate([known, drawn])[:count].view(dtype).reshape(shape)


def safetensors_bytes(arrays):
    return safetensors.numpy.save(arrays, {"made": "here"})


def npz_bytes(folder, arrays, *, compressed=False):
    (np.savez_compressed if compressed else np.savez)(folder / "made.npz", **arrays)
    return (folder / "made.npz").read_bytes()


def gguf_bytes(folder, arrays, quantised=()):
    """``quantised``: (name, stored bytes, type) of tensors that are quantised already."""
    writer = gguf.GGUFWriter(folder / "made.gguf", "test")
    writer.add_array("words", ["one", "two"])
    writer.add_array("numbers", [1.0, 2.0])
    writer.add_bool("flag", True)
    for name, a in arrays.items():
        if a.dtype == BFLOAT16:
            writer.add_tensor(name, a.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(name, a)
    for name, stored, kind in quantised:
        writer.add_tensor(name, stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return (folder / "made.gguf").read_bytes()


def onnx_bytes(initializers=(), nodes=(), **fields):
    """``initializers``: TensorProtos."""
    graph = helper.make_graph(list(nodes), "g", [], [], initializer=list(initializers))
    opset = [helper.make_operatorsetid("", 21)]
    return helper.make_model(graph, opset_imports=opset, **fields).SerializeToString()


def onnx_tensors(arrays):
    return [numpy_helper.from_array(a, name) for name, a in arrays.items()]


def constant(output, **attributes):
    return onnx.helper.make_node("Constant", [], [output], **attributes)


CT2_NUMBERS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}


def ct2_text(text):
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def ct2_variable(name, a):
    shape = struct.pack(f"<B{a.ndim}I", a.ndim, *a.shape)
    return ct2_text(name) + shape + struct.pack("<BI", CT2_NUMBERS[a.dtype.name], a.nbytes) + a.tobytes()


def ct2_bytes(arrays, aliases=(), *, version=6):
    parts = [struct.pack("<I", version), ct2_text("TestSpec"), struct.pack("<II", 1, len(arrays))]
    parts += [ct2_variable(name, a) for name, a in arrays.items()]
    parts += [struct.pack("<I", len(aliases))]
    parts += [ct2_text(alias) + ct2_text(name) for alias, name in aliases]
    return b"".join(parts)
