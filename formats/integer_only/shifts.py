"""Rounding right shifts of integer training, as data: NITI's three, each under both meanings of integer division."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.look_up import find_record

#: what every shift clips to: int8 without its least integer
SHIFT_LIMIT = 127


class Division(enum.Enum):
    """What ``x // 2^s`` gives for a negative ``x``."""

    TRUNCATING = "truncating"  #: toward zero, as PyTorch 1.7 divides integer tensors
    FLOORING = "flooring"  #: toward minus infinity, as Python and later versions of PyTorch do


class Decision(enum.Enum):
    """What decides whether the quotient is moved, given the remainder ``p = |x - t 2^s|``, and by how much."""

    NEAREST = "nearest"  #: by ``(x - t 2^s) // 2^(s-1)``, with the same division
    STOCHASTIC = "stochastic"  #: by ``sign(x)`` where ``p > r``, with ``s`` random bits ``r``
    PSEUDO_STOCHASTIC = "pseudo_stochastic"  #: by ``sign(x)`` where the upper bits of ``p`` exceed the lower ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRule:
    """An integer ``x`` divided by ``2^s``, ``s >= 1``, rounded, and clipped to -127..127.

    With ``t = x // 2^s`` by ``division`` and ``p = |x - t 2^s|``, the result is ``clip(t + d)``, where ``d`` is:

    - nearest: ``(x - t 2^s) // 2^(s-1)``: halves away from zero if truncating, halves up if flooring;
    - stochastic: ``sign(x)`` if ``p > r`` else 0, for ``r`` of 0..2^s - 1 that the caller supplies;
    - pseudo-stochastic: ``sign(x)`` if ``P > R`` else 0, with ``h = s // 2``, ``P = p >> h`` and ``R = p mod 2^h``,
      doubled if ``s`` is odd.

    Truncating, all three are odd in ``x`` and the stochastic one has the mean ``x / 2^s`` over all ``r``. Flooring,
    the latter two move negative numbers the wrong way: what they were written for is truncation.

    >>> shift_rule("round_shift").is_stochastic, shift_rule("sto_shift_floor").division.value
    (False, 'flooring')
    """

    name: str
    decision: Decision
    division: Division
    source: str

    @property
    def is_stochastic(self) -> bool:
        """Whether the rule consumes random bits."""
        return self.decision is Decision.STOCHASTIC


_CODE = "wangmaolin/niti @ d097335, ti_torch.py, {}, with the integer division of "
_TRUNCATES = "the PyTorch 1.7 of its Dockerfile, which truncates (version from memory, unverified by execution)"
_FLOORS = "later PyTorch, which floors (from 1.13, from memory, unverified by execution)"
_NAMES = {
    "round_shift": (Decision.NEAREST, "RoundShift"),
    "sto_shift": (Decision.STOCHASTIC, "StoShift"),
    "psto_shift": (Decision.PSEUDO_STOCHASTIC, "PstoShift"),
}
_RULES = {
    name + suffix: ShiftRule(
        name=name + suffix, decision=decision, division=division, source=_CODE.format(function) + version
    )
    for suffix, division, version in (
        ("", Division.TRUNCATING, _TRUNCATES),
        ("_floor", Division.FLOORING, _FLOORS),
    )
    for name, (decision, function) in _NAMES.items()
}


def shift_rule(rule: str | ShiftRule) -> ShiftRule:
    """The rule of that name, or the record itself; ``KeyError`` lists the names.

    >>> shift_rule("psto_shift").decision
    <Decision.PSEUDO_STOCHASTIC: 'pseudo_stochastic'>
    """
    return rule if isinstance(rule, ShiftRule) else find_record(rule, _RULES, "shift rule")


def shift_rules() -> tuple[str, ...]:
    """The names of all rules.

    >>> shift_rules()
    ('round_shift', 'sto_shift', 'psto_shift', 'round_shift_floor', 'sto_shift_floor', 'psto_shift_floor')
    """
    return tuple(_RULES)
