"""The peers of the agreement map beside the rules that they stand for: every mode on every format, no surprise."""

from __future__ import annotations

import numpy as np
import pytest
from block_inputs import rows

from analysis.agreement import MX_FORMATS, Chosen, Way, measure, peers
from analysis.tensors import Tensor
from formats.block_formats.named import block
from reference.blocks import dequantize_blocks, quantize_blocks

pytestmark = pytest.mark.peers


def ours(fmt, rule):
    """A rule by the golden model, which compiles nothing."""

    def quantise(x):
        made = quantize_blocks(x, fmt, rule=rule)
        return Chosen(scales=made.scales, values=dequantize_blocks(made))

    return Way(name=rule, spec=block(fmt), quantise=quantise)


def differing(fmt, x):
    """For each peer, how many blocks its scale and its values differ on from the rule that it stands for."""
    tensor = Tensor(name="x", values=x, source="drawn")
    found = {}
    for peer in peers(fmt):
        _, pairs = measure([tensor], [ours(fmt, peer.expected), peer])
        (pair,) = pairs.itertuples()
        found[peer.name] = tuple(round((1 - same) * pair.blocks) for same in (pair.same_scale, pair.same_values))
    return found


@pytest.mark.parametrize("fmt", MX_FORMATS)
def test_no_mx_peer_surprises(fmt):
    """Scale code 0 is left out: torchao divides by another number there than it stores."""
    pytest.importorskip("torchao")
    pytest.importorskip("gguf")
    modes = [] if fmt == "mxint8" else [f"torchao {mode}" for mode in ("floor", "ceil", "even", "rceil")]
    found = differing(fmt, rows(32))
    assert list(found) == modes + (["gguf"] if fmt == "mxfp4" else [])
    assert set(found.values()) <= {(0, 0)}


@pytest.mark.parametrize("exponent", [-40, 0, 40])
def test_no_nvfp4_peer_surprises(exponent):
    pytest.importorskip("torchao")
    x = rows(16, seed=1, least=-12, most=1) * np.float32(2.0**exponent)
    assert differing("nvfp4", x) == {"torchao": (0, 0)}


@pytest.mark.parametrize("mode", ["floor", "ceil", "even"])
def test_another_rule_would_be_a_surprise(mode):
    pytest.importorskip("torchao")
    (peer,) = (each for each in peers("mxfp4") if each.name == f"torchao {mode}")
    wrong = Way(name=peer.name, spec=peer.spec, quantise=peer.quantise, expected="rceil")
    _, pairs = measure([Tensor(name="x", values=rows(32), source="drawn")], [ours("mxfp4", "rceil"), wrong])
    assert pairs["same_scale"].item() < 1
    assert pairs["same_values"].item() < 1


def test_code_0_is_where_torchao_is_known_to_differ():
    pytest.importorskip("torchao")
    x = np.zeros((2, 32), np.float32)
    x[0, 0] = np.float32(2.0**-127)
    found = differing("mxfp6_e2m3", x)
    assert [scales for scales, _ in found.values()] == [0] * 4
    assert found["torchao rceil"][1] == 1
