"""Worked blocks: scales, codes and values of every system that is named."""

from __future__ import annotations

import numpy as np
import pytest
from block_cases import X, element_values, exact, quantized

import reference
from formats.block_formats.rules import block_rule
from formats.block_formats.steps import Given
from reference.blocks import dequantize_blocks, quantize_blocks

E4M3 = [448, -208, 56, 16, -2.5, 112, -320, 0]
E5M2 = [57344, -28672, 7168, 2048, -320, 14336, -40960, 0]
E3M2 = [28, -14, 3.5, 1, -0.1875, 7, -20, 0]
E2M3 = [7, -3.25, 0.875, 0.25, -0.0, 1.75, -5, 0]
E2M3_HALVED = [3.5, -1.625, 0.5, 0.125, -0.0, 0.875, -2.5, 0]
E2M1 = [6, -3, 1, 0.5, -0.0, 2, -4, 0]
E2M1_HALVED = [4, -1.5, 0.5, 0, -0.0, 1, -2, 0]
E3M2_HALVED = [14, -7, 1.75, 0.5, -0.0625, 3.5, -10, 0]


def half(values):
    return [v / 2 for v in values]


@pytest.mark.parametrize(
    ("fmt", "rule", "scale", "due"),
    [
        ("mxfp8_e4m3", "floor", 121, E4M3),
        ("mxfp8_e4m3", "ceil", 122, half(E4M3)),
        ("mxfp8_e4m3", "even", 121, E4M3),
        ("mxfp8_e4m3", "rceil", 122, half(E4M3)),
        ("mxfp8_e5m2", "floor", 114, E5M2),
        ("mxfp8_e5m2", "ceil", 115, half(E5M2)),
        ("mxfp8_e5m2", "even", 114, E5M2),
        ("mxfp8_e5m2", "rceil", 115, half(E5M2)),
        ("mxfp6_e3m2", "floor", 125, E3M2),
        ("mxfp6_e3m2", "ceil", 126, E3M2_HALVED),
        ("mxfp6_e3m2", "even", 125, E3M2),
        ("mxfp6_e3m2", "rceil", 126, E3M2_HALVED),
        ("mxfp6_e2m3", "floor", 127, E2M3),
        ("mxfp6_e2m3", "ceil", 128, E2M3_HALVED),
        ("mxfp6_e2m3", "even", 127, E2M3),
        ("mxfp6_e2m3", "rceil", 127, E2M3),
        ("mxfp4", "floor", 127, E2M1),
        ("mxfp4", "ceil", 128, E2M1_HALVED),
        ("mxfp4", "even", 128, E2M1_HALVED),
        ("mxfp4", "rceil", 128, E2M1_HALVED),
        ("mxint8", "floor", 129, [n / 64 for n in (114, -53, 14, 4, -1, 28, -80, 0)]),
    ],
)
def test_one_block_under_every_rule(fmt, rule, scale, due):
    tensor = quantized(X, fmt, rule)
    assert int(tensor.scales[0]) == scale
    assert str(element_values(tensor)) == str([float(v) for v in due])


def test_bytes_of_the_block():
    assert bytes(quantized(X, "mxfp8_e4m3", "floor").codes[:8]) == bytes.fromhex("7ef56658c26efa00")
    codes = quantized(X, "mxfp4", "floor").codes[:8]
    assert bytes(reference.pack(codes, "4bit_low_first")) == bytes.fromhex("d712480e")


def test_dequantised_block():
    values = dequantize_blocks(quantized(X, "mxfp4", "floor"))
    assert str(values[:8].tolist()) == str([6.0, -3.0, 1.0, 0.5, -0.0, 2.0, -4.0, 0.0])


def test_ggml_takes_ties_toward_zero_and_has_no_negative_zero():
    tensor = quantized(X, "mxfp4", "ggml_mxfp4")
    assert int(tensor.scales[0]) == 127
    assert str(element_values(tensor)) == str([6.0, -3.0, 1.0, 0.5, 0.0, 1.5, -4.0, 0.0])


@pytest.mark.parametrize(
    ("fmt", "absmax", "due"),
    [
        ("mxfp4", 4, (127, 127, 127, 127)),
        ("mxfp4", 5, (127, 128, 127, 127)),
        ("mxfp4", 6, (127, 128, 127, 127)),
        ("mxfp4", 6.5, (127, 128, 127, 128)),
        ("mxfp4", 7, (127, 128, 128, 128)),
        ("mxfp4", 7.9, (127, 128, 128, 128)),
        ("mxfp4", 3.5, (126, 127, 127, 127)),
        ("mxfp4", 3.49, (126, 127, 126, 127)),
        ("mxfp8_e4m3", 448, (127, 128, 127, 127)),
        ("mxfp8_e4m3", 449, (127, 128, 127, 128)),
        ("mxfp8_e4m3", 480, (127, 128, 127, 128)),
        ("mxfp8_e4m3", 500, (127, 128, 128, 128)),
    ],
)
def test_scale_codes_by_largest_magnitude(fmt, absmax, due):
    x = np.zeros(32, np.float32)
    x[5] = -absmax
    assert tuple(int(quantized(x, fmt, rule).scales[0]) for rule in ("floor", "ceil", "even", "rceil")) == due


NVFP4_RULES = {
    "nvfp4_divisor": ["transformer_engine_nvfp4"],
    "nvfp4": ["torchao_nvfp4", "modelopt_nvfp4", "modelopt_nvfp4_5a4242f"],
}
ORDERS = [(fmt, rule) for fmt, rules in NVFP4_RULES.items() for rule in rules]


def nvfp4(rows, tensor_absmax, fmt, rule):
    """Rows of 16, and one whose largest magnitude is that of the tensor."""
    x = np.zeros((len(rows) + 1, 16), np.float32)
    for row, values in zip(x, rows, strict=False):
        row[: len(values)] = values
    x[-1, 0] = tensor_absmax
    return quantized(x, fmt, rule)


@pytest.mark.parametrize(("fmt", "rule"), ORDERS)
def test_nvfp4_block(fmt, rule):
    x = [0.31, -0.12, 0.05, 0, 0.2, -0.29, 0.011, 0.07, -0.003, 0.15, -0.18, 0.09, 0.27, -0.02, 0.04, 0.001]
    tensor = nvfp4([x], 3.7, fmt, rule)
    assert int(tensor.scales[0, 0]) == 0x61
    assert str(element_values(tensor, 16)) == str(
        [6.0, -2.0, 1.0, 0.0, 4.0, -6.0, 0.0, 1.5, -0.0, 3.0, -4.0, 2.0, 6.0, -0.5, 1.0, 0.0]
    )
    assert bytes(reference.pack(tensor.codes[0], "4bit_low_first")) == bytes.fromhex("c702f630584e9702")
    due = [0.2973214, -0.0991071, 0.0495536, 0, 0.1982143, -0.2973214, 0, 0.0743304]
    np.testing.assert_allclose(dequantize_blocks(tensor)[0, :8], due, atol=5e-8, rtol=0)


def test_nvfp4_encode_scale_of_the_tensor():
    tensor = nvfp4([], 3.7, "nvfp4_divisor", "transformer_engine_nvfp4")
    assert tensor.second == np.float32(726.48645)


@pytest.mark.parametrize(("fmt", "rule"), ORDERS)
def test_orders_of_operations_differ_at_a_tie(fmt, rule):
    """1.5625001 in two orders and 1.5625, which is a tie, in torchao's."""
    absmax = float(np.uint32(0x3E59F58A).view(np.float32))
    tensor = nvfp4([[absmax]], float(np.uint32(0x42741D3E).view(np.float32)), fmt, rule)
    assert int(tensor.scales[0, 0]) == (0x3C if rule == "torchao_nvfp4" else 0x3D)


@pytest.mark.parametrize(
    ("rule", "absmax", "scale", "due"),
    [
        ("transformer_engine_nvfp4", 3e-5, 2.0**-8, [6, -3]),
        ("modelopt_nvfp4_5a4242f", 3e-5, 2.0**-8, [6, -3]),
        ("torchao_nvfp4", 3e-5, 2.0**-6, [1.5, -0.5]),
        ("transformer_engine_nvfp4", 1e-6, 0, [6, -6]),
        ("modelopt_nvfp4_5a4242f", 1e-6, 0, None),
        ("modelopt_nvfp4", 1e-6, 2.0**-9, [0.5, -0.0]),
        ("torchao_nvfp4", 1e-6, 2.0**-6, [0, -0.0]),
    ],
)
def test_tiny_nvfp4_blocks(rule, absmax, scale, due):
    fmt = "nvfp4_divisor" if rule.startswith("transformer") else "nvfp4"
    row = [absmax, -absmax / 2, *[absmax] * 14]
    if due is None:  # 0 / 0 does not occur: no element is 0; all of them are infinite before they saturate
        due = [6, -6]
    tensor = nvfp4([row], 3.7, fmt, rule) if due is not None else None
    assert reference.decode(tensor.scales[0, 0], tensor.spec.scale.format) == scale
    assert str(element_values(tensor, 2)) == str([float(v) for v in due])
    if scale == 0:
        assert not dequantize_blocks(tensor)[0].any()


TILE = [3.3, -0.7, 0.02, 1e-5, -2.9, 0, 0.45, 1.1]


@pytest.mark.parametrize("rule", ["deepseek_v3", "deepgemm"])
def test_deepseek_tile(rule):
    x = np.zeros((1, 128), np.float32)
    x[0, :8] = TILE
    tensor = quantized(x, "deepseek_1x128", rule)
    assert np.uint32(tensor.scales[0, 0]).view(np.float32) == np.float32(0.0073660715)
    assert element_values(tensor) == [448, -96, 2.75, 0.001953125, -384, 0, 60, 144]
    assert bytes(tensor.codes[0, :8]) == bytes.fromhex("7eec4301fc006771")


@pytest.mark.parametrize("rule", ["deepseek_v3_ue8m0", "deepgemm_ue8m0"])
def test_deepseek_tile_under_a_power_of_two(rule):
    x = np.zeros((1, 128), np.float32)
    x[0, :8] = TILE
    tensor = quantized(x, "deepseek_1x128_ue8m0", rule)
    assert int(tensor.scales[0, 0]) == 127 - 7
    assert element_values(tensor) == [416, -88, 2.5, 0.001953125, -384, 0, 56, 144]


def test_the_two_quotients_of_deepseek_round_differently():
    quotients = [
        reference.exact.declared_steps.evaluate(
            block_rule(rule).quotient, {Given.X: exact(np.float32(3.3)), Given.SCALE: exact(np.float32(3.3 / 448))}
        )
        for rule in ("deepseek_v3", "deepgemm")
    ]
    assert [float(q) for q in quotients] == [448.0, float(np.float32(447.99997))]


def test_deepseek_weights_are_tiles():
    x = np.zeros((256, 130), np.float32)
    x[:128, :128], x[128:, 128:] = 448.0, -896.0
    tensor = quantize_blocks(x, "deepseek_128x128", rule="deepseek_v3", ragged="short")
    numbers = tensor.scales.view(np.float32)
    small = np.float32(np.float32(1e-4) / np.float32(448))
    assert numbers.tolist() == [[1.0, small], [small, 2.0]]
    np.testing.assert_array_equal(dequantize_blocks(tensor), x)


@pytest.mark.parametrize(
    ("fmt", "due"), [("msfp12", (7, -3, 1, 0, 0, 2, -5, 0)), ("msfp16", (114, -53, 14, 4, -1, 28, -80, 0))]
)
def test_block_floating_point(fmt, due):
    tensor = quantized(X[:16], fmt, "floor")
    unit = 2.0**-tensor.spec.element.fraction_bits
    assert [v / unit for v in element_values(tensor)] == list(due)
    assert reference.decode(tensor.scales[0], "e8m0") * unit == {"msfp12": 1, "msfp16": 0.0625}[fmt]
