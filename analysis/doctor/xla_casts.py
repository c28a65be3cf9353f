"""What XLA's casts between types do, on the default device."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from analysis.doctor.compiled import bytes_of, compiled
from analysis.doctor.finding import Probe
from analysis.doctor.numpy_casts import E8M0_TIE, E8M0_ZERO, INTEGERS, OVERFLOW, e8m0_tie, e8m0_zero, integers, overflow

GROUP = "XLA casts"

#: more than bfloat16's tie 1 + 2^-8 by less than float32 shows
PAST_TIE = 1 + 2.0**-8 + 2.0**-40


def to_float8() -> tuple[str, str]:
    """1000 and infinity to float8_e4m3fn, whose largest value is 448."""
    x = np.array([1000, np.inf], np.float32)
    return overflow(compiled(lambda v: bytes_of(v.astype(jnp.float8_e4m3fn)), x).tolist())


def to_integers() -> tuple[str, str]:
    """300 to int8, 100 to int4, NaN to int8."""
    x = np.array([300, 100, np.nan], np.float32)
    whole = compiled(lambda v: v.astype(jnp.int8), x).tolist()
    narrow = compiled(lambda v: v.astype(jnp.int4).astype(jnp.int32), x).tolist()
    return integers(whole[0], narrow[1], nan=whole[2])


def float64_to_bfloat16() -> tuple[str, str]:
    """A float64 just past a tie of bfloat16: at run time, and folded as a constant."""
    x = np.array([PAST_TIE])
    with jax.enable_x64(True):
        found = {
            "at run time": compiled(lambda v: v.astype(jnp.bfloat16).astype(jnp.float32), x),
            "folded": compiled(lambda: jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32)),  # pyright: ignore[reportUnknownMemberType]
        }
    once = [float(got[0]) == 1.0078125 for got in found.values()]
    detail = "; ".join(f"1 + 2^-8 + 2^-40 {when} is {float(got[0])}" for when, got in found.items())
    return ("once" if all(once) else "differs when folded" if any(once) else "twice"), detail


def zero_to_e8m0() -> tuple[str, str]:
    """0 to float8_e8m0fnu, which has no zero."""
    return e8m0_zero(compiled(_to_e8m0, np.zeros(1, np.float32)).tolist()[0])


def tie_to_e8m0() -> tuple[str, str]:
    """3, half-way between the E8M0 values 2 (code 0x80) and 4 (0x81)."""
    return e8m0_tie(compiled(_to_e8m0, np.full(1, 3, np.float32)).tolist()[0])


def _to_e8m0(x: jax.Array) -> jax.Array:
    return bytes_of(x.astype(jnp.float8_e8m0fnu))


def folded_float4() -> tuple[str, str]:
    """Infinity to float4_e2m1fn at run time, and folded as a constant."""
    x = np.full(1, np.inf, np.float32)
    run = float(compiled(lambda v: v.astype(jnp.float4_e2m1fn).astype(jnp.float32), x)[0])
    folded = float(compiled(lambda: lax.full((1,), np.inf).astype(jnp.float4_e2m1fn).astype(jnp.float32))[0])
    return ("equal" if run == folded else "differs"), f"infinity at run time is {run}, folded {folded}"


NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "int4")


def dlpack() -> tuple[str, str]:
    """JAX arrays of narrow types out by DLPack and in again."""
    passed: list[str] = []
    for name in NARROW:
        try:
            same = jnp.from_dlpack(jnp.zeros(4, name)).dtype == name  # pyright: ignore[reportUnknownMemberType]
        except Exception:  # each backend refuses by an error class of its own
            continue
        passed += [name] if same else []
    refused = [name for name in NARROW if name not in passed]
    detail = f"passed: {', '.join(passed) or 'none'}; refused: {', '.join(refused) or 'none'}"
    return ("all" if not refused else "some" if passed else "none"), detail


PROBES = (
    Probe(group=GROUP, name="float32 to float8_e4m3fn, out of range", answers=OVERFLOW, measure=to_float8),
    Probe(group=GROUP, name="float32 to int8 and int4, out of range", answers=INTEGERS, measure=to_integers),
    Probe(
        group=GROUP,
        name="float64 to bfloat16 rounds",
        answers={
            "once": "correctly rounded",
            "twice": "by way of float32: wrong next to ties",
            "differs when folded": "the same cast of a constant and of an argument give different codes",
        },
        measure=float64_to_bfloat16,
    ),
    Probe(group=GROUP, name="0 to float8_e8m0fnu", answers=E8M0_ZERO, measure=zero_to_e8m0),
    Probe(group=GROUP, name="3 to float8_e8m0fnu, a tie", answers=E8M0_TIE, measure=tie_to_e8m0),
    Probe(
        group=GROUP,
        name="constant folding of casts to float4_e2m1fn",
        answers={
            "equal": "constants and arguments are cast alike here",
            "differs": "constants are cast by other code: pass data as arguments, and test both ways",
        },
        measure=folded_float4,
    ),
    Probe(
        group=GROUP,
        name="DLPack of narrow types",
        answers={
            "all": "narrow arrays pass without a copy",
            "some": "pass the refused types as uint8 codes",
            "none": "pass narrow types as uint8 codes",
        },
        measure=dlpack,
    ),
)
