"""A checked request to encode: format and policy in one hashable record."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from formats import FloatSpec, Format, IntSpec, NanRule, Rounding, Saturation, get, parse_enum
from formats.policy import MAX_RANDOM_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Everything that decides a code besides the value and the random bits; fit to be a static jit argument."""

    spec: Format
    rounding: Rounding
    saturation: Saturation
    nan: NanRule | None = None
    random_bit_count: int = 0


@functools.lru_cache(maxsize=1024)
def conversion(
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bit_count: int | None = None,
) -> Conversion:
    """The checked record; every complaint about format and policy comes from here.

    >>> conversion("int4", rounding="toward_zero", saturation="wrap").spec.name
    'int4'
    """
    spec = get(fmt)
    if isinstance(spec, FloatSpec) and not (spec.emin >= -127 and spec.emax <= 127 and spec.precision <= 16):
        raise ValueError(
            f"{spec.name} (emin={spec.emin}, emax={spec.emax}, precision={spec.precision}) lies outside what arrays"
            " encode: emin >= -127, emax <= 127, precision <= 16; reference.exact takes every format"
        )
    mode = parse_enum(Rounding, rounding, "rounding")
    sat = parse_enum(Saturation, saturation, "saturation")
    if sat not in spec.saturations:
        accepted = ", ".join(member.value for member in spec.saturations)
        raise ValueError(f"saturation={sat.value!r} means nothing for {spec.name}; accepted: {accepted}")
    if not mode.is_stochastic:
        if random_bit_count is not None:
            raise ValueError(f"random_bit_count means nothing for rounding={mode.value!r}")
    elif random_bit_count is None:
        raise TypeError(f"rounding={mode.value!r} needs random_bits and random_bit_count")
    elif not 1 <= random_bit_count <= MAX_RANDOM_BITS:
        raise ValueError(f"random_bit_count={random_bit_count} must lie in 1..{MAX_RANDOM_BITS}")
    rule = None if nan is None else parse_enum(NanRule, nan, "nan")
    return Conversion(spec=spec, rounding=mode, saturation=sat, nan=rule, random_bit_count=random_bit_count or 0)


def needs_nan_rule(request: Conversion) -> bool:
    """Whether a NaN among the inputs would have no stated answer."""
    return request.nan is None and (isinstance(request.spec, IntSpec) or request.spec.nan_code is None)


def nan_code(request: Conversion) -> int:
    """The code that a NaN gets; 0 where no rule is stated (callers refuse NaNs then)."""
    spec = request.spec
    if isinstance(spec, FloatSpec):
        if spec.nan_code is not None:
            return spec.nan_code
        lowest = spec.sign_code | spec.max_code if spec.signed else 0
        return {NanRule.MAXIMUM: spec.max_code, NanRule.MINIMUM: lowest}.get(request.nan or NanRule.ZERO, 0)
    low, high = (1, 0) if not spec.has_zero else (spec.minimum % (1 << spec.bits), spec.maximum)
    return {NanRule.MAXIMUM: high, NanRule.MINIMUM: low}.get(request.nan or NanRule.ZERO, 0)
