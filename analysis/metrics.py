"""How far a tensor and its quantised self are apart: definitions, term by term, once for NumPy and jax.numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from formats import FloatSpec
from formats.block_formats.spec import Coding
from formats.code_books.book import CodebookSpec
from reference.array.carrier import Array, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What each element ``x``, quantised to ``y``, contributes to the metrics.

    ===============  ===============================================================================================
    squared_error    ``(x - y)^2``, squared in float64
    relative_error   ``|x - y| / |x|``; 0 where ``x = 0``, which the mean then leaves out
    ulp_error        ``|x - y| / (s * ulp(q))`` with the scale ``s`` and the quotient ``q`` that was rounded
    saturated        1 where ``q``, before rounding, lies outside the finite range of the format
    underflowed      1 where ``x != 0`` but ``y = 0``
    ===============  ===============================================================================================

    ``ulp(q)`` is the distance of neighbours in the binade of ``|q|``, clamped to the format's binades:
    ``2^(e - p + 1)`` with ``e = floor(log2 |q|)`` within ``[emin, emax]``; for integers their unit; for code-books the
    distance of the two values around ``q``, or of the outermost two.
    """

    squared_error: Array
    relative_error: Array
    ulp_error: Array
    saturated: Array
    underflowed: Array


class UlpScale(NamedTuple):
    """What the unit in the last place of a format depends on: its binades, and units in each (per 1 for integers)."""

    emin: Array | int
    emax: Array | int
    units: Array | int


class Neighbours(NamedTuple):
    """What the unit in the last place of a code-book depends on: its values, in order."""

    values: Array


def ulp_scale(spec: Coding) -> UlpScale | Neighbours:
    """What `terms` takes for a format; an integer format has one binade, whose unit is 1 before ``fraction_bits``.

    >>> import formats
    >>> ulp_scale(formats.get("float4_e2m1fn")), ulp_scale(formats.get("mxint8")).units
    (UlpScale(emin=0, emax=2, units=2), 64)
    """
    if isinstance(spec, CodebookSpec):
        return Neighbours(np.array([float(spec.fraction(code)) for code in spec.sorted_codes]))
    if isinstance(spec, FloatSpec):
        return UlpScale(spec.emin, spec.emax, 1 << spec.fraction_bits)
    return UlpScale(0, 0, 1 << spec.fraction_bits)


def terms(
    x: Array,
    y: Array,
    *,
    quotient: Array,
    scale: Array,
    bounds: tuple[Array, Array],
    ulp: UlpScale | Neighbours,
    xp: Namespace,
) -> Terms:
    """The terms of each element; all arrays float32 or all float64, of shapes that broadcast.

    ``bounds``: the lowest and largest value that ``quotient`` may have. Every difference and quotient is rounded once
    to that dtype; the difference then is squared in float64, without rounding if it is a float32.

    >>> import formats, numpy as np
    >>> one = np.ones(1, np.float32)
    >>> ulp = ulp_scale(formats.get("float4_e2m1fn"))
    >>> found = terms(10.5 * one, 10 * one, quotient=5.25 * one, scale=2 * one, bounds=(-6, 6), ulp=ulp, xp=np)
    >>> found.squared_error.item(), found.ulp_error.item()
    (0.25, 0.125)
    """
    distance = xp.abs(x - y)
    error = distance.astype(xp.float64)
    nonzero = x != 0
    return Terms(
        squared_error=error * error,
        relative_error=distance / xp.where(nonzero, xp.abs(x), xp.inf),
        ulp_error=distance / scale / last_place(quotient, ulp, xp),
        saturated=(quotient < bounds[0]) | (quotient > bounds[1]),
        underflowed=nonzero & (y == 0),
    )


def last_place(quotient: Array, ulp: UlpScale | Neighbours, xp: Namespace) -> Array:
    """``ulp(q)`` of `Terms`, in the dtype of ``quotient``.

    >>> import numpy as np
    >>> last_place(np.float32([-3.0, 0.2, 1.0, 9.0]), Neighbours(np.float32([-1, 0, 1, 4])), np)
    array([1., 1., 3., 3.], dtype=float32)
    """
    if isinstance(ulp, UlpScale):
        return binade(quotient, ulp, xp) / ulp.units
    distances = (ulp.values[1:] - ulp.values[:-1]).astype(quotient.dtype)
    found = xp.full_like(quotient, distances[0])
    for i in range(1, len(distances)):
        found = xp.where(quotient >= ulp.values[i], distances[i], found)
    return found


def binade(quotient: Array, ulp: UlpScale, xp: Namespace) -> Array:
    """``2^e`` with ``e = floor(log2 |quotient|)`` clamped to ``[emin, emax]``, in the dtype of ``quotient``.

    >>> import numpy as np
    >>> binade(np.float32([0.1, -3.0, 6.5, 9.0]), UlpScale(0, 2, 2), np)
    array([1., 2., 4., 4.], dtype=float32)
    """
    word, fraction_bits, bias = (xp.int32, 23, 127) if quotient.dtype.itemsize == 4 else (xp.int64, 52, 1023)
    field = xp.clip(xp.abs(quotient).view(word) >> fraction_bits, ulp.emin + bias, ulp.emax + bias)
    return (field.astype(word) << fraction_bits).view(quotient.dtype)


def snr_db(signal: float, noise: float) -> float:
    """Signal-to-noise ratio ``10 log10(sum x^2 / sum (x - y)^2)`` in dB, from the two sums.

    Infinite without noise, minus infinite without a signal or with an error that is not finite.

    >>> round(snr_db(100.0, 1.0), 3), snr_db(1.0, 0.0)
    (20.0, inf)
    """
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf
