"""Tensor files that lie, and what is none, end in ValueError that says why: no other error, no other file is opened."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tensor_files import (
    constant,
    ct2_bytes,
    ct2_text,
    npz_bytes,
    onnx_bytes,
    patterns,
)

from analysis import tensors

HALF, CODES = patterns(np.float16, (2, 3)), np.arange(3, dtype=np.int8)


def by_message(value):
    """The id of a hostile file is what its refusal says."""
    return value if isinstance(value, str) else ""


def refused(folder, content, match, name="file"):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=match):
        tensors.load(folder / name)


# ---- what is not a tensor file


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_are_refused_under_any_name(tmp_path, protocol):
    content = pickle.dumps({"w": [1.0]}, protocol)
    for name in ("model.pt", "model.safetensors", "model.onnx", "model"):
        refused(tmp_path, content, "is a pickle, which can run any program .* convert it to safetensors", name)


def test_zipped_pickles_are_refused(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(1))
        archive.writestr("w.npy", b"")
    refused(tmp_path, data.getvalue(), r"holds data\.pkl, so it is a pickle.*convert it to safetensors", "model.npz")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"hello, tensor", r"of no kind known here; accepted: safetensors, GGUF, \.npz, ONNX, CTranslate2 model\.bin"),
        (b"\x93NUMPY\1\0", r"single \.npy array; save it as \.npz"),
        (b"PK\5\6" + bytes(18), r"is no usable \.npz archive: none of its members is a \.npy file"),
        (b"PK\3\4junk", "is no usable .npz archive: File is not a zip file"),
        (b"\x08\x0a", "not a valid ONNX model: its graph, ir_version or opset_import is missing"),
    ],
    ids=by_message,
)
def test_other_content_is_refused(tmp_path, content, match):
    refused(tmp_path, content, match)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere"):
        tensors.load(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError, match="is a directory; name a file in it"):
        tensors.load(tmp_path)
    with pytest.raises(ValueError, match="is not a regular file"):
        tensors.load("/dev/null")


# ---- safetensors


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 5]}},
        {"a": {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F16", "shape": [1 << 63, 2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [4, 0]}},
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [1 << 62, (1 << 62) + 4]}},
        {"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 4]}},
        {n: {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]} for n in "ab"},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 4]}},
    ],
)
def test_safetensors_headers_that_lie(tmp_path, header):
    text = json.dumps(header).encode()
    refused(tmp_path, struct.pack("<Q", len(text)) + text + bytes(4), "is not valid safetensors")


@pytest.mark.parametrize("length", [1 << 62, (1 << 64) - 1, 100_000_001, 3])
def test_safetensors_header_lengths_that_lie(tmp_path, length):
    refused(tmp_path, struct.pack("<Q", length) + b'{"a":1}', "is not valid safetensors", "a.safetensors")


def test_safetensors_nested_too_deeply(tmp_path):
    text = b'{"a":' + b"[" * 100_000
    refused(tmp_path, struct.pack("<Q", len(text)) + text, "is not valid safetensors")


# ---- GGUF


def gguf_header(pairs=(), infos=(), *, version=3, counts=None):
    counts = counts or (len(infos), len(pairs))
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(pairs) + b"".join(infos)


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf_info(name, shape, kind=0, offset=0):
    return gguf_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


HUGE = 1 << 60


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (gguf_header(version=1), "is GGUF version 0x1; accepted: 2, 3, little-endian"),
        (gguf_header(version=3 << 24), "is GGUF version 0x3000000; accepted: 2, 3, little-endian"),
        (gguf_header(counts=(HUGE, 0)), "8 bytes are due, 0 are left"),
        (gguf_header(counts=(0, HUGE)), "8 bytes are due, 0 are left"),
        (gguf_header([gguf_text("k") + struct.pack("<IIQ", 9, 0, HUGE)]), f"{HUGE} bytes are due"),
        (gguf_header([gguf_text("k") + struct.pack("<IIQ", 9, 8, HUGE)]), "8 bytes are due, 0 are left"),
        (gguf_header([gguf_text("k") + struct.pack("<II", 9, 9)]), "a metadata array of arrays"),
        (gguf_header([gguf_text("k") + struct.pack("<IQ", 8, HUGE)]), f"{HUGE} bytes are due"),
        (gguf_header([gguf_text("k") + struct.pack("<I", 13)]), "metadata type 13"),
        (gguf_header([struct.pack("<Q", HUGE)]), f"{HUGE} bytes are due"),
        (gguf_header([struct.pack("<Q", 1) + b"\xff" + bytes(5)]), "a name that is not UTF-8"),
        (gguf_header([gguf_text("general.alignment") + struct.pack("<II", 4, 0)]), "alignment 0, which is no power"),
        (gguf_header([gguf_text("general.alignment") + struct.pack("<II", 4, 33)]), "alignment 33, which is no power"),
        (gguf_header([], [gguf_info("w", [HUGE])]) + bytes(32), f"{4 * HUGE} bytes are due"),
        (gguf_header([], [gguf_info("w", [HUGE, HUGE])]) + bytes(32), f"{4 * HUGE * HUGE} bytes are due"),
        (gguf_header([], [gguf_info("w", [0, HUGE])]), "whose rows are not whole F32 blocks"),
        (gguf_header([], [gguf_info("w", [31], 8)]), "whose rows are not whole Q8_0 blocks"),
        (gguf_header([], [gguf_info("w", [1], 0, (1 << 64) - 4)]) + bytes(32), f"{1 << 64} bytes are due"),
        (gguf_header([], [gguf_info("w", [1], 4)]), "type number 4, which gguf does not know"),
        (gguf_header([], [gguf_info("w", [])]), "'w' of 0 dimensions"),
        (gguf_header([], [gguf_info("w", [1] * 5)]), "'w' of 5 dimensions"),
        (gguf_header([], [gguf_info("w", [1])] * 2) + bytes(64), "two tensors of one name"),
        (gguf_header([], [gguf_info("v", [2]), gguf_info("w", [1], 0, 4)]) + bytes(64), "'w' overlaps"),
    ],
    ids=by_message,
)
def test_gguf_headers_that_lie(tmp_path, content, match):
    refused(tmp_path, content, match)


# ---- .npz


def npz_of(members, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


def npy(header, body=b"", version=(1, 0)):
    text = header.encode()
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(text)) + text + body


def npy_header(shape, descr="'<f4'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (npy(npy_header("(-1,)"), bytes(4)), r"of shape \(-1,\) and dtype float32 takes -4 bytes, 4 are there"),
        (npy(npy_header("(-1, -1)"), bytes(4)), r"of shape \(-1, -1\) and dtype float32 takes 4 bytes"),
        (npy(npy_header(f"({HUGE},)"), bytes(4)), f"takes {4 * HUGE} bytes, 4 are there"),
        (npy(npy_header(f"(0, {1 << 63})")), "is no usable"),
        (npy(npy_header("(1,)"), bytes(5)), "takes 4 bytes, 5 are there"),
        (npy(npy_header("(1,)", "'|O'"), pickle.dumps([1])), "holds pickled objects, which are never loaded"),
        (npy(npy_header("(1,)", "[('a', '|O')]"), bytes(8)), "holds pickled objects, which are never loaded"),
        (npy(npy_header("(1,)", "'nonsense'")), "the header of 'w' is not valid"),
        (npy(npy_header("(" * 5000)), "the header of 'w' is not valid"),
        (npy(npy_header("(1L,)"), bytes(4)), "the header of 'w' is not valid"),
        (npy("x" * 20_000), "the header of 'w' is not valid"),
        (npy("{'shape': (1,"), "the header of 'w' is not valid"),
        (npy(npy_header("(1,)"), bytes(4), (3, 0)), r"'w' has \.npy version \(3, 0\); accepted: \(1, 0\), \(2, 0\)"),
        (b"", "the header of 'w' is not valid"),
    ],
    ids=by_message,
)
def test_npz_headers_that_lie(tmp_path, member, match):
    refused(tmp_path, npz_of([("w.npy", member)]), match)


def test_npz_object_arrays_are_refused(tmp_path):
    array = np.empty(1, object)
    refused(tmp_path, npz_bytes(tmp_path, {"w": array}), "'w' holds pickled objects, which are never loaded")


def test_npz_of_version_2_loads(tmp_path):
    (tmp_path / "file").write_bytes(npz_of([("w.npy", npy(npy_header("(1,)"), bytes(4), (2, 0))), ("note", b"")]))
    loaded = tensors.load(tmp_path / "file")
    assert loaded[0].values.tolist() == [0]
    assert [(entry.name, entry.reason) for entry in loaded.skipped] == [("note", "not a .npy member")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_packed_by_methods_without_a_bounded_reader_is_refused(tmp_path, method):
    content = npz_of([("w.npy", npy(npy_header("(1,)"), bytes(4)))], method)
    refused(tmp_path, content, f"'w' is packed by method {method}; accepted: stored, deflated")


def test_npz_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = npz_of([("w.npy", b"a"), ("w.npy", b"b")])
    refused(tmp_path, content, "two members have one name")


def patched(content, signature, offset, value):
    """A field of the central directory's (``PK 1 2``) or the local (``PK 3 4``) header, overwritten."""
    place = content.index(signature) + offset
    return content[:place] + value + content[place + len(value) :]


def test_npz_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    content = npz_of([("w.npy", npy(npy_header("(1,)"), bytes(4)))], zipfile.ZIP_DEFLATED)
    bomb = patched(content, b"PK\1\2", 24, struct.pack("<I", (1 << 28) + 1))
    refused(tmp_path, bomb, f"unpacks from {len(bomb)} to {(1 << 28) + 1} bytes, above both")
    below = patched(content, b"PK\1\2", 24, struct.pack("<I", 1 << 28))
    refused(tmp_path, below, f"'w.npy' has 71 of the {1 << 28} bytes that it should have")


def test_npz_that_hides_its_size_is_read_no_further_than_it_says(tmp_path):
    content = npz_of([("w.npy", npy(npy_header("(1000000,)"), bytes(4_000_000)))], zipfile.ZIP_DEFLATED)
    refused(tmp_path, patched(content, b"PK\1\2", 24, struct.pack("<I", 200)), "is no usable")


def test_npz_encrypted_members_are_refused(tmp_path):
    content = npz_of([("w.npy", npy(npy_header("(1,)"), bytes(4)))])
    content = patched(patched(content, b"PK\1\2", 8, b"\1"), b"PK\3\4", 6, b"\1")
    refused(tmp_path, content, "is encrypted")


# ---- ONNX


def onnx_tensor(**fields):
    return TensorProto(**{"name": "w", "data_type": TensorProto.FLOAT, "dims": [1], "raw_data": bytes(4), **fields})


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"dims": [-1]}, r"tensor 'w' of shape \[-1\] needs -1 values, it has 1"),
        ({"dims": [-1, -1]}, "needs 1 values, it has 1"),
        ({"dims": [2]}, "needs 2 values, it has 1"),
        ({"dims": [HUGE, HUGE]}, "needs .* values, it has 1"),
        ({"raw_data": bytes(5)}, r"needs 1 values, it has 1\.25"),
        ({"dims": [0, (1 << 63) - 1], "raw_data": b""}, r"'w' of shape \[0, 9223372036854775807\] cannot be read"),
        ({"dims": [1] * 70}, "cannot be read"),
        ({"segment": TensorProto.Segment(begin=0, end=1)}, "cannot be read: .*segments"),
    ],
    ids=by_message,
)
def test_onnx_tensors_that_lie(tmp_path, fields, match):
    refused(tmp_path, onnx_bytes([onnx_tensor(**fields)]), match)


@pytest.mark.parametrize("word", [-1, 1 << 16])
def test_onnx_patterns_of_16_bits_are_not_cut(tmp_path, word):
    tensor = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[1], int32_data=[word])
    refused(tmp_path, onnx_bytes([tensor]), r"tensor 'w' holds a 16-bit pattern outside 0\.\.65535")


def test_onnx_unknown_types_are_listed(tmp_path):
    (tmp_path / "file").write_bytes(onnx_bytes([onnx_tensor(data_type=99)]))
    assert "dtype number 99" in tensors.load(tmp_path / "file").skipped[0].reason


def test_onnx_tensors_of_one_name_are_refused(tmp_path):
    refused(tmp_path, onnx_bytes([onnx_tensor()] * 2), "2 tensors are called 'w'")


@pytest.mark.parametrize("location", ["secret", "../secret", "/etc/hostname"])
def test_onnx_external_data_is_never_opened(tmp_path, monkeypatch, location):
    (tmp_path / "secret").write_bytes(bytes(4))
    entry = onnx.StringStringEntryProto(key="location", value=location)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], external_data=[entry])
    tensor.data_location = TensorProto.EXTERNAL
    refused(tmp_path, onnx_bytes([tensor]), "tensor 'w' keeps its data in another file, which is not opened")
    tensor.data_location = TensorProto.DEFAULT
    refused(tmp_path, onnx_bytes([tensor]), "tensor 'w' keeps its data in another file, which is not opened")
    refused(tmp_path, onnx_bytes([], [constant("v", value=tensor)]), "tensor 'v' keeps its data in another file")


@pytest.mark.parametrize("field", ["tensor.name", "node.output", "attribute.name", "function.name"])
def test_onnx_names_that_are_not_utf8_are_refused(tmp_path, field):
    node = onnx.helper.make_node("If", [], ["node.output"], **{"attribute.name": onnx.GraphProto()})
    function = onnx.helper.make_function("home", "function.name", [], [], [], [])
    content = onnx_bytes([onnx_tensor(name="tensor.name")], [node], functions=[function])
    assert content.count(field.encode()) == 1
    content = content.replace(field.encode(), b"\xff" * len(field))
    refused(tmp_path, content, "the ONNX model is damaged: a name that is not UTF-8")


def length_delimited(field, content):
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([field << 3 | 2]) + size + bytes([length]) + content


def test_onnx_graphs_nested_too_deeply_are_refused(tmp_path):
    graph = b""
    for _ in range(200):  # GraphProto.node, NodeProto.attribute, AttributeProto.g
        graph = length_delimited(1, length_delimited(5, length_delimited(6, graph)))
    model = onnx.ModelProto(ir_version=10).SerializeToString() + length_delimited(7, graph)
    refused(tmp_path, model, "is not a valid ONNX model: Error parsing")


# ---- CTranslate2


def ct2_of(variable, count=1):
    return struct.pack("<I", 6) + ct2_text("Spec") + struct.pack("<II", 1, count) + variable


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (ct2_bytes({}, version=6)[:4] + struct.pack("<H", 65535) + b"Spec\0", "65535 bytes are due"),
        (ct2_of(b"", (1 << 32) - 1), "2 bytes are due, 0 are left"),
        (ct2_of(struct.pack("<H", 0)), "a name without its closing NUL"),
        (ct2_of(struct.pack("<H", 2) + b"ab"), "a name without its closing NUL"),
        (ct2_of(struct.pack("<H", 2) + b"\xff\0"), "a name that is not UTF-8"),
        (ct2_of(ct2_text("w") + b"\xff"), "bytes are due, 0 are left"),
        (ct2_of(ct2_text("w") + struct.pack("<BIBI", 1, 1, 6, 4) + bytes(4)), "dtype number 6 of 'w'"),
        (ct2_of(ct2_text("w") + struct.pack("<BIBI", 1, 1, 0, 8) + bytes(8)), r"'w' of shape \[1\] and dtype float32"),
        (ct2_of(ct2_text("w") + struct.pack("<BIIBI", 2, 1 << 31, 1 << 31, 0, 0)), "said to take 0 bytes"),
        (ct2_of(ct2_text("w") + struct.pack("<BIIIBI", 3, 0, 1 << 31, 1 << 31, 0, 0)), "1 bytes are due|are due|shape"),
        (ct2_of(ct2_text("w") + struct.pack("<B70IBI", 70, *[1] * 70, 1, 1) + b"a"), "an array of impossible shape"),
        (ct2_of(2 * (ct2_text("w") + struct.pack("<BBI", 0, 1, 1) + b"a"), 2), "a second variable 'w'"),
        (ct2_bytes({"w": CODES}, [("v", "u")]), "alias 'v' of 'u', which is no variable"),
    ],
    ids=by_message,
)
def test_ctranslate2_files_that_lie(tmp_path, content, match):
    refused(tmp_path, content, match)


@pytest.mark.parametrize("version", [1, 5, 7])
def test_other_ctranslate2_versions_are_of_no_known_kind(tmp_path, version):
    refused(tmp_path, ct2_bytes({"w": HALF}, version=version), "of no kind known here")
