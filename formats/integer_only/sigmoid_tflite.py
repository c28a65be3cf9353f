"""TFLite's int16 logistic and tanh, as data: lines between 256 entries, and gemmlowp's fixed point in 16-bit words."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from formats.code_books.binary32 import single
from formats.integer_only.activation_tables import Activation
from formats.policy import parse_enum


class SigmoidForm(enum.Enum):
    """Two forms of one operator; a flatbuffer does not say which. The output scale is ``2^-15``, zero points are 0.

    LINES: ``x = floor(q m / 2^s + 1/2)``, in units of ``1/12288`` (see `scaling`). With ``T_k = round(2^16 (g_k + (c_k
    - (g_k + g_(k+1)) / 2) / 2))``, ``g_k`` the logistic of ``k / 24`` and ``c_k`` that of ``(k + 1/2) / 24``, but
    ``T_255 = 65535``: ``L(a, w) = T_i + (T_(i+1) - T_i) r / w`` for ``i = floor(a / w)``, ``r = a mod w``. logistic:
    ``floor(L / 2 + 1/2)`` with ``L = L(|x|, 512)``, but ``65534`` from ``i = 255`` on, and for ``x < 0`` ``ceil(2^15 -
    L / 2 + 1/2) - 1``. tanh: ``floor(L - 2^15 + 1/2)`` with ``L = L(|x|, 256)``, ``65535`` from ``i = 255`` on, and for
    ``x < 0`` ``ceil(2^15 - L + 1/2) - 1``. So an entry is moved by half of a line's error in the middle.

    FIXED_POINT: every product is ``clamp(floor(a b / 2^15 + 1/2))`` in 16 bits. ``e = exp(-|x|)`` in units of ``2^-15``
    as in `formats.integer_only.softmax_tflite`, whose constants are rounded to 16 bits; ``y`` is twice the reciprocal
    of ``1 + e`` in units of ``2^-13``, by three of Newton's steps. logistic: ``2 y``, for ``x < 0`` ``2^15 - 1 - 2 y``,
    for 0 ``2^14``. tanh, with ``e = exp(-2 |x|)``: ``4 (y - 2^13)``, with the sign of ``x``. Both saturate.

    LiteRT 2.3.0 on x86-64 (by experiment): the reference resolver runs LINES. The others run FIXED_POINT where the
    scale is ``2^-12``, for tanh ``2^-11`` too, and LINES elsewhere.
    """

    LINES = "lines"
    FIXED_POINT = "fixed_point"


@dataclass(frozen=True, slots=True)
class Scaling:
    """``x`` is ``q * multiplier / 2^shift``, halves up, in units of ``1/12288``."""

    multiplier: int
    shift: int


def scaling(function: Activation | str, scale: float) -> Scaling:
    """What `SigmoidForm.LINES` makes of an input scale ``S``, a binary32 number.

    ``m / 2^s`` is ``12288 S``, truncated, with the least ``s`` up to 31 that makes ``m > 32767 / 2``. Where ``S`` is
    ``2^-12``, for tanh also ``2^-11``, or ``|log2|`` of the ratio to it is below ``10^-3``: 3 or 6, and no shift.

    Raises ``ValueError`` (function, scale), ``OverflowError`` where ``m`` has more than 16 bits: the runtime wraps.

    >>> scaling("logistic", 2**-12), scaling("tanh", 1.001 * 2**-12), scaling("tanh", 1e-3)
    (Scaling(multiplier=3, shift=0), Scaling(multiplier=24600, shift=13), Scaling(multiplier=25165, shift=11))
    """
    exponent = fixed_point_shift(function, scale)
    if exponent is not None:
        return Scaling(3 << exponent, 0)
    real, shift = single(scale) * 12288, 0
    while real <= 32767 / 2 and shift <= 30:
        real, shift = 2 * real, shift + 1
    if real >= 1 << 16:
        raise OverflowError(f"scale={scale} needs a multiplier of {int(real)}, which has more than 16 bits")
    return Scaling(int(real), shift)


def fixed_point_shift(function: Activation | str, scale: float) -> int | None:
    """The left shift that makes units of ``S`` those of ``2^-12``: 0, for tanh also 1; None where none does.

    ``ValueError`` where the function is neither logistic nor tanh, or the scale is not positive and normal in binary32.

    >>> fixed_point_shift("tanh", 2**-11), fixed_point_shift("logistic", 2**-11)
    (1, None)
    """
    chosen = parse_enum(Activation, function, "function")
    if chosen not in (Activation.LOGISTIC, Activation.TANH):
        raise ValueError(f"function={chosen.value!r}; accepted: logistic, tanh")
    if not scale > 0:
        raise ValueError(f"scale={scale} must be positive")
    power = math.log2(single(scale)) + 12
    near = round(power)
    accepted = abs(power - near) < 1e-3 and 0 <= near <= (chosen is Activation.TANH)
    return near if accepted else None


#: entries of a table, and the integer that each is at most
ENTRIES, LARGEST = 256, (1 << 16) - 1
SOURCE = (
    "TensorFlow Lite, kernels/internal/reference/integer_ops/logistic.h and tanh.h; gemmlowp @ 16e8662, fixedpoint.h; "
    "the rule of the table's entries is ours, found from LiteRT 2.3.0, all of whose outputs were compared"
)
