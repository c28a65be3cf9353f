"""Quantised checkpoints that contradict themselves are refused by a message that names the tensor."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from checkpoint_files import E4M3, awq, bitsandbytes, gptq, mx, nvfp4, packed_integers, save, state
from hypothesis import given
from hypothesis import strategies as st

from analysis import tensors
from analysis.tensors.checkpoints import quantised
from formats.code_books.named import codebook

V1 = {"quant_method": "gptq"}
NF4 = np.array([float(codebook("nf4").fraction(code)) for code in range(16)], np.float32)
QUANT_STATE = "up.weight.quant_state.bitsandbytes__nf4"
TORCHAO = {"_type": "MXTensor", "_data": {"block_size": 32, "orig_dtype": "bfloat16", "elem_dtype": "float4_e2m1fn_x2"}}


def rng():
    return np.random.default_rng(0)


def torchao():
    return {"up._weight_qdata": np.zeros((2, 16), np.uint8), "up._weight_scale": np.zeros((2, 1), np.uint8)}


def fp8():
    return {"up.weight": np.zeros((6, 8), E4M3), "up.weight_scale": np.ones((6, 1), np.float32)}


def modelopt():
    stored = {"up.weight": np.zeros((6, 16), np.uint8), "up.weight_scale": np.ones((6, 2), E4M3)}
    return stored | {"up.weight_scale_2": np.ones((), np.float32)}


def gpt_oss():
    return {"up_blocks": np.zeros((2, 3, 16), np.uint8), "up_scales": np.zeros((2, 3), np.uint8)}


MAKERS = {
    "gptq": lambda: gptq(rng(), 4)[0],
    "awq": lambda: awq(rng())[0],
    "integers": lambda: packed_integers(rng(), 4, shifted=True)[0],
    "nvfp4": lambda: nvfp4(rng())[0],
    "mxfp4": lambda: mx(rng(), 4)[0],
    "bitsandbytes": lambda: bitsandbytes(rng(), NF4)[0],
    "nested": lambda: bitsandbytes(rng(), NF4, nested=True)[0],
    "fp8": fp8,
    "modelopt": modelopt,
    "gpt_oss": gpt_oss,
    "torchao": torchao,
}


def stored_as(folder, kind, tensors_, config=V1, attributes=TORCHAO):
    metadata = {"up.weight": json.dumps(attributes)} if kind == "torchao" else None
    return save(folder, tensors_, config if kind == "gptq" else None, metadata=metadata)


def text(content):
    return np.frombuffer(content, np.uint8)


CHANGES = [
    ("gptq", "up.scales", None, "'up.qweight' has no 'up.scales' beside it"),
    ("gptq", "up.qzeros", None, "'up.qweight' has no 'up.qzeros' beside it"),
    ("gptq", "up.scales", np.ones((4, 32), np.int8), "'up.scales' has dtype I8; accepted: F16, BF16, F32"),
    ("gptq", "up.scales", np.ones((4, 30), np.float16), "'up.qweight' has 32 columns, the scales 30"),
    ("gptq", "up.scales", np.ones((5, 32), np.float16), "'up.qzeros' has 4 groups, the scales 5"),
    ("gptq", "up.scales", np.ones((0, 32), np.float16), r"'up.scales' has shape \[0, 32\], which is empty"),
    ("gptq", "up.qzeros", np.ones((4, 9), np.int32), "'up.qweight' has 8 rows, the zero points 9 words for 32 outputs"),
    ("gptq", "up.g_idx", np.zeros(56, np.int32), "'up.qweight' has 8 rows.*not codes of 2, 3, 4, 8 bits"),
    ("gptq", "up.g_idx", np.zeros((8, 8), np.int32), "'up.qweight' has 8 rows.*not codes of"),
    ("gptq", "up.g_idx", np.full(64, 7, np.int32), r"'up.g_idx' names group \[7\], of 4"),
    ("gptq", "up.g_idx", np.full(64, -1, np.int32), r"'up.g_idx' names group \[-1\], of 4"),
    ("gptq", "up.g_idx", np.zeros(64, np.int32), "'up.g_idx' has 1 groups of 64 columns, the scales 4"),
    ("gptq", "up.g_idx", np.arange(64, dtype=np.int32) % 2, "'up.g_idx' has 2 groups of 32 columns, the scales 4"),
    ("gptq", "up.g_idx", np.repeat(np.arange(4, dtype=np.int32), [16, 15, 17, 16]), "of other sizes than the 16 of"),
    (
        "gptq",
        "up.g_idx",
        np.arange(64, dtype=np.int32) // 16 % 3 + 1,
        "'up.g_idx' has no column in group 0",
    ),
    ("awq", "up.qzeros", np.ones((2, 4), np.int32), r"'up.qzeros' has shape \[2, 4\], \[2, 3\] is due"),
    ("awq", "up.scales", np.ones((3, 24), np.float16), r"'up.qzeros' has shape \[2, 3\], \[3, 3\] is due"),
    ("awq", "up.scales", np.ones((2, 25), np.float16), "'up.qweight' has 3 columns, the scales 25"),
    ("integers", "up.weight_scale", None, "'up.weight_packed' has no 'up.weight_scale' beside it"),
    ("integers", "up.weight_shape", None, "'up.weight_packed' has no weight_shape beside it"),
    ("integers", "up.weight_shape", np.array([24, 1 << 62]), r"'up.weight_shape' says \[24, 4611686018427387904\]"),
    ("integers", "up.weight_shape", np.array([24]), r"'up.weight_shape' says \[24\] for packed words of \[24, 8\]"),
    ("integers", "up.weight_shape", np.array([24, -64]), r"'up.weight_shape' says \[24, -64\]"),
    (
        "integers",
        "up.weight_shape",
        np.array([24, 9]),
        "'up.weight_packed' has 8 words for 9 inputs: not codes of 1..8",
    ),
    (
        "integers",
        "up.weight_scale",
        np.ones((24, 5), np.float16),
        r"does not cover a weight of \[24, 64\]; stated tiles",
    ),
    ("integers", "up.weight_zero_point", np.ones((4, 4), np.int32), r"has shape \[4, 4\], \[3, 4\] is due"),
    ("integers", "up.weight_zero_point", np.full((24, 4), 8, np.int8), "holds numbers of more than 4 bits"),
    ("integers", "up.weight_g_idx", np.zeros(5, np.int32), "'up.weight_g_idx' has 5 entries for 64 columns"),
    ("nvfp4", "up.weight_global_scale", None, "'up.weight_packed' has scales of E4M3 and no weight_global_scale"),
    (
        "nvfp4",
        "up.weight_global_scale",
        np.ones(2, np.float32),
        r"'up.weight_global_scale' has shape \[2\], \[1\] is due",
    ),
    ("nvfp4", "up.weight_scale", np.ones((8, 2), E4M3), "'up.weight_scale' has 2 groups for 32 bytes, one for each 8"),
    ("mxfp4", "up.weight_scale", np.ones((8, 1), np.uint8), "has 1 groups for 32 bytes, one for each 16 or 24 is due"),
    ("mxfp4", "up.weight_scale", np.ones((7, 2), np.uint8), r"has shape \[7, 2\], the packed weight \[8, 32\]"),
    ("bitsandbytes", "up.weight.absmax", None, "nf4' has no 'up.weight.absmax' beside it"),
    ("bitsandbytes", "up.weight.absmax", np.ones(11, np.float32), "'up.weight.absmax' has 11 scales, 12 are due"),
    ("bitsandbytes", "up.weight.absmax", np.ones(12, np.uint8), "'up.weight.absmax' has dtype U8; accepted: F32"),
    ("bitsandbytes", "up.weight.quant_map", np.ones(16, np.float32), "does not hold the 16 values of nf4"),
    ("bitsandbytes", "up.weight", np.ones((5, 1), np.uint8), "'up.weight' has 5 bytes for 768 codes of 4 bits"),
    ("bitsandbytes", QUANT_STATE, text(b'{"quant_type": '), "bitsandbytes__nf4' is not JSON"),
    ("bitsandbytes", QUANT_STATE, text(b"[1]"), "is not a JSON object"),
    ("bitsandbytes", QUANT_STATE, text(b"\xff"), "is not JSON"),
    ("bitsandbytes", QUANT_STATE, state("fp4", 64, (6, 128), "float16"), "is of the type 'fp4'"),
    ("bitsandbytes", QUANT_STATE, state("nf4", 65, (6, 128), "float16"), "says blocksize 65; accepted"),
    ("bitsandbytes", QUANT_STATE, state("nf4", True, (6, 128), "float16"), "says blocksize True; accepted"),
    ("bitsandbytes", QUANT_STATE, state("nf4", 64, (6, 128), "float64"), "says dtype 'float64'; accepted"),
    ("bitsandbytes", QUANT_STATE, state("nf4", 64, (6, -128), "float16"), r"says shape \[6, -128\]"),
    ("bitsandbytes", QUANT_STATE, state("nf4", 64, (), "float16"), r"says shape \[\]"),
    (
        "bitsandbytes",
        QUANT_STATE,
        state("nf4", 64, (1 << 40, 1 << 40), "float16"),
        "bytes for 1208925819614629174706176",
    ),
    ("nested", "up.weight.nested_quant_map", None, "'up.weight.nested_absmax' has no nested_quant_map beside it"),
    ("nested", "up.weight.nested_absmax", np.ones(1, np.float32), "'up.weight.nested_absmax' has 1 scales, 2 are due"),
    ("nested", "up.weight.nested_quant_map", np.ones(255, np.float32), "has 255 values, 256 are due"),
    ("nested", QUANT_STATE, state("nf4", 64, (6, 128), "float16"), "says nested_blocksize None"),
    ("fp8", "up.weight_scale", np.ones((4, 1), np.float32), r"does not cover a weight of \[6, 8\]; stated tiles: none"),
    ("fp8", "up.weight_scale", np.ones((6, 1), np.int32), "'up.weight_scale' has dtype I32; accepted: F16, BF16, F32"),
    (
        "fp8",
        "up.weight_zero_point",
        np.ones((6, 1), np.int8),
        "'up.weight_zero_point' is not 0 beside a weight of F8_E4M3",
    ),
    ("fp8", "up.weight", np.zeros((), E4M3), "'up.weight' has no axis"),
    ("gpt_oss", "up_scales", np.zeros((2, 4), np.uint8), r"'up_scales' has shape \[2, 4\], \[2, 3\] is due"),
    ("gpt_oss", "up_blocks", np.zeros((2, 3, 8), np.uint8), r"'up_blocks' has shape \[2, 3, 8\]; \(..., 16\) is due"),
    ("modelopt", "up.weight_scale", None, "'up.weight_scale_2' has no 'up.weight_scale' beside it"),
    ("modelopt", "up.weight_scale", np.ones((6, 3), E4M3), r"has shape \[6, 3\], the packed weight \[6, 16\]"),
    ("modelopt", "up.weight_scale_2", np.ones((), np.float16), "'up.weight_scale_2' has dtype F16; accepted: F32"),
    ("torchao", "up._weight_scale", None, "'up._weight_qdata' has no 'up._weight_scale' beside it"),
    ("torchao", "up._weight_scale", np.zeros((2, 2), np.uint8), r"has shape \[2, 2\], \[2, 1\] is due"),
]


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"), CHANGES, ids=lambda value: value if type(value) is str else ""
)
def test_contradictions(tmp_path, kind, name, value, message):
    changed = {key: a for key, a in (MAKERS[kind]() | {name: value}).items() if a is not None}
    with pytest.raises(ValueError, match=message) as caught:
        tensors.load(stored_as(tmp_path, kind, changed))
    assert str(caught.value).startswith(f"{tmp_path / 'model.safetensors'}: ")


@pytest.mark.parametrize("kind", MAKERS)
def test_unchanged_they_load(tmp_path, kind):
    assert len(tensors.load(stored_as(tmp_path, kind, MAKERS[kind]()))) == 1


@pytest.mark.parametrize("kind", ["gptq", "awq", "integers", "nvfp4", "mxfp4", "gpt_oss", "torchao"])
def test_a_weight_is_stored_once(tmp_path, kind):
    name = "up" if kind == "gpt_oss" else "up.weight"
    with pytest.raises(ValueError, match=f"stores '{name}' twice, one of them as"):
        quantised(stored_as(tmp_path, kind, MAKERS[kind]() | {name: np.ones(3, np.float32)}))


def test_what_was_not_asked_for_may_be_incomplete(tmp_path):
    stored = MAKERS["awq"]() | {"down.qweight": np.zeros((2, 2), np.int32)}
    assert len(tensors.load(save(tmp_path, stored), names="up.*")) == 1
    with pytest.raises(ValueError, match=r"'down\.qweight' has no 'down\.scales' beside it"):
        tensors.load(tmp_path / "model.safetensors")


def test_two_owners_of_one_weight(tmp_path):
    with pytest.raises(ValueError, match=r"stores 'up\.weight' twice"):
        quantised(save(tmp_path, MAKERS["awq"]() | MAKERS["mxfp4"]()))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"quantization_config": {', "config.json is not JSON"), (b"[]", "config.json holds list, not an object")],
)
def test_damaged_configuration(tmp_path, content, message):
    path = save(tmp_path, MAKERS["awq"]())
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        tensors.load(path)


def test_a_file_of_plain_tensors_reads_no_configuration(tmp_path):
    path = save(tmp_path, {"norm": np.ones(3, np.float32)})
    (tmp_path / "config.json").write_bytes(b"{")
    assert len(tensors.load(path)) == 1


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"block_size": 16}, "has block_size 16 in the metadata, 32 is due"),
        ({"orig_dtype": "int8"}, "has orig_dtype 'int8' in the metadata; accepted: float16, bfloat16, float32"),
    ],
)
def test_torchao_metadata(tmp_path, attributes, message):
    said = {"_type": "MXTensor", "_data": TORCHAO["_data"] | attributes}
    with pytest.raises(ValueError, match=message):
        tensors.load(stored_as(tmp_path, "torchao", torchao(), attributes=said))


def test_torchao_elements_that_are_not_read_are_listed(tmp_path):
    said = {"_type": "MXTensor", "_data": TORCHAO["_data"] | {"elem_dtype": "int8"}}
    (skipped,) = tensors.load(stored_as(tmp_path, "torchao", torchao(), attributes=said)).skipped
    assert skipped.reason.startswith("MXTensor of 'int8', not one of float8_e4m3fn")


@given(st.data())
def test_any_change_of_the_header_is_refused_or_loads(tmp_path_factory, data):
    """Shapes, dtypes and names of members, changed at random: ValueError or tensors, and nothing else."""
    kind = data.draw(st.sampled_from(sorted(MAKERS)))
    path = stored_as(tmp_path_factory.mktemp("file"), kind, MAKERS[kind]())
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    at = data.draw(st.integers(8, 7 + size))
    byte = data.draw(st.sampled_from(b'0123456789.,:[]{}"_FUIB'))
    path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
    try:
        loaded = tensors.load(path)
    except ValueError:
        return
    assert len(loaded) + len(loaded.skipped) >= 1
