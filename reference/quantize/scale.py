"""From the range of a group to its scale and, in the asymmetric scheme, its zero point or offset."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats import FloatSpec, Format, Rounding, Saturation
from reference.array import codec, decode
from reference.array.carrier import Array, Namespace
from reference.array.conversion import conversion


class Scheme(enum.Enum):
    """How values are mapped to a format.

    ==========  ========================================================================================================
    SYMMETRIC   ``value = s * decode(code)``
    ASYMMETRIC  integers: ``value = s * u * (n - z)`` with an integer zero point ``z`` in the code range and the unit
                ``u = 2^-fraction_bits`` of the format; floats: ``value = s * decode(code) + o`` with an offset ``o``
    ==========  ========================================================================================================
    """

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"


class ScaleRule(enum.Enum):
    """How the range of a group is chosen.

    ======  ============================================================================================================
    ABSMAX  the whole range of the group
    MSE     the range times the one of `shrink_factors` with the least sum of squared errors in the group
    ======  ============================================================================================================
    """

    ABSMAX = "absmax"
    MSE = "mse"


class Mapping(enum.Enum):
    """What a scheme means for a kind of format."""

    SCALE = "scale"  #: symmetric: a scale alone
    ZERO_POINT = "zero_point"  #: asymmetric integers
    MIDDLE = "middle"  #: asymmetric floats: the offset is the middle of the range
    LOWEST = "lowest"  #: asymmetric floats without a sign: the offset is the lowest value

    @property
    def has_offset(self) -> bool:
        """Whether an offset is subtracted before the scale divides."""
        return self in (Mapping.MIDDLE, Mapping.LOWEST)


def mapping(spec: Format, scheme: Scheme) -> Mapping:
    """The mapping of a scheme onto a format.

    >>> from formats import get
    >>> mapping(get("uint4"), Scheme.ASYMMETRIC)
    <Mapping.ZERO_POINT: 'zero_point'>
    """
    if scheme is Scheme.SYMMETRIC:
        return Mapping.SCALE
    if isinstance(spec, FloatSpec):
        return Mapping.MIDDLE if spec.signed else Mapping.LOWEST
    return Mapping.ZERO_POINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Scale and shift of groups; ``shift`` is ``u * z`` (`Mapping.ZERO_POINT`), ``o`` (offsets) or 0."""

    scale: Array
    shift: Array


def shrink_factors(spec: Format) -> tuple[float, ...]:
    """The factors that the MSE search tries, eight in number; the first is 1, so the search never loses to absmax.

    Down to 0.5 for formats above 2 bits. Formats of 1 or 2 bits do best far inside the range (a binary one at the
    mean magnitude, near ``absmax / 12`` for heavy tails): powers of ``2^-1/2`` down to 0.088.

    >>> from formats import get
    >>> shrink_factors(get("int4"))
    (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
    """
    if spec.bits <= 2:
        return tuple(2.0 ** (-j / 2) for j in range(8))
    return (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


def bounds(spec: Format) -> tuple[float, float]:
    """Lowest and largest finite value of a format, exactly.

    >>> from formats import get
    >>> bounds(get("float4_e2m1fn")), bounds(get("mxint8"))
    ((-6.0, 6.0), (-2.0, 1.984375))
    """
    if isinstance(spec, FloatSpec):
        fraction = spec.max_code % (1 << spec.fraction_bits)
        high = (1 + fraction / (1 << spec.fraction_bits)) * 2.0**spec.emax
        return (-high if spec.signed else 0.0), high
    return spec.minimum / (1 << spec.fraction_bits), spec.maximum / (1 << spec.fraction_bits)


def unit(spec: Format) -> float:
    """The unit ``u`` of an integer format; 1 for floats, which have none."""
    return 1.0 if isinstance(spec, FloatSpec) else 2.0**-spec.fraction_bits


def parameters(
    low: Array,
    high: Array,
    shrink: Array,
    *,
    kind: Mapping,
    bounds: tuple[Array, Array],
    unit: Array,
    scale_format: Format,
    xp: Namespace,
) -> Parameters:
    """Scale and shift from the least and greatest value of each group (float64) and shrink factors; all broadcast.

    ``bounds`` and ``unit`` are those of the format. With ``[m, M] = bounds``, and ``up`` rounding toward positive into
    ``scale_format``, so that nothing inside the range leaves the format:

    * SCALE: ``s = up(shrink * (max(|low|, |high|) / M))``;
    * ZERO_POINT, with ``[low, high]`` first extended to hold 0: ``s = up(shrink * ((high - low) / (M - m)))`` and ``z =
      (m - shrink * low / s) / u``, rounded half to even, clamped to the integers of the format;
    * MIDDLE: ``o = (low + high) / 2`` to nearest even in ``scale_format``, ``s = up(shrink * (max(high - o, o - low) /
      M))``;
    * LOWEST: ``o = low`` rounded down into ``scale_format``, ``s = up(shrink * ((high - o) / M))``.

    A group without extent (all zeros; all equal to the offset) has ``s = 1``. What is inside ``up`` is computed in
    float64. Scales and shifts come as float32.
    """
    least, largest = bounds
    if kind is Mapping.SCALE:
        scale = _scale(xp.maximum(xp.abs(low), xp.abs(high)) / largest, shrink, scale_format, xp)
        return Parameters(scale=scale, shift=xp.zeros_like(scale))
    if kind is Mapping.ZERO_POINT:
        low, high = xp.minimum(low, 0.0), xp.maximum(high, 0.0)
        scale = _scale((high - low) / (largest - least), shrink, scale_format, xp)
        zero = xp.rint((least - shrink * low / scale.astype(xp.float64)) / unit)
        return Parameters(scale=scale, shift=(xp.clip(zero, least / unit, largest / unit) * unit).astype(xp.float32))
    way = Rounding.NEAREST_TIES_TO_EVEN if kind is Mapping.MIDDLE else Rounding.TOWARD_NEGATIVE
    offset = _store((low + high) / 2 if kind is Mapping.MIDDLE else low, scale_format, way, xp)
    scale = _scale(xp.maximum(high - offset, offset - low) / largest, shrink, scale_format, xp)
    return Parameters(scale=scale, shift=xp.broadcast_to(offset, scale.shape))


def _scale(full: Array, shrink: Array, scale_format: Format, xp: Namespace) -> Array:
    quotient = shrink * full
    return _store(xp.where(quotient == 0, 1.0, quotient), scale_format, Rounding.TOWARD_POSITIVE, xp)


def _store(x: Array, scale_format: Format, rounding: Rounding, xp: Namespace) -> Array:
    """``x`` as the scale format holds it; infinity or NaN beyond its range, for the caller to refuse."""
    request = conversion(scale_format, rounding=rounding, saturation=Saturation.SAT_NONE)
    return decode.decode(codec.encode(x, request, xp), scale_format, xp).astype(xp.float32)
