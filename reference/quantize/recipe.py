"""What a quantisation is made of: format, scheme, scale format, rounding and saturation, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from formats import FloatSpec, Format, NanRule, Rounding, Saturation, get, parse_enum
from reference.array.conversion import conversion
from reference.quantize.scale import Mapping, Scheme, bounds, mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Format and policy of a quantisation; fit to be a static jit argument."""

    spec: Format
    scheme: Scheme
    scale_format: Format
    rounding: Rounding
    saturation: Saturation

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and largest value of the format."""
        return bounds(self.spec)

    @property
    def mapping(self) -> Mapping:
        """What the scheme means for the format."""
        return mapping(self.spec, self.scheme)

    @property
    def group_bits(self) -> int:
        """Bits that a group costs besides its codes: the scale, and a zero point (as wide as a code) or offset."""
        shift = {Mapping.SCALE: 0, Mapping.ZERO_POINT: self.spec.bits}.get(self.mapping, self.scale_format.bits)
        return self.scale_format.bits + shift

    def working_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """float32 if quotients are rounded once through it (`reference.quantize.affine` says when), else float64."""
        threshold = self.spec.precision + 1 if isinstance(self.spec, FloatSpec) else self.spec.bits + 1
        wide = dtype.itemsize > 4 or dtype.kind in "iu" or threshold + _precision(self.scale_format) > 24
        return np.dtype(np.float64 if wide else np.float32)


def recipe(
    fmt: str | Format,
    *,
    scheme: Scheme | str,
    scale_format: str | Format,
    rounding: Rounding | str,
    saturation: Saturation | str,
) -> Recipe:
    """The checked record. Raises ``KeyError`` (format), ``TypeError`` or ``ValueError`` (policy, or a combination that
    means nothing, such as a symmetric unsigned format).

    >>> recipe("int4", scheme="asymmetric", scale_format="bfloat16", rounding="toward_zero",
    ...        saturation="sat_finite").group_bits
    20
    """
    made = Recipe(
        spec=get(fmt),
        scheme=parse_enum(Scheme, scheme, "scheme"),
        scale_format=get(scale_format),
        rounding=parse_enum(Rounding, rounding, "rounding"),
        saturation=parse_enum(Saturation, saturation, "saturation"),
    )
    if made.rounding.is_stochastic:
        raise ValueError(f"rounding={made.rounding.value!r} needs random bits, which quantisation does not take")
    conversion(made.spec, rounding=made.rounding, saturation=made.saturation, nan=NanRule.ZERO)
    _check_scale_format(made.scale_format)
    if reason := refusal(made):
        raise ValueError(f"{made.spec.name}, {made.scheme.value}: {reason}")
    return made


def _check_scale_format(spec: Format) -> None:
    if not isinstance(spec, FloatSpec) or spec.bits > 16:
        raise ValueError(f"scale_format={spec.name!r} must be a float format of at most 16 bits, such as bfloat16")


def refusal(made: Recipe) -> str:
    """Why format, scheme and policy do not go together; empty if they do."""
    spec, symmetric = made.spec, made.scheme is Scheme.SYMMETRIC
    if isinstance(spec, FloatSpec):
        if not spec.has_zero:
            return "has neither zero nor sign: a format for scales"
        if spec.emax >= 100:
            return f"the scale absmax / 2^{spec.emax} would lie below binary32's normal numbers"
        if not (symmetric or made.scale_format.signed):
            return f"an offset needs a sign, which {made.scale_format.name} lacks"
    elif not (symmetric or spec.has_zero):
        return "has no zero for a zero point to stand for"
    if symmetric and not spec.signed:
        return "unsigned: symmetric scaling would clamp every negative number to 0"
    if symmetric and made.bounds[1] <= 0:
        return "has no positive value"
    if made.mapping is Mapping.ZERO_POINT and made.saturation is not Saturation.SAT_FINITE:
        return f"saturation={made.saturation.value} does not go with a zero point; use sat_finite"
    return ""


def _precision(spec: Format) -> int:
    assert isinstance(spec, FloatSpec)  # checked by `recipe`
    return spec.precision
