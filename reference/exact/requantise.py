"""The judge: requantisation by a dyadic number, as one rounding of an exact product."""

from __future__ import annotations

from fractions import Fraction

from formats import Dyadic, Format, IntSpec, Rounding, Saturation, get, parse_enum
from reference.exact.codec import encode


def requantise(
    x: int, dyadic: Dyadic, fmt: str | Format, *, rounding: Rounding | str, saturation: Saturation | str
) -> int:
    """The code of ``x * b / 2^c`` for an integer ``x`` of any size: rounded once to an integer, then saturated.

    Definition: `formats.Rounding` and `formats.Saturation`, on the exact product; there is no zero point. Source:
    HAWQ-V3, arXiv 2011.10680 (dyadic requantisation). Raises ``TypeError`` where ``x`` is no int or ``fmt`` no
    integer format, and ``ValueError`` for a stochastic rounding or an integer format that is scaled or lacks zero.

    >>> half = Dyadic(multiplier=1, shift=1)
    >>> requantise(5, half, "int8", rounding="nearest_ties_to_even", saturation="sat_finite")
    2
    """
    spec = get(fmt)
    if not isinstance(x, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"x must be an int, not {type(x).__name__}")
    if not isinstance(spec, IntSpec):
        raise TypeError(f"requantisation is into integers; {spec.name} is a float format")
    if spec.fraction_bits or not spec.has_zero:
        raise ValueError(f"requantisation is into plain integers; {spec.name} is scaled or lacks zero")
    mode = parse_enum(Rounding, rounding, "rounding")
    if mode.is_stochastic:
        raise ValueError(f"rounding={mode.value!r} is stochastic; requantisation rounds in the deterministic modes")
    return encode(Fraction(x * dyadic.multiplier, 1 << dyadic.shift), spec, rounding=mode, saturation=saturation)
