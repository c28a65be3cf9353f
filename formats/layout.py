"""Layouts: where the digits of codes lie in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Digits packed into bytes: ``byte = sum over j of digit[j] * radix^place(j)``, ``per_byte`` digits a byte.

    ``place(j)`` is ``j`` (the first digit least significant) or ``per_byte - 1 - j`` if ``big_endian``. A code is
    turned into a digit by adding ``offset`` (ternary -1, 0, +1 is 0, 1, 2). Lengths must be multiples of
    ``per_byte``: nothing is padded.

    >>> TERNARY_BASE3.places
    (1, 3, 9, 27, 81)
    """

    name: str
    radix: int
    per_byte: int
    offset: int = 0
    #: the largest digit that a code uses; bytes holding a larger one are refused
    max_digit: int
    big_endian: bool = False
    source: str

    def __post_init__(self) -> None:
        if self.radix**self.per_byte > 256:
            raise ValueError(f"Layout {self.name!r}: {self.per_byte} digits of radix {self.radix} do not fit a byte")
        if not 0 < self.max_digit < self.radix:
            raise ValueError(f"Layout {self.name!r}: max_digit={self.max_digit} must lie in 1..{self.radix - 1}")

    @property
    def places(self) -> tuple[int, ...]:
        """The weight of each digit, in the order of the elements."""
        weights = tuple(self.radix**j for j in range(self.per_byte))
        return weights[::-1] if self.big_endian else weights

    @property
    def bits_per_element(self) -> float:
        """Storage of one element."""
        return 8 / self.per_byte


TERNARY_2BIT = Layout(
    name="ternary_2bit",
    radix=4,
    per_byte=4,
    offset=1,
    max_digit=2,
    source="two bits a trit, first element in the low bits; digit = trit + 1 (TQ2_0 and I2_S use this digit)",
)
TERNARY_BASE3 = Layout(
    name="ternary_base3",
    radix=3,
    per_byte=5,
    offset=1,
    max_digit=2,
    source="five trits a byte since 3^5 = 243 <= 256, first element least significant; digit = trit + 1",
)

_LAYOUTS = {layout.name: layout for layout in (TERNARY_2BIT, TERNARY_BASE3)}


def layout(name: str | Layout) -> Layout:
    """The layout called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> layout("ternary_2bit").per_byte
    4
    """
    if isinstance(name, Layout):
        return name
    try:
        return _LAYOUTS[name]
    except KeyError:
        raise KeyError(f"unknown layout {name!r}; known: {', '.join(_LAYOUTS)}") from None
