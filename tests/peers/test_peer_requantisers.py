"""Requantisers against the libraries they are named after: PyTorch's quantised engines and ONNX Runtime, on a CPU."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from formats.integer_only.requantisers import requantiser
from reference.integer import requantise

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="what the libraries compute was found on x86_64"),
]

RNG = np.random.default_rng(0)
#: input, weight and output scales, and the output's zero point: ties in plenty, then none
CASES = [
    (1.0, 1.0, 2.0, 0),
    (1.0, 0.25, 1.0, 3),
    (0.5, 1.0, 4.0, 255),
    (0.1, 0.2, 0.9, 128),
    *((*RNG.uniform(0.01, 0.1, 2).tolist(), float(RNG.uniform(0.05, 1)), int(RNG.integers(0, 256))) for _ in range(4)),
]
ZERO = 77


def torch_linear(engine: str, x: np.ndarray, w: np.ndarray, scales: tuple[float, float, float], zero_point: int):
    """A quantised linear layer of uint8 by int8 without a bias, by an engine."""
    torch = pytest.importorskip("torch")
    if engine not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this PyTorch has no {engine}")
    torch.backends.quantized.engine = engine
    given = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), scales[0], ZERO)
    weight = torch._make_per_tensor_quantized_tensor(torch.from_numpy(w), scales[1], 0)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    return torch.ops.quantized.linear(given, packed, scales[2], zero_point).int_repr().numpy()


def operands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 pairs, weights too small for a saturating pair product, and the accumulators."""
    x = np.stack(np.meshgrid(np.arange(256), np.arange(0, 256, 5)), -1).reshape(-1, 2).astype(np.uint8)
    w = np.random.default_rng(1).integers(-64, 65, (8, 2)).astype(np.int8)
    w[:2] = [[1, 0], [-1, 0]]
    return x, w, (x.astype(np.int32) - ZERO) @ w.T.astype(np.int32)


def by_rule(rule: str, acc: np.ndarray, scales: tuple[float, float, float], zero_point: int) -> np.ndarray:
    return requantise(acc, requantiser(rule).ratio(*scales), rule=rule, fmt="uint8", zero_point=zero_point)


@pytest.mark.filterwarnings("ignore")  # PyTorch announces that it will remove these
@pytest.mark.parametrize(("engine", "rule"), [("fbgemm", "fbgemm"), ("x86", "fbgemm"), ("qnnpack", "pytorch_qnnpack")])
def test_pytorch_engines_follow_their_rule_and_no_other(engine, rule):
    x, w, acc = operands()
    others = {"tflite_double_rounding": 0, "tflite_single_rounding": 0, "tvm_tonearest": 0, "qnnpack": 0}
    for *scales, zero in CASES:
        theirs = torch_linear(engine, x, w, tuple(scales), zero)
        np.testing.assert_array_equal(by_rule(rule, acc, tuple(scales), zero), theirs)
        for other in others:
            others[other] += int((by_rule(other, acc, tuple(scales), zero) != theirs).sum())
    assert all(others.values()), others


@pytest.mark.filterwarnings("ignore")
def test_onednn_adds_the_zero_point_before_it_rounds():
    """Known disagreement: so ties depend on the parity of the zero point, and nothing else differs."""
    x, w, acc = operands()
    for *scales, zero in CASES:
        theirs = torch_linear("onednn", x, w, tuple(scales), zero)
        ours = by_rule("fbgemm", acc, tuple(scales), zero)
        product = acc.astype(np.float32) * np.float32(requantiser("fbgemm").ratio(*scales))
        tie = np.abs(product - np.trunc(product)) == 0.5
        np.testing.assert_array_equal(theirs[~tie], ours[~tie])
        np.testing.assert_array_equal(theirs[tie], np.clip(np.rint(product + np.float32(zero)), 0, 255)[tie])
        if zero % 2 and (tie & (ours > 0) & (ours < 255)).any():
            assert (theirs != ours).any()


def onnx_run(op: str, inputs: dict[str, np.ndarray], outputs: int = 1, domain: str = "") -> list[np.ndarray]:
    """One operator, by ONNX Runtime."""
    runtime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, list(inputs), names, domain=domain)
    values = [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()
    ]
    results = [onnx.ValueInfoProto(name=name) for name in names]
    versions = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", values, results), opset_imports=versions, ir_version=10)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def scale(number: float) -> np.ndarray:
    return np.array(number, np.float32)


class TestOnnxRuntime:
    def test_qlinearmatmul_follows_its_rule(self):
        """Of int8 by int8 with zero points on both sides, ties in plenty among the ratios."""
        a = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 5)), -1).reshape(-1, 2).astype(np.int8)
        b = np.array([[1, 127, 64, -3], [0, 63, -64, 2]], np.int8)
        acc = (a.astype(np.int32) - 5) @ (b.astype(np.int32) + 2)
        for *scales, zero in CASES:
            z = np.array(zero - 128, np.int8)
            inputs = {"a": a, "sa": scale(scales[0]), "za": np.array(5, np.int8), "b": b}
            inputs |= {"sb": scale(scales[1]), "zb": np.array(-2, np.int8)}
            theirs = onnx_run("QLinearMatMul", {**inputs, "sy": scale(scales[2]), "zy": z})[0]
            ratio = requantiser("onnx_qlinear").ratio(*scales)
            ours = requantise(acc, ratio, rule="onnx_qlinear", fmt="int8", zero_point=zero - 128)
            np.testing.assert_array_equal(ours, theirs)

    def test_published_vectors(self):
        a, b = np.array([[1, -2, 3], [-128, 127, 64]], np.int8), np.array([[2, 0], [-1, 5], [7, -128]], np.int8)
        za, zb = np.array(1, np.int8), np.array(-2, np.int8)
        acc = onnx_run("MatMulInteger", {"a": a, "b": b, "za": za, "zb": zb})[0]
        assert acc.tolist() == [[15, -273], [177, -7314]]
        ratio = requantiser("onnx_qlinear").ratio(0.05, 0.02, 0.13)
        due = [[-5, -7], [-4, -61]]
        assert requantise(acc, ratio, rule="onnx_qlinear", fmt="int8", zero_point=-5).tolist() == due
        inputs = {"a": a, "sa": scale(0.05), "za": za, "b": b, "sb": scale(0.02), "zb": zb}
        assert onnx_run("QLinearMatMul", {**inputs, "sy": scale(0.13), "zy": np.array(-5, np.int8)})[0].tolist() == due

    def test_integer_products_wrap(self):
        """MatMulInteger's sums are those of 32 bits: 2^17 products of 2^14 leave them by one."""
        a, b = np.full((1, 1 << 17), -128, np.int8), np.full((1 << 17, 1), -128, np.int8)
        assert onnx_run("MatMulInteger", {"a": a, "b": b})[0].tolist() == [[-(1 << 31)]]

    @pytest.mark.parametrize(("zero", "due"), [(0, [0, 2, 2, 0, -2, 127, -128]), (1, [1, 3, 3, 1, -1, 127, -128])])
    def test_quantizelinear_adds_the_zero_point_after_it_rounds(self, zero, due):
        x = np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 300, -300])
        assert onnx_run("QuantizeLinear", {"x": x, "s": scale(1.0), "z": np.array(zero, np.int8)})[0].tolist() == due

    def test_dynamicquantizelinear(self):
        """The range is widened to 0; ``scale = range / 255``, and the zero point is rounded and saturated."""
        for x in (np.float32([0.1, 2.5, -1.0, 7.3]), np.float32([3, 4, 5]), np.float32([-8, -1])):
            y, s, z = onnx_run("DynamicQuantizeLinear", {"x": x}, outputs=3)
            low, high = np.float32(min(0, x.min())), np.float32(max(0, x.max()))
            assert s == (high - low) / np.float32(255)
            assert z == np.clip(np.rint(-low / s), 0, 255)
            np.testing.assert_array_equal(y, np.clip(np.rint(x / s) + float(z), 0, 255))
