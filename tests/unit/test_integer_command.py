"""``assay integer``: layers of a real network on a terminal and as JSON, and what is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.layers import network_names, prepared, report
from analysis.networks.schemes import scheme
from reference.integer.network import Weighted


def called(*arguments):
    return CliRunner().invoke(app, ["integer", *arguments])


@pytest.fixture(scope="module")
def digits():
    network, x = prepared("digits", scheme("tflite_int8"), 8)
    return network, x, report(network, x)


def test_layers_are_those_of_the_network(digits):
    network, _x, layers = digits
    assert [layer.name for layer in layers] == [node.name for node in network]
    assert all(not layer.floats for layer in layers)
    for node, layer in zip(network, layers, strict=True):
        low, high = layer.used
        assert node.out.format.minimum <= low <= high <= node.out.format.maximum
        assert 0 <= layer.saturated + layer.activated <= layer.results
        if isinstance(node, Weighted):
            assert layer.bound[0] <= layer.accumulated[0] <= layer.accumulated[1] <= layer.bound[1]
            assert layer.multipliers
            assert all(1 << 30 <= pair.multiplier < 1 << 31 for pair in layer.multipliers)


def test_relu_is_no_saturation(digits):
    """The stem's negative sums become its zero point; a scale that is too small saturates."""
    _, _, layers = digits
    stem = next(layer for layer in layers if layer.name == "stem")
    assert stem.activated > 0
    assert stem.saturated <= stem.results // 100


def test_an_addition_has_a_multiplier_for_each_term(digits):
    """Three over a common scale; two where each term goes to the output's scale, of 1 as well."""
    assert [len(layer.multipliers) for layer in digits[2] if layer.kind == "add"] == [3, 3, 3]
    layers = report(*prepared("digits", scheme("hawq_v3"), 2))
    assert [len(layer.multipliers) for layer in layers if layer.kind == "add"] == [2, 2, 2]


def test_the_table():
    found = called("digits", "--pictures", "4")
    assert found.exit_code == 0
    assert "no operation on floats" in found.output
    assert "/2^" in found.output


def test_floats_are_named_and_fall_short():
    found = called("--rule", "onnx_qlinear", "--pictures", "2", "--json")
    assert found.exit_code == 1
    rows = json.loads(found.output)
    assert next(row["name"] for row in rows if row["floats"]) == "stem"
    assert rows[0]["multipliers"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist"], "known: digits, efficientnet-lite0"),
        (["--scheme", "int3"], "known: tflite_int8, symmetric_int8, hawq_v3"),
        (["--pictures", "451"], "1 to 450 are accepted"),
    ],
)
def test_wrong_use(arguments, message):
    found = called(*arguments)
    assert isinstance(found.exception, (KeyError, ValueError))
    assert message in str(found.exception)
    assert network_names() == ("digits", "efficientnet-lite0")
