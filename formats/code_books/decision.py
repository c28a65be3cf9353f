"""How a number gets into a code-book: the nearest value with a tie rule, or stated thresholds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Ties(enum.Enum):
    """Nearest value, in exact arithmetic; the members say which of two equally near values is taken.

    Values are compared in sorted order without repetition (`formats.CodebookSpec.sorted_codes`): of equal values the
    smallest code is taken, so that no other code of the same value, nor a second code for -0, is ever produced. Numbers
    beyond the first or the last value, infinities too, become that value: the only saturation.

    ================  =====================================================================================
    LOWER             the lower value
    UPPER             the upper value
    EVEN_INDEX        the one with the even index in sorted order, counted from 0
    TOWARD_ZERO       the one nearer to zero; of ``-v`` and ``v``, the upper
    AWAY_FROM_ZERO    the one farther from zero; of ``-v`` and ``v``, the upper
    ================  =====================================================================================

    >>> [ties.value for ties in Ties]
    ['lower', 'upper', 'even_index', 'toward_zero', 'away_from_zero']
    """

    LOWER = "lower"
    UPPER = "upper"
    EVEN_INDEX = "even_index"
    TOWARD_ZERO = "toward_zero"
    AWAY_FROM_ZERO = "away_from_zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A decision by comparisons: with ``k`` thresholds passed, a number becomes ``codes[k]``.

    ``x`` passes threshold ``t = numerators[i] / denominator`` if ``x > t``, or ``x >= t`` where ``inclusive[i]``.
    Thresholds grow; two may be equal if the first is inclusive and the second is not: the cell between them is that one
    number. -0 is 0. Infinities fall into the first and last cells.

    >>> sign = Thresholds(name="sign", numerators=(0,), inclusive=(True,), codes=(1, 0), source="an example")
    >>> sign.codes
    (1, 0)
    """

    name: str
    numerators: tuple[int, ...]
    denominator: int = 1
    inclusive: tuple[bool, ...]
    #: the code of each cell between thresholds, one more than there are thresholds
    codes: tuple[int, ...]
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"Thresholds {self.name!r}: {what}")

        count = len(self.numerators)
        need(count > 0 and self.denominator > 0, "at least one threshold and a positive denominator are needed")
        need(len(self.inclusive) == count, f"{len(self.inclusive)} flags do not fit {count} thresholds")
        need(len(self.codes) == count + 1, f"{len(self.codes)} codes do not fit the {count + 1} cells")
        order = [(top, not inclusive) for top, inclusive in zip(self.numerators, self.inclusive, strict=True)]
        for i in range(1, count):
            need(order[i - 1] < order[i], f"threshold {i} does not lie above the one before")
