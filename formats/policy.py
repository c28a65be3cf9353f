"""How a number gets into a format: rounding, saturation, and what becomes of NaN.

A policy is never part of a format and never implied: every conversion names its own.
"""

from __future__ import annotations

import enum

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would cost formats a tenth of its import time
    from typing import TypeVar

    _E = TypeVar("_E", bound=enum.Enum)


#: the most random bits that one stochastic rounding takes (Graphcore's IPU draws 24, NVIDIA's cvt.rs at most 16)
MAX_RANDOM_BITS = 24


class Rounding(enum.Enum):
    """Rounding modes, named as in IEEE P3109 v4.0 (Interim Report, section 4.7).

    With ``a = |x|``, quantum ``2^q`` and ``a / 2^q = i + nu`` (``i`` an integer, ``0 <= nu < 1``), the result is
    ``i * 2^q`` or ``(i + 1) * 2^q``, with the sign of ``x``. It goes up in magnitude when:

    ==========================  ==========================================================================
    NEAREST_TIES_TO_EVEN        ``nu > 1/2``, or ``nu = 1/2`` and the code of ``i`` is odd
    NEAREST_TIES_TO_AWAY        ``nu >= 1/2``
    TOWARD_ZERO                 never
    TOWARD_POSITIVE             ``nu > 0`` and ``x > 0``
    TOWARD_NEGATIVE             ``nu > 0`` and ``x < 0``
    TO_ODD                      ``nu > 0`` and the code of ``i`` is even
    STOCHASTIC_A                ``floor(nu * 2^n) + r >= 2^n``
    STOCHASTIC_B                ``floor(nu * 2^(n+1)) + 2r + 1 >= 2^(n+1)``
    STOCHASTIC_C                ``round_half_even(nu * 2^n) + r >= 2^n``
    ==========================  ==========================================================================

    The stochastic modes are functions of the value and of ``n`` random bits ``r`` (``0 <= r < 2^n``) that the
    caller supplies; there is no generator inside. "Code" is the magnitude code, so that a format of precision 1
    breaks ties by the parity of its exponent field (P3109, gfloat, torchao; not ml_dtypes, XLA, LLVM, PyTorch).

    >>> Rounding("to_odd")
    <Rounding.TO_ODD: 'to_odd'>
    """

    NEAREST_TIES_TO_EVEN = "nearest_ties_to_even"
    NEAREST_TIES_TO_AWAY = "nearest_ties_to_away"
    TOWARD_ZERO = "toward_zero"
    TOWARD_POSITIVE = "toward_positive"
    TOWARD_NEGATIVE = "toward_negative"
    TO_ODD = "to_odd"
    STOCHASTIC_A = "stochastic_a"
    STOCHASTIC_B = "stochastic_b"
    STOCHASTIC_C = "stochastic_c"

    @property
    def is_stochastic(self) -> bool:
        """Whether the mode consumes random bits."""
        return self in _STOCHASTIC


_STOCHASTIC = frozenset({Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C})


class Saturation(enum.Enum):
    """What becomes of a rounded value outside the finite range ``[low, M]``; P3109 v4.0's names and rules.

    ==============  =========================================================================================
    SAT_FINITE      clamp; infinities clamp too
    SAT_PROPAGATE   finite values clamp; an infinity stays one where the format has it, else clamps
    SAT_NONE        to the format's `Overflow` (infinity, NaN or the maximum), except where the rounding mode
                    never moves past ``M`` (toward zero; away from the overflow; to odd when ``M`` is odd)
    WRAP            integers only: modulo ``2^bits``, as a C cast does
    ==============  =========================================================================================

    >>> Saturation("sat_finite").name
    'SAT_FINITE'
    """

    SAT_FINITE = "sat_finite"
    SAT_PROPAGATE = "sat_propagate"
    SAT_NONE = "sat_none"
    WRAP = "wrap"


class NanRule(enum.Enum):
    """What a NaN becomes in a format that has none. There is no default: without a rule a NaN is an error.

    >>> [rule.value for rule in NanRule]
    ['zero', 'maximum', 'minimum']
    """

    ZERO = "zero"  #: the code of +0 (XLA float to int)
    MAXIMUM = "maximum"  #: the largest finite value (CUDA's FP6/FP4 conversions)
    MINIMUM = "minimum"  #: the lowest finite value (LiteRT and ONNX reference float to int8)


class Overflow(enum.Enum):
    """What a format offers to a value that leaves its finite range under `Saturation.SAT_NONE`."""

    INFINITY = "infinity"
    NAN = "nan"
    MAXIMUM = "maximum"


def parse_enum(kind: type[_E], value: _E | str | None, argument: str) -> _E:
    """``value`` as a member of ``kind``; members and their lower-case names are accepted.

    Raises ``TypeError`` for None (nothing is implied) and ``ValueError`` for anything else, naming the choices.

    >>> parse_enum(Saturation, "wrap", "saturation") is Saturation.WRAP
    True
    """
    if isinstance(value, kind):
        return value
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in kind)
        if value is None:
            raise TypeError(f"{argument} must be stated; choose one of: {choices}") from None
        raise ValueError(f"{argument}={value!r} is not known; choose one of: {choices}") from None
