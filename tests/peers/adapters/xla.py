"""JAX on the CPU: the compiled conversion, and the two evaluators that fold constants before it can run.

A folded constant of at most 65,536 elements goes through StableHLO and LLVM's APFloat, a larger one through XLA's
HloEvaluator: three implementations of one expression. float6 is left out: ``jnp.float6_e2m3fn`` and
``jnp.float6_e3m2fn`` do not compile on the CPU, and a folded one aborts the process.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from peers.adapters import mldtypes
from peers.adapters.peer import CUT, NONE, Codes, Peer, Values

from kernels_ref import landmarks

FLOATS = tuple(fmt for fmt in mldtypes.FLOATS if fmt not in mldtypes.FP6)
FOLD_LIMIT = 65_536


def compiled(values: Values, fmt: str) -> Codes:
    with jax.enable_x64(True):
        convert = jax.jit(lambda x: x.astype(mldtypes.dtype(fmt)))
        return mldtypes.codes_of(np.asarray(convert(values)), fmt)


def folded(values: Values, fmt: str) -> Codes:
    parts = [values[i : i + FOLD_LIMIT] for i in range(0, values.size, FOLD_LIMIT)]
    return np.concatenate([_fold(part, fmt) for part in parts])


def folded_large(values: Values, fmt: str) -> Codes:
    return _fold(np.resize(values, max(values.size, FOLD_LIMIT + 1)), fmt)[: values.size]


def _fold(values: Values, fmt: str) -> Codes:
    with jax.enable_x64(True):
        return mldtypes.codes_of(np.asarray(jax.jit(lambda: jnp.asarray(values).astype(mldtypes.dtype(fmt)))()), fmt)


def decode(codes: Codes, fmt: str) -> Values:
    array = codes.astype(f"u{mldtypes.dtype(fmt).itemsize}").view(mldtypes.dtype(fmt))
    return np.asarray(jax.jit(lambda x: x.astype(jnp.float32))(array))


def not_signalling(values: Values, fmt: str) -> np.ndarray:
    """All but signalling NaNs: with one among the constants, StableHLO leaves the folding to HloEvaluator."""
    quiet = {"float16": 9, "bfloat16": 6, "float32": 22, "float64": 51}[values.dtype.name]
    bits = values.view(f"u{values.dtype.itemsize}")
    return ~landmarks.is_nan(values) | (bits >> bits.dtype.type(quiet) & bits.dtype.type(1) == 1)


_POLICY = dict.fromkeys(FLOATS, NONE) | dict.fromkeys(mldtypes.INTEGERS, CUT)
PEERS = (
    Peer(
        name="JAX compiled",
        policy=_POLICY,
        encode=compiled,
        decodes=(*FLOATS, *mldtypes.INTEGERS),
        decode=decode,
    ),
    Peer(name="JAX folded", policy=_POLICY, encode=folded, accepts=not_signalling),
    Peer(name="JAX folded, large", policy=_POLICY, encode=folded_large),
)
