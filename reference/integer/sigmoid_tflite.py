"""TFLite's int16 logistic and tanh on NumPy arrays."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import parse_enum
from formats.integer_only.activation_tables import Activation
from formats.integer_only.sigmoid_tflite import ENTRIES, LARGEST, SigmoidForm, fixed_point_shift, scaling
from reference.array.integer.sigmoid import by_fixed_point, by_lines
from reference.integer.words16 import as_words


def sigmoid(q: ArrayLike, function: Activation | str, scale: float, *, form: SigmoidForm | str) -> NDArray[np.int16]:
    """``logistic`` or ``tanh`` of ``S q``: int16 with the scale ``2^-15`` and the zero point 0.

    Definition: `formats.integer_only.sigmoid_tflite.SigmoidForm`, and which form runs where.

    Arguments:
        q: int16, any shape; its zero point is 0.
        function: ``logistic`` or ``tanh``.
        form: ``lines``, or ``fixed_point``, which is for the scale ``2^-12``, for tanh ``2^-11`` too.

    Raises ``TypeError`` (type of ``q``), ``ValueError`` (function, form, or a scale that the form does not take),
    ``OverflowError`` (a scale above 5.33 in lines: the runtime wraps).

    >>> q = np.array([-32768, -4096, 0, 4096, 32767], np.int16)
    >>> for form in ("lines", "fixed_point"):
    ...     print(sigmoid(q, "logistic", 2**-12, form=form), sigmoid(q, "tanh", 2**-12, form=form))
    [   11  8812 16384 23956 32757] [-32767 -24956      0  24956  32767]
    [   11  8815 16384 23952 32756] [-32767 -24964      0  24964  32767]
    """
    chosen, words = parse_enum(Activation, function, "function"), as_words(q, np.int16)
    if parse_enum(SigmoidForm, form, "form") is SigmoidForm.LINES:
        found = by_lines(words, chosen, scaling(chosen, scale), sigmoid_table(), np)
    else:
        found = by_fixed_point(words, chosen, accepted_shift(chosen, scale), np)
    return found.astype(np.int16)


@functools.cache
def sigmoid_table() -> NDArray[np.int32]:
    """The entries ``T_k`` of `formats.integer_only.sigmoid_tflite.SigmoidForm.LINES`, from functions in binary64.

    >>> sigmoid_table()[[0, 1, 128, 254, 255]]
    array([32768, 33451, 65221, 65534, 65535], dtype=int32)
    """
    made = list[int]()
    for k in range(ENTRIES - 1):
        here, middle, there = (1 / (1 + math.exp(-x / 24)) for x in (k, k + 0.5, k + 1))
        made.append(math.floor(65536 * (here + (middle - (here + there) / 2) / 2) + 0.5))
    table = np.array([*made, LARGEST], np.int32)
    table.flags.writeable = False
    return table


def accepted_shift(function: Activation, scale: float) -> int:
    """The left shift of the fixed point, or ``ValueError``."""
    shift = fixed_point_shift(function, scale)
    if shift is None:
        accepted = "2^-12" if function is Activation.LOGISTIC else "2^-12 and 2^-11"
        raise ValueError(f"scale={scale}; the fixed point of {function.value} takes {accepted}")
    return shift
