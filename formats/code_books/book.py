"""Code-books: formats that are a table of values by code."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing fractions would double the import time of formats
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookSpec:
    """A format whose values are listed: code ``c`` is ``numerators[c] / denominator``, exactly.

    Values need not grow with the code, may repeat, and may be fewer than ``2^bits``; codes past the last value do not
    exist. ``negative_zero`` is the code whose value is -0, if there is one. How a number gets into the table is
    `formats.Thresholds` or `formats.Ties`, never part of it.

    >>> halves = CodebookSpec(name="halves", bits=2, numerators=(-1, 0, 1), denominator=2, source="an example")
    >>> halves.size, str(halves.fraction(2)), halves.sorted_codes
    (3, '1/2', (0, 1, 2))
    """

    name: str
    bits: int
    #: the values by code, in units of ``1 / denominator``
    numerators: tuple[int, ...]
    denominator: int = 1
    #: the code of -0
    negative_zero: int | None = None
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"CodebookSpec {self.name!r}: {what}")

        need(1 <= self.bits <= 8, f"bits={self.bits} must lie in 1..8")
        need(2 <= self.size <= 1 << self.bits, f"{self.size} values do not fit: 2..{1 << self.bits} do")
        need(self.denominator > 0, f"denominator={self.denominator} must be positive")
        need(len(set(self.numerators)) > 1, "all values are equal")
        zero = self.negative_zero
        is_zero = zero is None or (0 <= zero < self.size and self.numerators[zero] == 0)
        need(is_zero, f"negative_zero={zero} is no code of zero")

    @property
    def size(self) -> int:
        """How many codes exist: 0 to ``size - 1``."""
        return len(self.numerators)

    @property
    def sorted_codes(self) -> tuple[int, ...]:
        """The codes in the order of their values, without repetition: of equal values the smallest code stands."""
        first: dict[int, int] = {}
        for code, numerator in enumerate(self.numerators):
            first.setdefault(numerator, code)
        return tuple(first[numerator] for numerator in sorted(first))

    def fraction(self, code: int) -> Fraction:
        """The value of a code; -0 is 0 here. Raises ``ValueError`` for a code that does not exist."""
        from fractions import Fraction

        if not 0 <= code < self.size:
            raise ValueError(f"code {code} does not exist in {self.name}, whose codes are 0..{self.size - 1}")
        return Fraction(self.numerators[code], self.denominator)


def codebook_of(name: str, values: tuple[float, ...], *, source: str, negative_zero: int | None = None) -> CodebookSpec:
    """A code-book of floats by code, each taken exactly; as many bits as the codes need.

    Raises ``ValueError`` for a value that is not finite, and as `CodebookSpec` does.

    >>> book = codebook_of("thirds", (-1.0, 0.0, 0.25, 1.0), source="an example")
    >>> book.bits, book.numerators, book.denominator
    (2, (-4, 0, 1, 4), 4)
    """
    for code, value in enumerate(values):
        if value - value != 0:
            raise ValueError(f"CodebookSpec {name!r}: value {value} of code {code} is not finite")
    ratios = [value.as_integer_ratio() for value in values]
    denominator = max((bottom for _, bottom in ratios), default=1)  # powers of two: the largest is a multiple of each
    return CodebookSpec(
        name=name,
        bits=max(1, (len(values) - 1).bit_length()),
        numerators=tuple(top * (denominator // bottom) for top, bottom in ratios),
        denominator=denominator,
        negative_zero=negative_zero,
        source=source,
    )
