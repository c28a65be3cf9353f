"""IEEE P3109 formats by rule (Interim Report v4.0, 26 June 2026, sections 3 and 4.2)."""

from __future__ import annotations

from formats.floating import FloatSpec, Nan
from formats.policy import Overflow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "IEEE WG P3109 Interim Report v4.0 (June 2026)"


def p3109(*, bits: int, precision: int, signed: bool, extended: bool) -> FloatSpec:
    """The P3109 format ``Binary{K}p{P}{s|u}{e|f}``.

    K = ``bits`` >= 3; 1 <= P = ``precision``, P < K if signed, P <= K if unsigned. The bias is ``2^(K-P-1)``
    signed, ``2^(K-P)`` unsigned; one zero, one NaN, no -0; infinities if ``extended``. A finite-domain format
    overflows to its maximum even under SAT_NONE (v4.0, Projection).

    >>> p3109(bits=8, precision=4, signed=True, extended=True).name
    'Binary8p4se'
    """
    if not 3 <= bits <= 15:
        raise ValueError(f"P3109 formats here have 3 <= K <= 15 bits; got K={bits}")
    if not 1 <= precision <= bits - signed:
        raise ValueError(f"P3109 needs 1 <= P {'<' if signed else '<='} K; got K={bits}, P={precision}")
    top = (1 << (bits - signed)) - 1
    return FloatSpec(
        name=f"Binary{bits}p{precision}{'s' if signed else 'u'}{'e' if extended else 'f'}",
        bits=bits,
        precision=precision,
        bias=1 << (bits - precision - signed),
        max_code=top - extended - (not signed),
        signed=signed,
        has_infinity=extended,
        nan=Nan.NEGATIVE_ZERO if signed else Nan.ABOVE,
        overflow=Overflow.INFINITY if extended else Overflow.MAXIMUM,
        source=SOURCE,
    )


def all_p3109(bits: int) -> Iterator[FloatSpec]:
    """Every P3109 format of one width.

    >>> sum(1 for width in range(3, 9) for _ in all_p3109(width))
    120
    """
    for signed in (True, False):
        for precision in range(1, bits + (not signed)):
            for extended in (True, False):
                yield p3109(bits=bits, precision=precision, signed=signed, extended=extended)
