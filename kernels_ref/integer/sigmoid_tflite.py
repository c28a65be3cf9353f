"""TFLite's int16 logistic and tanh in JAX, without a float."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from formats import parse_enum
from formats.integer_only.activation_tables import Activation
from formats.integer_only.sigmoid_tflite import SigmoidForm, scaling
from reference.array.integer.sigmoid import by_fixed_point, by_lines
from reference.integer.sigmoid_tflite import accepted_shift, sigmoid_table
from reference.integer.words16 import check_dtype


def sigmoid(q: Array, function: Activation | str, scale: float, *, form: SigmoidForm | str) -> Array:
    """`reference.integer.sigmoid_tflite.sigmoid` in JAX: same integers and errors, in 32-bit words; jit, vmap.

    >>> sigmoid(jnp.array([-32768, -4096, 0, 4096, 32767], jnp.int16), "tanh", 2**-12, form="lines")
    Array([-32767, -24956,      0,  24956,  32767], dtype=int16)
    """
    chosen = parse_enum(Activation, function, "function")
    check_dtype(q.dtype, np.int16)
    words = q.astype(jnp.int32)
    if parse_enum(SigmoidForm, form, "form") is SigmoidForm.LINES:
        table = jnp.asarray(sigmoid_table())  # pyright: ignore[reportUnknownMemberType]
        return by_lines(words, chosen, scaling(chosen, scale), table, jnp).astype(jnp.int16)
    return by_fixed_point(words, chosen, accepted_shift(chosen, scale), jnp).astype(jnp.int16)
