"""Prints docs/disagreements.md from the table: ``PYTHONPATH=tests python -m peers.render > docs/disagreements.md``."""

from __future__ import annotations

from peers.disagreements import TABLE
from peers.disagreements.names import FINITE_DOMAIN, GF_FALSE, GF_TRUE, P3109, UNSIGNED
from peers.disagreements.record import Disagreement, Example
from peers.policies import POLICIES, Row

import formats

HEAD = """# Known disagreements

Where other projects' conversions differ from the judge (`reference.exact`): which inputs, what either says, and why.
This page is printed from the table in `tests/peers/disagreements`; do not edit it. To renew it:

    PYTHONPATH=tests python -m peers.render > docs/disagreements.md

The tests in `tests/peers` compare every peer with the judge on all codes (decoding, where nobody disagrees), on all
float16 and bfloat16 inputs, and on every value, tie, range end and subnormal of each format with its neighbours in
float32 and float64. A difference that is not in the table fails; so does an entry whose inputs do not differ any more,
or do not give exactly what it says.

Versions: ml_dtypes 0.6.0, gfloat 0.5.2, torch 2.13.0 (CPU), onnx 1.23.2, apytypes 0.5.1, NumPy 2.4 and 2.5, JAX 0.10.2
and 0.12.0, on x86-64 without an accelerator. "JAX compiled" converts an argument at run time; "JAX folded" a constant
of at most 65,536 elements without signalling NaNs, "JAX folded, large" a longer one: XLA evaluates each by other code.

## Policies

What each conversion does where no entry below says otherwise, in the terms of `formats.Rounding` and
`formats.Saturation`. Conversions to integers beyond the range of int32 are undefined in C and compared for JAX only;
NaN becomes 0 there.

| peer | formats | rounding | saturation |
|---|---|---|---|"""

TABLE_HEAD = """
## {title}

| peers | formats | from | inputs | judge | peer | example | why |
|---|---|---|---|---|---|---|---|"""

TAIL = """
## Left out

`jnp.float6_e2m3fn` and `jnp.float6_e3m2fn` on the CPU: an argument converted to them does not compile, and a folded
constant that is a result ends the process. Hold FP6 as uint8 codes."""


def page() -> str:
    lines = [HEAD, *map(policy_row, POLICIES)]
    for about_nan, title in ((False, "Values"), (True, "Codes of NaN")):
        lines += [TABLE_HEAD.format(title=title), *(row(entry) for entry in TABLE if entry.about_nan is about_nan)]
    return "\n".join([*lines, TAIL]) + "\n"


def policy_row(policy: Row) -> str:
    return _cells("; ".join(policy.peers), _names(policy.formats), policy.rounding, policy.saturation)


def row(entry: Disagreement) -> str:
    why = f"{entry.why} ([report]({entry.link}))" if entry.link else entry.why
    peers = _peers(entry.peers) + (f" ({entry.about})" if entry.about else "")
    sources = ", ".join(entry.sources)
    return _cells(
        peers, _names(entry.formats), sources, entry.inputs, entry.judge, entry.peer, _show(entry.example), why
    )


def _names(names: tuple[str, ...]) -> str:
    """The names, with hundreds of P3109 formats said in words."""
    rule = {
        UNSIGNED: "all unsigned P3109 formats",
        FINITE_DOMAIN: "all finite-domain P3109 formats",
        P3109: "all P3109 formats",
    }
    of_p3109 = tuple(name for name in names if name in P3109)
    if of_p3109 not in rule:
        return ", ".join(names)
    return ", ".join([*(name for name in names if name not in P3109), f"{rule[of_p3109]} of 3 to 8 bits"])


def _peers(peers: tuple[str, ...]) -> str:
    """The names, with gfloat's five deterministic modes said in words."""
    said = "; ".join(peers)
    for modes, saturate in ((GF_TRUE, True), (GF_FALSE, False)):
        said = said.replace("; ".join(modes), f"gfloat, all deterministic modes, sat={saturate}")
    return said


def _show(example: Example) -> str:
    digits = -(-formats.get(example.fmt).bits // 4)
    value = example.value.hex() if abs(example.value) < float("inf") else repr(example.value)
    judge, peer = (f"{code:#0{digits + 2}x}" for code in (example.judge, example.peer))
    return f"{example.source} {value} to {example.fmt}: {judge}, peer {peer}"


def _cells(*texts: str) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


if __name__ == "__main__":
    print(page(), end="")
