"""The table of disagreements itself: its examples, its reach, its policies, and the page printed from it."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from peers import render
from peers.adapters import apytypes_package, gfloat_package, mldtypes, onnx_reference, xla
from peers.case import Case
from peers.disagreements import TABLE
from peers.policies import POLICIES

import formats
from kernels_ref import landmarks

pytestmark = pytest.mark.peers
PAGE = Path(__file__).parents[2] / "docs" / "disagreements.md"
PEERS = (*mldtypes.PEERS, *onnx_reference.PEERS, *apytypes_package.PEERS, *xla.PEERS)
GFLOAT = (
    *gfloat_package.PEERS,
    *gfloat_package.P3109_PEERS,
    *gfloat_package.SCALAR_PEERS,
    *gfloat_package.STOCHASTIC_PEERS,
)


def installed_peers():
    """Every path of the packages at hand; PyTorch may be absent."""
    try:
        from peers.adapters import torch_cpu
    except pytest.skip.Exception:
        return (*PEERS, *GFLOAT)
    return (*PEERS, *GFLOAT, *torch_cpu.PEERS)


def cells():
    return [(peer, fmt, source) for peer in installed_peers() for fmt in peer.policy for source in peer.sources]


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.peers[0]}: {entry.inputs}")
def test_example(entry):
    """Each example is an input of its entry; judge and peer give what it says."""
    if not entry.applies:
        pytest.skip(f"about {entry.about}")
    example = entry.example
    found = [
        (peer, peer.policy[example.fmt])
        for peer, fmt, source in cells()
        if (peer.name, fmt, source) == (entry.peers[0], example.fmt, example.source) and entry.draws(peer.policy[fmt])
    ]
    if not found:
        pytest.skip(f"{entry.peers[0]} is not installed")
    peer, policy = found[0]
    values = np.array([example.value]).astype(landmarks.dtype_of(example.source))
    case = Case(values=values, spec=formats.get(example.fmt), policy=policy)
    assert (example.fmt in entry.formats, example.source in entry.sources, bool(entry.where(case)[0])) == (True,) * 3
    assert case.judge(0) == example.judge
    assert int(np.asarray(peer.encode(values, example.fmt))[0]) == example.peer
    assert example.peer != example.judge


def test_every_entry_is_compared():
    """No entry names a peer, format or dtype that no path has."""
    reached = {(peer.name, fmt, source) for peer, fmt, source in cells()}
    names = {peer.name for peer in installed_peers()} | {"torch to"}
    absent = names - {name for name, _, _ in reached}
    for entry in TABLE:
        assert names.issuperset(entry.peers)
        claimed = set(itertools.product(entry.peers, entry.formats, entry.sources))
        assert {cell for cell in claimed - reached if cell[0] not in absent} == set(), entry.inputs


def test_policies_are_those_that_the_adapters_use():
    stated = {
        (peer, fmt, row.rounding, row.saturation) for row in POLICIES for peer in row.peers for fmt in row.formats
    }
    used = {
        (peer.name, fmt, policy.rounding.value, policy.saturation.value)
        for peer in installed_peers()
        if peer not in gfloat_package.SCALAR_PEERS + gfloat_package.STOCHASTIC_PEERS
        for fmt, policy in peer.policy.items()
    }
    absent = {"torch to"} - {peer.name for peer in installed_peers()}
    assert used == {row for row in stated if row[0] not in absent}


def test_page_is_the_table():
    renew = "PYTHONPATH=tests python -m peers.render > docs/disagreements.md"
    assert PAGE.read_text() == render.page(), f"renew the page: {renew}"


def cast_rules(version: int) -> list[str]:
    """What the text of ONNX's Cast says of infinity: for saturate=1, for saturate=0, and for E8M0 from version 24."""
    text = onnx.defs.get_schema("Cast", version).doc
    return [line.replace(" ", "") for line in text.splitlines() if line.startswith("| Inf")]


def test_onnx_changed_its_rule_for_infinities_into_fnuz():
    """Under saturate=1, Cast 19 to 23 said NaN; since 24 the maximum, which the reference gives in every version."""
    assert cast_rules(23)[0] == "|Inf|FLT_MAX|NaN|FLT_MAX|NaN|"
    assert cast_rules(25)[0] == "|Inf|FLT_MAX|FLT_MAX|FLT_MAX|FLT_MAX|"


def test_onnx_reference_breaks_its_rule_for_infinities_into_e8m0():
    assert cast_rules(25)[2] == "|Inf|E8M0_MAX|NaN|"
    infinity = np.array([np.inf], np.float32)
    modes = onnx_reference.MODES
    assert {int(onnx_reference.encode(infinity, "float8_e8m0fnu", saturate=1, mode=m)[0]) for m in modes} == {0xFF}


def test_jax_folding_ends_at_65536_elements():
    """The same infinity, folded in a constant of the last small size and of the first large one."""
    small = np.full(xla.FOLD_LIMIT, math.inf, np.float32)
    assert set(xla.folded(small, "float4_e2m1fn")) == {0x0}
    assert set(xla.folded_large(np.append(small, small[0]), "float4_e2m1fn")) == {0x7}


def test_jax_does_not_compile_a_float6_argument():
    with pytest.raises(jax.errors.JaxRuntimeError):
        jax.jit(lambda x: x.astype(jnp.float6_e2m3fn).astype(jnp.float32))(np.ones(3, np.float32)).block_until_ready()


def test_jax_aborts_on_a_folded_float6_result():
    script = "import jax, jax.numpy as jnp; jax.jit(lambda: jnp.ones(3).astype(jnp.float6_e2m3fn))()"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == -6  # SIGABRT
