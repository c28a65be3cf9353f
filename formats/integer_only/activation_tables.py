"""Activations that TFLite makes tables of, as data."""

from __future__ import annotations

import enum


class Activation(enum.Enum):
    """A function of a binary32 number ``x``, to binary32; ``RN`` rounds to it, half to even.

    =========  =====================================================================================
    LOGISTIC   ``RN(1 / (1 + exp(-x)))``
    TANH       ``RN(tanh(x))``
    EXP        ``RN(exp(x))``
    ELU        ``x`` where ``x >= 0``, else ``RN(exp(x) - 1)``
    GELU       ``RN(RN(x / 2) * RN(erfc(RN(x * -RN(sqrt(1/2))))))``
    GELU_TANH  ``RN(RN(x / 2) * RN(1 + t))``, ``t = RN(tanh(RN(RN(sqrt(2 / pi)) * RN(x + RN(RN(0.044715) * RN(RN(x
               x) x))))))``
    =========  =====================================================================================

    The first four round once, where a runtime's library may be off by a unit in the last place; whether that moves an
    entry is what the comparison with LiteRT shows. Found so: for the last two every step counts.
    """

    LOGISTIC = "logistic"
    TANH = "tanh"
    EXP = "exp"
    ELU = "elu"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"


#: the scale and the zero point that TFLite requires of an int8 output; its specification of quantised operators
INT8_OUTPUTS = {Activation.LOGISTIC: (2.0**-8, -128), Activation.TANH: (2.0**-7, 0)}
#: entries of a table for int16: one more than there are intervals of 128 integers
INT16_ENTRIES = 513
SOURCE = (
    "TensorFlow Lite, LUTPopulate and LUTLookup of kernels/internal/common.h, from memory; every entry was compared "
    "with LiteRT 2.3.0 on x86-64"
)
