"""Every peer's conversions into our formats, against the judge and the table of known disagreements."""

from __future__ import annotations

import pytest
from peers.adapters import apytypes_package, mldtypes, onnx_reference, xla
from peers.check import check_encode, encode_cells

pytestmark = [pytest.mark.peers, pytest.mark.exhaustive]
PEERS = (*mldtypes.PEERS, *onnx_reference.PEERS, *apytypes_package.PEERS, *xla.PEERS)


@pytest.mark.parametrize(("peer", "fmt", "source"), encode_cells(*PEERS))
def test_encode(peer, fmt, source):
    check_encode(peer, fmt, source)
