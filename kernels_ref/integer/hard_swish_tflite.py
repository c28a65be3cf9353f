"""TFLite's int8 hard swish in JAX, without a float."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from formats.integer_only.hard_swish_tflite import hard_swish_multipliers
from reference.array.integer import hard_swish as steps
from reference.integer.hard_swish_tflite import check_int8
from reference.integer.network import Affine
from reference.integer.words16 import check_dtype


def hard_swish(q: Array, source: Affine, out: Affine) -> Array:
    """`reference.integer.hard_swish_tflite.hard_swish` in JAX: same integers and errors, in 32-bit words; jit, vmap.

    >>> import formats
    >>> x = Affine(format=formats.get("int8"), scale=1 / 16)
    >>> hard_swish(jnp.array([-24, 0, 24, 48], jnp.int8), x, x)
    Array([-6,  0, 18, 48], dtype=int8)
    """
    check_dtype(q.dtype, np.int8)
    check_int8(source, out)
    made = hard_swish_multipliers(source.scale, out.scale)
    return steps.hard_swish(q.astype(jnp.int32), (source.zero_point, out.zero_point), made, jnp).astype(jnp.int8)
