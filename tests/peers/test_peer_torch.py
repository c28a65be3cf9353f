"""PyTorch against the judge and the table; PyTorch may be absent."""

from __future__ import annotations

import pytest
from peers.adapters import torch_cpu
from peers.check import check_decode, check_encode, encode_cells

pytestmark = [pytest.mark.peers, pytest.mark.exhaustive]


@pytest.mark.parametrize(("peer", "fmt", "source"), encode_cells(*torch_cpu.PEERS))
def test_encode(peer, fmt, source):
    check_encode(peer, fmt, source)


@pytest.mark.parametrize("fmt", torch_cpu.POLICY)
def test_decode(fmt):
    check_decode(torch_cpu.PEERS[0], fmt)
