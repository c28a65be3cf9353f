"""gfloat's arrays, scalars and stochastic modes, and the P3109 formats under every mode, against judge and table."""

from __future__ import annotations

import pytest
from peers.adapters import gfloat_package
from peers.check import check_encode, encode_cells
from rotation import rotate

pytestmark = [pytest.mark.peers, pytest.mark.exhaustive]
P3109 = rotate(encode_cells(*gfloat_package.P3109_PEERS), 6)
STOCHASTIC = encode_cells(*gfloat_package.STOCHASTIC_PEERS)


@pytest.mark.parametrize(("peer", "fmt", "source"), encode_cells(*gfloat_package.PEERS))
def test_arrays(peer, fmt, source):
    check_encode(peer, fmt, source)


@pytest.mark.parametrize(("peer", "fmt", "source"), P3109)
def test_p3109(peer, fmt, source):
    check_encode(peer, fmt, source)


@pytest.mark.parametrize(("peer", "fmt", "source"), encode_cells(*gfloat_package.SCALAR_PEERS))
def test_scalars(peer, fmt, source):
    check_encode(peer, fmt, source)


@pytest.mark.parametrize(("peer", "fmt", "source"), STOCHASTIC)
def test_stochastic_modes_by_enumeration(peer, fmt, source):
    """Every draw of 1 to 4 bits on every tick and half tick between neighbouring values, and on either side of it."""
    check_encode(peer, fmt, source)
