"""Every code of every format, decoded by the peers: here nobody disagrees."""

from __future__ import annotations

import pytest
from peers.adapters import apytypes_package, gfloat_package, mldtypes, xla
from peers.check import check_decode

pytestmark = [pytest.mark.peers, pytest.mark.exhaustive]
PEERS = (*mldtypes.PEERS, *xla.PEERS, *apytypes_package.PEERS, *gfloat_package.DECODERS)
CELLS = [pytest.param(peer, fmt, id=f"{peer.name}-{fmt}") for peer in PEERS for fmt in peer.decodes]


@pytest.mark.parametrize(("peer", "fmt"), CELLS)
def test_decode(peer, fmt):
    check_decode(peer, fmt)
