"""Layouts: where the digits of codes lie in bytes, and the names of all layouts."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:  # who only names formats does not wait for them
    from formats.layouts.bits import AnyLayout, BitLayout, SplitLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Digits packed into bytes: ``byte = sum over j of digit[j] * radix^place(j)``, ``per_byte`` digits a byte.

    ``place(j)`` is ``j`` (the first digit least significant) or ``per_byte - 1 - j`` if ``big_endian``. A code of
    ``code_bits`` bits becomes a digit by ``digit = (code + offset) mod 2^code_bits``. For two's complement codes
    that is the value plus the offset: the ternary codes 3, 0, 1 of -1, 0, +1 are the digits 0, 1, 2. Lengths must be
    multiples of ``per_byte``: nothing is padded.

    >>> TERNARY_BASE3.places
    (1, 3, 9, 27, 81)
    """

    name: str
    #: bits of a code before packing
    code_bits: int
    radix: int
    per_byte: int
    offset: int = 0
    #: the largest digit that a code uses; codes and bytes with a larger one are refused
    max_digit: int
    big_endian: bool = False
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"Layout {self.name!r}: {what}")

        need(1 <= self.code_bits <= 8, f"code_bits={self.code_bits} must lie in 1..8")
        need(self.radix >= 2 and self.per_byte >= 1, f"radix={self.radix}, per_byte={self.per_byte} pack nothing")
        need(self.radix**self.per_byte <= 256, f"{self.per_byte} digits of radix {self.radix} do not fit a byte")
        top = min(self.radix, 1 << self.code_bits) - 1
        need(0 < self.max_digit <= top, f"max_digit={self.max_digit} must lie in 1..{top}")
        need(0 <= self.offset <= self.max_digit, f"offset={self.offset} must lie in 0..{self.max_digit}")

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
    code_bits=2,
    radix=4,
    per_byte=4,
    offset=1,
    max_digit=2,
    source="two bits a trit, first element in the low bits; digit = trit + 1 (TQ2_0 and I2_S use this digit)",
)
TERNARY_BASE3 = Layout(
    name="ternary_base3",
    code_bits=2,
    radix=3,
    per_byte=5,
    offset=1,
    max_digit=2,
    source="five trits a byte since 3^5 = 243 <= 256, first element least significant; digit = trit + 1",
)
_TWO_BITS_LOW_FIRST = Layout(
    name="2bit_low_first",
    code_bits=2,
    radix=4,
    per_byte=4,
    max_digit=3,
    source="any 2-bit code, first element in the low bits, as ONNX packs int2 (onnx.proto)",
)
_LOW_NIBBLE_FIRST = Layout(
    name="4bit_low_first",
    code_bits=4,
    radix=16,
    per_byte=2,
    max_digit=15,
    source="any 4-bit code, first element in the low nibble, as ONNX packs int4 and float4e2m1 (onnx.proto)",
)
_HIGH_NIBBLE_FIRST = Layout(
    name="4bit_high_first",
    code_bits=4,
    radix=16,
    per_byte=2,
    max_digit=15,
    big_endian=True,
    source="any 4-bit code, first element in the high nibble, as PTX cvt packs the first operand of e2m1x2",
)

_ALL = (TERNARY_2BIT, TERNARY_BASE3, _TWO_BITS_LOW_FIRST, _LOW_NIBBLE_FIRST, _HIGH_NIBBLE_FIRST)
#: every layout of digits
LAYOUTS = {known.name: known for known in _ALL}
#: where the bit layouts are; each has a tuple ``LAYOUTS``, imported when a name is first looked for there
_MODULES = ("formats.layouts.fp6", "formats.layouts.named")


def layout(name: str | AnyLayout) -> AnyLayout:
    """The layout called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> layout("ternary_2bit").per_byte, layout("6bit_high_first").words
    (4, (3,))
    """
    if not isinstance(name, str):
        return name
    if name in LAYOUTS:
        return LAYOUTS[name]
    try:
        return _bit_layouts()[name]
    except KeyError:
        raise KeyError(f"unknown layout {name!r}; known: {', '.join(layout_names())}") from None


def layout_names() -> tuple[str, ...]:
    """The names that `layout` knows.

    >>> "ternary_2bit" in layout_names(), "fp6_llm" in layout_names()
    (True, True)
    """
    return (*LAYOUTS, *_bit_layouts())


@functools.cache
def _bit_layouts() -> dict[str, BitLayout | SplitLayout]:
    found = [known for module in _MODULES for known in import_module(module).LAYOUTS]
    if len(named := {known.name: known for known in found}) != len(found) or not named.keys().isdisjoint(LAYOUTS):
        raise AssertionError(f"a name has two layouts: {', '.join(sorted(known.name for known in found))}")
    return named
