"""Scalar operations in JAX: the golden model's 32-bit words under jit; 64-bit types may be on or off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Required, TypedDict, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import Format, NanRule, Rounding, Saturation
from formats.operations import Operands, Operation, operand_formats
from reference.arithmetic import as_codes, refuse_undefined
from reference.array import arithmetic
from reference.array.arithmetic_numbers import operand
from reference.array.arithmetic_rounding import (
    Request,
    calculate,
    check_operand,
    may_be_undefined,
    needs_binary64,
    request,
)
from reference.array.conversion import needs_nan_rule
from reference.codec import check_random_bits


class Policy(TypedDict, total=False):
    """How the exact result gets into the format ``out``: the keywords of `kernels_ref.encode`, without defaults."""

    rounding: Required[Rounding | str]
    saturation: Required[Saturation | str]
    nan: NanRule | str | None
    random_bits: ArrayLike | None
    random_bit_count: int | None


def add(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.add` in JAX: same arguments, same codes and errors, bit for bit; works under jit and vmap.

    All operations share what differs. Results of more than 22 bits (float32, int32) need JAX's 64-bit types:
    ``TypeError`` while they are off. Under a transformation no element can be looked at, so ``nan=`` must be stated
    where operands exist whose result has no code, and codes and random bits out of range are the caller's to avoid.

    >>> e4m3 = {"formats": "float8_e4m3fn", "out": "float8_e4m3fn"}
    >>> add(jnp.array([0x38, 0x7E]), 0x7E, **e4m3, rounding="nearest_ties_to_even", saturation="sat_finite")
    Array([126, 126], dtype=uint8)
    """
    return _operate(Operation.ADD, (a, b), formats, out, **policy)


def sub(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.sub` in JAX; see `add`.

    >>> sub(4, 3, formats="int8", out="float8_e5m2", rounding="toward_zero", saturation="sat_none").item()
    60
    """
    return _operate(Operation.SUB, (a, b), formats, out, **policy)


def mul(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.mul` in JAX; see `add`.

    >>> mul(0x3C, 0x3C, formats="float8_e5m2", out="bfloat16", rounding="toward_zero", saturation="sat_none").item()
    16256
    """
    return _operate(Operation.MUL, (a, b), formats, out, **policy)


def div(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.div` in JAX; see `add`.

    >>> div(1, 0, formats="int8", out="float8_e5m2", rounding="toward_zero", saturation="sat_none").item()
    124
    """
    return _operate(Operation.DIV, (a, b), formats, out, **policy)


def fma(
    a: ArrayLike, b: ArrayLike, c: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Array:
    """`reference.fma` in JAX; see `add`.

    >>> policy = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
    >>> hex(fma(0x2A20, 0x51A6, 0x9359, formats="bfloat16", out="bfloat16", **policy).item())
    '0x3c4f'
    """
    return _operate(Operation.FMA, (a, b, c), formats, out, **policy)


def sqrt(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.sqrt` in JAX; see `add`.

    >>> sqrt(0x40, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none").item()
    61
    """
    return _operate(Operation.SQRT, (a,), formats, out, **policy)


def negate(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.negate` in JAX; see `add`.

    >>> negate(0x01, formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none").item()
    129
    """
    return _operate(Operation.NEGATE, (a,), formats, out, **policy)


def convert(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.convert` in JAX; see `add`.

    >>> convert(0x7E, formats="float8_e4m3fn", out="int8", rounding="toward_zero", saturation="wrap", nan="zero").item()
    192
    """
    return _operate(Operation.CONVERT, (a,), formats, out, **policy)


def minimum(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.minimum` in JAX; see `add`.

    >>> minimum(0, 0x80, formats="float8_e5m2", out="float8_e5m2", rounding="to_odd", saturation="sat_none").item()
    128
    """
    return _operate(Operation.MINIMUM, (a, b), formats, out, **policy)


def maximum(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Array:
    """`reference.maximum` in JAX; see `add`.

    >>> maximum(0, 0x80, formats="float8_e5m2", out="float8_e5m2", rounding="to_odd", saturation="sat_none").item()
    0
    """
    return _operate(Operation.MAXIMUM, (a, b), formats, out, **policy)


def minimum_number(
    a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Array:
    """`reference.minimum_number` in JAX; see `add`.

    >>> e5m2 = {"formats": "float8_e5m2", "out": "float8_e5m2"}
    >>> minimum_number(0x7F, 1, **e5m2, rounding="toward_zero", saturation="sat_none").item()
    1
    """
    return _operate(Operation.MINIMUM_NUMBER, (a, b), formats, out, **policy)


def maximum_number(
    a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Array:
    """`reference.maximum_number` in JAX; see `add`.

    >>> e5m2 = {"formats": "float8_e5m2", "out": "float8_e5m2"}
    >>> maximum_number(0x7F, 1, **e5m2, rounding="toward_zero", saturation="sat_none").item()
    1
    """
    return _operate(Operation.MAXIMUM_NUMBER, (a, b), formats, out, **policy)


def equal(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> Array:
    """`reference.equal` in JAX.

    >>> equal(jnp.array([0x80, 0x7F]), jnp.array([0x00, 0x7F]), formats="float8_e4m3fn")
    Array([ True, False], dtype=bool)
    """
    return _compare(arithmetic.equal, (a, b), formats)


def less(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> Array:
    """`reference.less` in JAX.

    >>> less(0xFF, 0, formats="int8").item()
    True
    """
    return _compare(arithmetic.less, (a, b), formats)


def less_equal(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> Array:
    """`reference.less_equal` in JAX.

    >>> less_equal(0x7F, 0x7F, formats="float8_e4m3fn").item()
    False
    """
    return _compare(arithmetic.less_equal, (a, b), formats)


def unordered(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> Array:
    """`reference.unordered` in JAX.

    >>> unordered(0x7F, 0, formats="float8_e4m3fn").item()
    True
    """
    return _compare(arithmetic.unordered, (a, b), formats)


def _operate(
    operation: Operation,
    codes: tuple[ArrayLike, ...],
    formats: Operands,
    out: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> Array:
    made = request(
        operation,
        formats,
        out,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
        random_bit_count=random_bit_count,
    )
    if needs_binary64(made.target) and jax.dtypes.canonicalize_dtype(np.int64) != np.int64:
        raise TypeError(f"results in {made.target.spec.name} need 64-bit words: enable jax_enable_x64")
    arrays = tuple(map(_as_codes, codes, made.operands))
    drawn = _drawn(made, arrays, random_bits)
    results, undefined = _compiled(made)(arrays, drawn)
    if needs_nan_rule(made.target) and may_be_undefined(made):
        if isinstance(undefined, Tracer):
            rules = ", ".join(rule.value for rule in NanRule)
            raise TypeError(
                f"{operation.value} may have no value in {made.target.spec.name}: under a JAX transformation state nan="
                f" as one of: {rules}"
            )
        refuse_undefined(np.asarray(undefined), made)
    return results


def _drawn(made: Request, arrays: tuple[Any, ...], random_bits: ArrayLike | None) -> Any:
    """Checked random bits as a JAX array, or None where the mode takes none."""
    if not made.target.rounding.is_stochastic:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for rounding={made.target.rounding.value!r}")
        return None
    if isinstance(random_bits, Tracer):
        return random_bits  # pyright: ignore[reportUnknownVariableType]
    host = None if random_bits is None else np.asarray(random_bits)
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    checked = check_random_bits(host, made.target.random_bit_count, shape)
    return jnp.asarray(checked)  # pyright: ignore[reportUnknownMemberType]


@functools.lru_cache(maxsize=1024)
def _compiled(made: Request) -> Callable[..., tuple[Array, Array]]:
    """The compiled function of codes and random bits."""

    def run(codes: tuple[Array, ...], random_bits: Array | None) -> tuple[Array, Array]:
        shaped: Any = jnp.broadcast_arrays(*codes)
        return calculate(made, tuple(shaped), jnp, random_bits)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def _as_codes(codes: ArrayLike, spec: Format) -> Any:
    """Codes as a JAX array, checked where they can be seen."""
    if not isinstance(codes, Array):
        return jnp.asarray(as_codes(codes, spec))  # pyright: ignore[reportUnknownMemberType]
    if not isinstance(codes, Tracer):
        as_codes(np.asarray(codes), spec)
    elif codes.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, not {codes.dtype.name}; view a narrow dtype as uint8 first")
    return codes  # pyright: ignore[reportUnknownVariableType]


def _compare(relation: Callable[..., Array], codes: tuple[ArrayLike, ...], formats: Operands) -> Array:
    specs = operand_formats(formats, len(codes))
    for spec in specs:
        check_operand(spec)
    return _compiled_relation(relation, specs)(*map(_as_codes, codes, specs))


@functools.lru_cache(maxsize=1024)
def _compiled_relation(relation: Callable[..., Array], specs: tuple[Format, ...]) -> Callable[..., Array]:
    """The compiled function of two arrays of codes."""

    def run(*codes: Array) -> Array:
        shaped: Any = jnp.broadcast_arrays(*codes)
        x, y = (operand(array, spec, jnp) for array, spec in zip(shaped, specs, strict=True))
        return relation(x, y, jnp)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]
