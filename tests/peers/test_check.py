"""The comparison itself can fail: a wrong code, a stale entry, a wrong entry and an empty one turn it red."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from peers import check, rules
from peers.adapters import mldtypes
from peers.disagreements import TABLE

pytestmark = pytest.mark.peers
PEER = mldtypes.PEERS[0]
(STOP_OVER,) = [entry for entry in TABLE if PEER.name in entry.peers and "bfloat16" in entry.formats]


def with_table(monkeypatch, entry):
    """The table with its first entry for ml_dtypes exchanged."""
    monkeypatch.setattr(check, "TABLE", [entry if old is STOP_OVER else old for old in TABLE])


def flip(values, fmt):
    codes = mldtypes.encode(values, fmt)
    codes[values == 1] ^= 1
    return codes


def test_one_wrong_code_is_found():
    peer = replace(PEER, encode=flip)
    with pytest.raises(AssertionError, match=r"differs from the judge and from the table: 1 of .* -> 0x39, not 0x38"):
        check.check_encode(peer, "float8_e4m3fn", "float32")


def test_a_missing_entry_is_found(monkeypatch):
    monkeypatch.setattr(check, "TABLE", [entry for entry in TABLE if entry is not STOP_OVER])
    with pytest.raises(AssertionError, match="differs from the judge and from the table"):
        check.check_encode(PEER, "float8_e4m3fn", "float64")


def test_an_entry_that_is_no_longer_true_is_found(monkeypatch):
    with_table(monkeypatch, replace(STOP_OVER, where=lambda case: case.doubles == 1))
    with pytest.raises(AssertionError, match="the peer agrees with the judge now"):
        check.check_encode(PEER, "float8_e4m3fn", "float64")


def test_an_entry_without_inputs_is_found(monkeypatch):
    with_table(monkeypatch, replace(STOP_OVER, where=lambda case: np.zeros(case.values.shape, bool)))
    with pytest.raises(AssertionError, match="no input is"):
        check.check_encode(PEER, "float8_e4m3fn", "float64")


def test_an_entry_that_says_something_else_is_found(monkeypatch):
    with_table(monkeypatch, replace(STOP_OVER, says=rules.always(0x55)))
    with pytest.raises(AssertionError, match="not 0x55"):
        check.check_encode(PEER, "float8_e4m3fn", "float64")


def test_a_nan_code_that_changes_is_found():
    peer = replace(PEER, encode=lambda values, fmt: mldtypes.encode(values, fmt) | (np.isnan(values)).astype(np.uint8))
    with pytest.raises(AssertionError, match="another NaN than the judge's or the table's"):
        check.check_encode(peer, "float8_e5m2", "float32")


def test_a_wrong_value_is_found():
    peer = replace(PEER, decode=lambda codes, fmt: mldtypes.decode(codes ^ (codes == 0x38), fmt))
    with pytest.raises(AssertionError, match=r"codes \[56\] decode to \[1\.125\], not \[1\.\]"):
        check.check_decode(peer, "float8_e4m3fn")
