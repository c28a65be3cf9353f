"""Activations by table, as TFLite makes and reads them: 256 entries for int8, 513 and a line between for int16.

A table is made once, in binary32; what runs is integers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import parse_enum
from formats.integer_only.activation_tables import INT16_ENTRIES, Activation
from formats.results import INT16
from reference.integer.network import Affine, Table

_F = np.float32
_ROOT, _TANH_FACTOR, _CUBE = _F(-math.sqrt(0.5)), _F(math.sqrt(2 / math.pi)), _F(0.044715)


def int8_table(function: Activation | str, source: Affine, out: Affine) -> tuple[int, ...]:
    """The output of each int8 ``q`` from -128 on: ``clamp(round(f(x) * RN(1 / S_y)) + z_y)``, halves away from zero.

    ``x = RN(RN(S_x) * (q - z_x))`` and the product are binary32, ``f`` is `formats.integer_only.Activation`. Source:
    `formats.integer_only.activation_tables.SOURCE`. For a `Table` node: `activation`.

    Raises ``ValueError`` where a quantisation is not int8, ``OverflowError`` where ``f(x) / S_y`` leaves int32.

    >>> import formats
    >>> int8 = formats.get("int8")
    >>> x, y = Affine(format=int8, scale=1 / 16), Affine(format=int8, scale=1 / 256, zero_point=-128)
    >>> table = int8_table("logistic", x, y)
    >>> table[0], table[128], table[255]
    (-128, 0, 127)
    """
    chosen = parse_enum(Activation, function, "function")
    for affine in (source, out):
        if affine.format.name != "int8":
            raise ValueError(f"{affine.format.name} is no int8: tables of 256 entries are for int8 alone")
    inverse, made = _F(1) / _F(out.scale), list[int]()
    for q in range(-128, 128):
        value = evaluate(chosen, _F(source.scale) * _F(q - source.zero_point))
        made.append(min(max(_rounded(value * inverse) + out.zero_point, -128), 127))
    return tuple(made)


def activation(name: str, given: str, function: Activation | str, source: Affine, out: Affine) -> Table:
    """The node of a network that looks the activation up: see `int8_table`.

    >>> import formats
    >>> x, y = (Affine(format=formats.get("int8"), scale=s) for s in (1 / 16, 1 / 128))
    >>> activation("squashed", "x", "tanh", x, y).table[128:132]
    (0, 8, 16, 24)
    """
    return Table(name=name, inputs=(given,), out=out, table=int8_table(function, source, out))


def int16_table(function: Activation | str, source: Affine, out: Affine) -> tuple[int, ...]:
    """The 513 entries for int16: ``f`` at nearly every 128th integer, moved to halve the error between two of them.

    With ``low``, ``high`` the numbers of the integers -32768 and 32767, ``d = RN((high - low) / 512)``, ``v_i`` the
    value ``f(low + i d)`` times ``RN(65536 / (S_y 65535))``, and ``m_i`` that in the middle: entry ``i`` is ``r(v_i) -
    r((r((v_(i+1) + r(v_i)) / 2) - r(m_i)) / 2)``, clamped to int16, the last one ``r(v_512)``; ``r`` rounds, halves
    away from zero, and every operation is binary32. So 512 steps lead to 32767, not to 32768: at the upper end a value
    belongs to an integer that is one lower, and values are 1 + 1/65535 too large.

    Source: `formats.integer_only.activation_tables.SOURCE`.

    Raises ``ValueError`` where a quantisation is not int16 with the zero point 0, ``OverflowError`` as `int8_table`.

    >>> x, y = (Affine(format=INT16, scale=s) for s in (1 / 8192, 1 / 512))
    >>> table = int16_table("exp", x, y)
    >>> len(table), table[256], table[512]
    (513, 512, 27951)
    """
    chosen = parse_enum(Activation, function, "function")
    for affine in (source, out):
        if affine.format != INT16 or affine.zero_point:
            raise ValueError(f"{affine.format.name} with zero_point={affine.zero_point}; accepted: int16 with 0")
    low, high = _F(source.scale) * _F(-32768), _F(source.scale) * _F(32767)
    step = (high - low) / _F(512)
    half = step / _F(2)
    inverse = _F(65536) / (_F(out.scale) * _F(32767) - _F(out.scale) * _F(-32768))
    points = [low + _F(i) * step for i in range(INT16_ENTRIES)]
    values = [evaluate(chosen, x) * inverse for x in points]
    made = list[int]()
    for i in range(INT16_ENTRIES - 1):
        first = _rounded(values[i])
        between = _rounded((values[i + 1] + _F(first)) / _F(2))
        middle = _rounded(evaluate(chosen, points[i] + half) * inverse)
        made.append(_int16(first - _rounded(_F(between - middle) / _F(2))))
    return (*made, _int16(_rounded(evaluate(chosen, high) * inverse)))


def look_up16(q: ArrayLike, table: tuple[int, ...]) -> NDArray[np.int16]:
    """``t + ((t' - t) (q mod 128) + 64) >> 7``, for the entries ``t``, ``t'`` around ``q``: a line between them.

    ``t = table[256 + (q >> 7)]``, ``t'`` the next. Raises ``TypeError`` where ``q`` is not int16, ``ValueError`` for
    another number of entries, or one that is no int16, and ``OverflowError`` where neighbours differ by more than
    int16 holds: the runtime would wrap.

    >>> table = tuple(range(-256, 257))
    >>> look_up16(np.array([-32768, -64, 0, 63, 64, 32767], np.int16), table)
    array([-256,    0,    0,    0,    1,  256], dtype=int16)
    """
    codes = np.asarray(q)
    if codes.dtype != np.int16:
        raise TypeError(f"q has dtype {codes.dtype.name}; a table of int16 is read by int16")
    entries = checked_entries(table).astype(np.int32)
    place = 256 + (codes >> 7).astype(np.int32)
    base = entries[place]
    return (base + (((entries[place + 1] - base) * (codes & 127) + 64) >> 7)).astype(np.int16)


def checked_entries(table: tuple[int, ...]) -> NDArray[np.int16]:
    """The 513 entries as int16."""
    if len(table) != INT16_ENTRIES:
        raise ValueError(f"a table of {len(table)} entries; accepted: {INT16_ENTRIES}")
    for entry in table:
        if not -(1 << 15) <= entry < 1 << 15:
            raise ValueError(f"the entry {entry} is no int16")
    slopes = np.diff(table)
    if np.abs(slopes).max() >= 1 << 15:
        raise OverflowError(f"neighbouring entries differ by {slopes[np.abs(slopes).argmax()]}, more than int16 holds")
    return np.array(table, np.int16)


def evaluate(function: Activation, x: np.float32) -> np.float32:
    """The function of a binary32 number: see `Activation`. Library functions are binary64, then rounded to binary32."""
    match function:
        case Activation.LOGISTIC:
            return _F(1 / (1 + math.exp(-x))) if x > -700 else _F(0)
        case Activation.TANH:
            return _F(math.tanh(x))
        case Activation.EXP:
            if x > 88:
                raise OverflowError(f"exp({x}) is no int32 in any scale, nor always a binary32 number")
            return _F(math.exp(x))
        case Activation.ELU:
            return x if x >= 0 else _F(math.expm1(x))
        case Activation.GELU:
            return x * _F(0.5) * _F(math.erfc(x * _ROOT))
        case Activation.GELU_TANH:
            inner = _TANH_FACTOR * (x + _CUBE * (x * x * x))
            return x * _F(0.5) * (_F(1) + _F(math.tanh(inner)))


def _rounded(value: np.float32) -> int:
    """The nearest integer, halves away from zero."""
    if not abs(value) < 2.0**30:
        raise OverflowError(f"the activation is {value} in units of the output's scale; accepted: less than 2^30")
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))


def _int16(entry: int) -> int:
    return min(max(entry, -(1 << 15)), (1 << 15) - 1)
