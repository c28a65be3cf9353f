"""What XLA does to float arithmetic under jit, on the default device."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from analysis.doctor.compiled import LENGTH, NORMAL, SUBNORMAL, compiled, hexadecimal, row, words
from analysis.doctor.finding import Probe

GROUP = "XLA arithmetic"


def subnormals() -> tuple[str, str]:
    """A subnormal product, a subnormal sum, and a subnormal summand, against their exact bits."""
    normal, subnormal = row(NORMAL), row(SUBNORMAL)
    found = {
        "2^-126 * 0.5": (words(compiled(jnp.multiply, normal, row(0.5))), 0x00400000),
        "1.5 * 2^-126 - 2^-126": (words(compiled(jnp.subtract, row(1.5) * normal, normal)), 0x00400000),
        "2^-126 + 2^-127": (words(compiled(jnp.add, normal, subnormal)), 0x00C00000),
    }
    kept = [got == [expected] for got, expected in found.values()]
    detail = "; ".join(f"{name} is {hexadecimal(got)}" for name, (got, _) in found.items())
    return ("kept" if all(kept) else "mixed" if any(kept) else "flushed"), detail


def subnormals_as_bits() -> tuple[str, str]:
    """A subnormal through jit and a bit cast."""
    got = compiled(lambda x: lax.bitcast_convert_type(x, jnp.uint32), row(SUBNORMAL))
    bits = sorted({int(word) for word in got})
    return ("kept" if bits == [0x00400000] else "flushed"), f"2^-127 arrives as {hexadecimal(bits)}"


def subnormals_compared() -> tuple[str, str]:
    """Whether 2^-127 > 0."""
    got = compiled(lambda x: x > 0, row(SUBNORMAL))
    return ("kept" if got.all() else "flushed"), f"2^-127 > 0 is {bool(got.all())}"


def contraction() -> tuple[str, str]:
    """``a * b + c`` where the exact product lies 2^-24 above ``-c``: half a unit in the last place, a tie to even."""
    a, c = row(1 + 2.0**-12), row(-(1 + 2.0**-11))
    got = {float(v) for n in (1, LENGTH) for v in compiled(lambda x, y, z: x * y + z, a[:n], a[:n], c[:n])}
    answer = {frozenset({0.0}): "two roundings", frozenset({2.0**-24}): "fused"}.get(frozenset(got), "mixed")
    return answer, f"(1 + 2^-12)^2 - (1 + 2^-11) is {', '.join(map(str, sorted(got)))}"


def reassociation() -> tuple[str, str]:
    """``(x * c1) * c2`` with constants, against NumPy's product either way."""
    x, c1, c2 = np.arange(1, 1001, dtype=np.float32), np.float32(0.1), np.float32(0.7)
    return _which(compiled(lambda v: (v * c1) * c2, x), {"kept": (x * c1) * c2, "reassociated": x * (c1 * c2)})


def division() -> tuple[str, str]:
    """``x / 3`` with a constant divisor, against NumPy's quotient and its product with the reciprocal."""
    x, three = np.arange(1, 1001, dtype=np.float32), np.float32(3)
    return _which(compiled(lambda v: v / three, x), {"divided": x / three, "reciprocal": x * (np.float32(1) / three)})


def _which(got: NDArray[np.float32], candidates: dict[str, NDArray[np.float32]]) -> tuple[str, str]:
    first, second = candidates.values()
    differing = int((first != second).sum())
    answer = next((name for name, expected in candidates.items() if np.array_equal(got, expected)), "other")
    return answer, f"{int((got != first).sum())} of {got.size} results differ from NumPy ({differing} could)"


def excess_precision() -> tuple[str, str]:
    """1.1 narrowed and widened again in one jit."""
    expected = {"float8_e4m3fn": 1.125, "bfloat16": 1.1015625, "float16": 1.099609375}
    got = {name: _there_and_back(1.1, name) for name in expected}
    kept = [got[name] == value for name, value in expected.items()]
    detail = "; ".join(f"1.1 by way of {name} is {value:.8g}" for name, value in got.items())
    return ("kept" if all(kept) else "mixed" if any(kept) else "removed"), detail


def _there_and_back(value: float, narrow: str) -> float:
    return float(compiled(lambda x: x.astype(narrow).astype(jnp.float32), row(value))[0])


def bfloat16_sum() -> tuple[str, str]:
    """``(1 + 2^-8) + 2^-8`` in bfloat16, where each sum is a tie that goes back to 1; also widened in the same jit."""

    def total(one: Array, small: Array) -> Array:
        return (one + small) + small

    def widened(one: Array, small: Array) -> Array:
        return total(one, small).astype(jnp.float32)

    one, small = (row(value).astype(jnp.dtype("bfloat16")) for value in (1.0, 2.0**-8))
    got = [float(compiled(function, one, small)[0]) for function in (total, widened)]
    steps = {(1.0, 1.0): "every step", (1.0078125, 1.0078125): "no step"}.get((got[0], got[1]), "some steps")
    return steps, f"(1 + 2^-8) + 2^-8 is {got[0]}; widened in the same jit {got[1]}"


def matrix_product() -> tuple[str, str]:
    """A float32 matrix times the identity: ``1 + 2^-12`` does not fit the 11 bits of TF32 or bfloat16's 8."""
    x = np.full((64, 64), 1 + 2.0**-12, np.float32)
    got = float(compiled(jnp.matmul, x, np.eye(64, dtype=np.float32))[0, 0])
    return ("float32" if got == x[0, 0] else "narrowed"), f"(1 + 2^-12) * 1 is {got}"


def integer_division() -> tuple[str, str]:
    """``lax.div`` of -7 by 2, with what division by zero and the overflowing quotient give."""
    a, b = np.array([-7, 7, -(2**31)], np.int32), np.array([2, 0, -1], np.int32)
    quotient, by_zero, overflow = compiled(lax.div, a, b).tolist()
    floor = compiled(jnp.floor_divide, a, b).tolist()[0]
    detail = f"lax.div(-7, 2) is {quotient}, -7 // 2 is {floor}, lax.div(7, 0) is {by_zero}, -2^31 / -1 is {overflow}"
    return ("toward zero" if quotient == -3 else "floor"), detail


_NOT_NUMPY = "not NumPy's results to the last bit: work on bits, or compute what must be exact in NumPy"

PROBES = (
    Probe(
        group=GROUP,
        name="float32 subnormals in sums and products",
        answers={
            "kept": "scaling by factors near 2^-127 is safe here",
            "flushed": "never scale by factors near 2^-127 in float32; work on bits or in float64",
            "mixed": "some operations flush; treat all as flushing",
        },
        measure=subnormals,
    ),
    Probe(
        group=GROUP,
        name="float32 subnormals through bit casts",
        answers={
            "kept": "integer code on bit patterns sees every subnormal",
            "flushed": "even bit patterns are not safe: pass integers instead of floats",
        },
        measure=subnormals_as_bits,
    ),
    Probe(
        group=GROUP,
        name="float32 subnormals compared with zero",
        answers={
            "kept": "x > 0 tells subnormals from zero",
            "flushed": "x > 0 and x == 0 take subnormals for zero; compare bit patterns",
        },
        measure=subnormals_compared,
    ),
    Probe(
        group=GROUP,
        name="a * b + c",
        answers={"two roundings": "as NumPy", "fused": _NOT_NUMPY, "mixed": _NOT_NUMPY},
        measure=contraction,
    ),
    Probe(
        group=GROUP,
        name="(x * c1) * c2 with constants",
        answers={"kept": "as NumPy", "reassociated": _NOT_NUMPY, "other": _NOT_NUMPY},
        measure=reassociation,
    ),
    Probe(
        group=GROUP,
        name="x / constant",
        answers={
            "divided": "as NumPy",
            "reciprocal": _NOT_NUMPY,
            "other": _NOT_NUMPY,
        },
        measure=division,
    ),
    Probe(
        group=GROUP,
        name="narrowed and widened again",
        answers={
            "kept": "x.astype(narrow).astype(float32) rounds, as written",
            "removed": "the pair is optimised away: round by codes, or bit-cast between the two",
            "mixed": "some pairs are optimised away: round by codes, or bit-cast between the two",
        },
        measure=excess_precision,
    ),
    Probe(
        group=GROUP,
        name="bfloat16 a + b + c rounds",
        answers={
            "every step": "each sum is a bfloat16, as written",
            "some steps": "some sums stay float32 until they are stored: results are not step-by-step bfloat16",
            "no step": "sums stay float32: results are not step-by-step bfloat16",
        },
        measure=bfloat16_sum,
    ),
    Probe(
        group=GROUP,
        name="float32 matrix product",
        answers={
            "float32": "inputs enter whole (the order of the sum is still free)",
            "narrowed": "inputs are narrowed first; ask for jax.default_matmul_precision('highest')",
        },
        measure=matrix_product,
    ),
    Probe(
        group=GROUP,
        name="lax.div on integers",
        answers={"toward zero": "as C; // floors", "floor": "unlike C"},
        measure=integer_division,
    ),
)
