"""How published systems round the average of a window of integers, as data."""

from __future__ import annotations

from dataclasses import dataclass

from formats.look_up import find_record
from formats.policy import Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """The average of ``n`` integers: ``rounding(sum / n + hundredths / 100)``, of the exact quotient.

    The integers are taken as they are stored: the zero point is not subtracted, and so is the average's own.
    ``greatest_window``: the largest ``n`` that the rule is for; None where there is no limit.

    >>> average("average_hawq_v3").rounding
    <Rounding.TOWARD_ZERO: 'toward_zero'>
    """

    name: str
    rounding: Rounding
    hundredths: int = 0
    greatest_window: int | None = None
    source: str
    #: how far the facts were checked
    evidence: str


_RULES = {
    rule.name: rule
    for rule in (
        Average(
            name="average_half_away",
            rounding=Rounding.NEAREST_TIES_TO_AWAY,
            source="TensorFlow Lite: tflite-micro @ 2e50943, reference/integer_ops/pooling.h, AveragePool",
            evidence="the code was read: (sum + n / 2) / n in C, (sum - n / 2) / n for sums below 1",
        ),
        Average(
            name="average_truncate",
            rounding=Rounding.TOWARD_ZERO,
            source="TVM fork of HAWQ-V3 @ 13fdf59, topi nn/pooling.h: integer division in C",
            evidence="the code was read and its published vectors hold",
        ),
        Average(
            name="average_hawq_v3",
            rounding=Rounding.TOWARD_ZERO,
            hundredths=1,
            greatest_window=99,
            source="Zhen-Dong/HAWQ @ 1616df6, quant_utils.py, averaging floats, then trunc(x + 0.01)",
            evidence="the code was read; its binary32 is the same for 8 bits, and for 16 with windows of 16, 49, 64",
        ),
        Average(
            name="average_half_even",
            rounding=Rounding.NEAREST_TIES_TO_EVEN,
            source="ONNX Runtime 1.32, com.microsoft QLinearAveragePool, at a scale of 1",
            evidence="compared with the library run on a CPU; at other scales its binary32 numbers leave some ties",
        ),
    )
}


def average(rule: str | Average) -> Average:
    """The rule of this name; a record is returned as it is. ``KeyError`` names the known ones.

    >>> average("average_half_even").rounding.value
    'nearest_ties_to_even'
    """
    return rule if isinstance(rule, Average) else find_record(rule, _RULES, "average")


def averages() -> tuple[str, ...]:
    """The names of all rules.

    >>> averages()
    ('average_half_away', 'average_truncate', 'average_hawq_v3', 'average_half_even')
    """
    return tuple(_RULES)
