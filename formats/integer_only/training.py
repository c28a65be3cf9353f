"""Rules of integer training, as data: NITI's block exponents and cross-entropy, and ElasticZO-INT8's perturbation."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Evidence(enum.Enum):
    """Where a rule comes from."""

    CODE = "code"  #: read in the authors' published code
    ABSTRACT = "abstract"  #: stated in the paper's abstract; the rest of the paper was not read
    RECALLED = "recalled"  #: from memory of the paper, unverified
    PROPOSED = "proposed"  #: this project's own definition, made so that the result is determined


class Narrowing(enum.Enum):
    """What an accumulator that needs no shift becomes in int8."""

    WRAP = "wrap"  #: modulo 2^8: NITI's cast, under which +128 becomes -128
    CLIP = "clip"  #: to -127..127, as the shifts do


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockExponentRule:
    """int32 accumulators to int8 with one exponent for the whole tensor.

    ``B`` is the least integer with ``max|acc| <= 2^B``, 0 for zeros: ``bit_length(max|acc| - 1)``. With ``s = B - 7``:
    if ``s > 0``, ``q = shift(acc, s)`` and the exponent grows by ``s``; else ``q`` is ``acc``, narrowed.

    >>> NITI_CODE.narrowing.value, NITI_CLIPPED.evidence.value
    ('wrap', 'proposed')
    """

    name: str
    shift: str  #: a name of `formats.integer_only.shifts.shift_rules`
    narrowing: Narrowing
    evidence: Evidence
    source: str


_NITI = "wangmaolin/niti @ d097335, "
NITI_CODE = BlockExponentRule(
    name="niti_code",
    shift="round_shift",
    narrowing=Narrowing.WRAP,
    evidence=Evidence.CODE,
    source=_NITI + "ti_torch.py, act_calc, err_calc and RangeEstimate, with an exact logarithm for its binary32 one",
)
NITI_CLIPPED = BlockExponentRule(
    name="niti_clipped",
    shift="round_shift",
    narrowing=Narrowing.CLIP,
    evidence=Evidence.PROPOSED,
    source="niti_code, with a clip where the code casts: 128 becomes 127",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEntropyRule:
    """The gradient of the cross-entropy by logits ``q * 2^e``, in units of ``2^-(probability_bits - shift)``.

    All divisions truncate. If ``e > taylor_exponent``: ``t = q * multiplier / 2^15``, then times ``2^e`` or divided by
    ``2^-e``; ``t = max(t - (max t - octaves), 0)``; ``u = 2^t - 1``. Else ``u = 2^(1-2e) + q 2^(1-e) + q^2``, which
    is ``2^(1-2e)`` times the second-order Taylor polynomial of ``exp(q 2^e)``.

    ``p_j = u_j * 2^probability_bits / sum(u)``; the sum of all ``p_j`` is taken from that of the target, so that a
    row sums to 0; the gradient is the stochastic ``shift`` of ``p``.

    >>> NITI_CROSS_ENTROPY.multiplier / 2**15
    1.44268798828125
    """

    name: str
    multiplier: int  #: log2(e) times 2^15, nearly
    taylor_exponent: int
    octaves: int
    probability_bits: int
    shift: int
    rounding: str  #: a name of `formats.integer_only.shifts.shift_rules`
    evidence: Evidence
    source: str


NITI_CROSS_ENTROPY = CrossEntropyRule(
    name="niti_truncating",
    multiplier=47274,
    taylor_exponent=-7,
    octaves=10,
    probability_bits=11,
    shift=4,
    rounding="sto_shift",
    evidence=Evidence.PROPOSED,
    source=_NITI + "ti_loss.py; its divisions are true ones, in floats, on the PyTorch 1.7 of its Dockerfile (from "
    "memory), so truncation is this project's reading",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZerothOrderRule:
    """ElasticZO-INT8: which way the loss falls along a random integer direction, and a step of that sign.

    Perturbation: ``z = m * u``, where ``m`` is 0 with probability ``zeros / 2^16`` and else 1, and ``u`` is one of
    ``-greatest..greatest``. ``theta+ = clip(theta + z)`` and ``theta- = clip(theta - z)``, both from the stored
    ``theta``. Gradient: ``g = sign(L+ - L-)``. Update: ``theta = clip(theta - shift(g z, update_shift))``, without a
    shift where it is 0. Clips are to -127..127.

    >>> ZerothOrderRule(zeros=0, greatest=1, update_shift=0).evidence.value
    'proposed'
    """

    zeros: int
    greatest: int
    update_shift: int
    rounding: str = "psto_shift"  #: a name of `formats.integer_only.shifts.shift_rules`
    evidence: Evidence = Evidence.PROPOSED
    source: str = (
        "arXiv 2501.04287: integers only and gradients from integer cross-entropy values are stated in the abstract; "
        "the form of z, the ternary gradient and the rounding are recalled (unverified); draws, order and comparison "
        "are proposed"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.zeros <= 1 << 16:
            raise ValueError(f"zeros={self.zeros} must lie in 0..65536")
        if not 1 <= self.greatest <= 127:
            raise ValueError(f"greatest={self.greatest} must lie in 1..127")
        if not 0 <= self.update_shift <= 8:
            raise ValueError(f"update_shift={self.update_shift} must lie in 0..8")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRule:
    """One step of training for layers without biases, ReLU between them; all moves are from the stored weights.

    Layers before ``first`` move by ``zeroth_order``, the others by NITI's back-propagation: the int32 gradient
    ``error^T x`` is shifted by its ``B - gradient_bits`` where that is at least 1, and taken from the weights as it
    is, whatever its exponent. Errors are narrowed by ``block`` and pass a ReLU where its output is positive.

    >>> StepRule(gradient_bits=5).first
    0
    """

    gradient_bits: int
    gradient_rounding: str = "psto_shift"  #: a name of `formats.integer_only.shifts.shift_rules`
    block: BlockExponentRule = NITI_CLIPPED
    loss: CrossEntropyRule = NITI_CROSS_ENTROPY
    first: int = 0
    zeroth_order: ZerothOrderRule | None = None
    evidence: Evidence = Evidence.CODE
    source: str = _NITI + "ti_torch.py, UpdateWeight and TiLinear; which layers move how: arXiv 2501.04287, abstract"

    def __post_init__(self) -> None:
        if not 1 <= self.gradient_bits <= 6:
            raise ValueError(f"gradient_bits={self.gradient_bits} must lie in 1..6")
        if (self.first > 0) != (self.zeroth_order is not None) or self.first < 0:
            raise ValueError(f"first={self.first} needs zeroth_order where it is positive, and only there")
