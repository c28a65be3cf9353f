"""Peer against judge on one format and source dtype, by way of the table."""

from __future__ import annotations

import numpy as np
import pytest
from peers.adapters.peer import Codes, Peer
from peers.case import Case, Mask
from peers.disagreements import TABLE
from peers.disagreements.record import Disagreement
from peers.inputs import inputs

import formats
import reference

#: judge's verdicts per entry and cell; the golden model has the rest
_JUDGED = 40


def encode_cells(*peers: Peer) -> list:
    """Parameters ``(peer, fmt, source)`` for every path, format and dtype."""
    cells = []
    for peer in peers:
        for fmt, policy in peer.policy.items():
            drawn = "" if policy.random_bits is None else f"-{policy.random_bits}/{1 << policy.random_bit_count}"
            cells += [
                pytest.param(peer, fmt, source, id=f"{peer.name}-{fmt}-{source}{drawn}") for source in peer.sources
            ]
    return cells


def check_encode(peer: Peer, fmt: str, source: str) -> None:
    """Every input: the peer's code is the judge's, or what an entry says; every entry's inputs do differ."""
    case = _case(peer, fmt, source)
    got = peer.encode(case.values, fmt).astype(np.uint32)
    entries = entries_for(peer, fmt, source)
    _check(case, case.canonical(got), case.judged(), [entry for entry in entries if not entry.about_nan])
    if formats.get(fmt).bits <= 8:  # wider formats carry payloads through
        nans = case.to_nan(got)
        _check_nans(case, got, nans, [entry for entry in entries if entry.about_nan])


def entries_for(peer: Peer, fmt: str, source: str) -> list[Disagreement]:
    return [
        entry
        for entry in TABLE
        if entry.applies
        and peer.name in entry.peers
        and fmt in entry.formats
        and source in entry.sources
        and entry.draws(peer.policy[fmt])
    ]


def _case(peer: Peer, fmt: str, source: str) -> Case:
    spec, policy = formats.get(fmt), peer.policy[fmt]
    values = inputs(spec, source, (policy.random_bit_count or 0) + 1 if policy.random_bit_count else 0)
    if peer.accepts:
        values = values[peer.accepts(values, fmt)]
    return Case(values=values, spec=spec, policy=policy)


def _check(case: Case, got: Codes, judged: Codes, entries: list[Disagreement]) -> None:
    expected, covered = judged.copy(), np.zeros(judged.shape, bool)
    for entry in entries:
        mask = entry.where(case)
        assert mask.any(), f"no input is {entry.inputs!r}: drop the entry or this format and dtype from it"
        assert not (mask & covered).any(), f"two entries claim the same input: {entry.inputs!r}"
        assert_all(case, mask, got != judged, got, f"the peer agrees with the judge now on {entry.inputs!r}")
        expected[mask] = case.canonical(entry.says(case))[mask]
        covered |= mask
        _check_judge(case, mask, judged)
    assert_all(
        case, np.ones(got.shape, bool), got == expected, got, "differs from the judge and from the table", expected
    )


def _check_judge(case: Case, mask: Mask, judged: Codes) -> None:
    """The golden model, on which the comparison rests, is the exact judge's word."""
    for index in np.flatnonzero(mask)[:: max(1, int(mask.sum()) // _JUDGED)]:
        assert judged[index] == case.judge(index), f"golden model and judge differ on {case.doubles[index]!r}"


def _check_nans(case: Case, got: Codes, nans: Mask, entries: list[Disagreement]) -> None:
    expected = np.where(nans, getattr(case.spec, "nan_code", None) or 0, got)
    canonical = expected.copy()
    for entry in entries:
        mask = entry.where(case) & nans
        assert_all(case, mask, got != canonical, got, f"the peer's NaN is canonical now on {entry.inputs!r}")
        assert mask.any(), f"no input is {entry.inputs!r}"
        expected[mask] = entry.says(case)[mask]
    assert_all(case, nans, got == expected, got, "another NaN than the judge's or the table's", expected)


def assert_all(case: Case, mask: Mask, holds: Mask, got: Codes, what: str, expected: Codes | None = None) -> None:
    bad = np.flatnonzero(mask & ~holds)
    shown = [
        f"{case.doubles[i]!r} ({case.values.view(f'u{case.values.dtype.itemsize}')[i]:#x}) -> {got[i]:#x}"
        + ("" if expected is None else f", not {expected[i]:#x}")
        for i in bad[:: max(1, bad.size // 6)]
    ]
    assert not bad.size, f"{what}: {bad.size} of {mask.sum()} inputs: " + "; ".join(shown)


def check_decode(peer: Peer, fmt: str) -> None:
    """Every code: the peer's value is the golden model's, bit for bit, any NaN being a NaN."""
    spec = formats.get(fmt)
    codes = np.arange(1 << spec.bits, dtype=np.uint16 if spec.bits > 8 else np.uint8)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes quiet
        got, want = peer.decode(codes, fmt).astype(np.float64), reference.decode(codes, spec).astype(np.float64)
    same = (np.isnan(got) & np.isnan(want)) | ((got == want) & (np.signbit(got) == np.signbit(want)))
    assert got.shape == want.shape
    assert same.all(), f"{fmt}: codes {codes[~same][:8]} decode to {got[~same][:8]}, not {want[~same][:8]}"
