"""The golden models, called alike: NumPy on the processor, JAX on whatever it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.matmul import matmul

Model = Callable[..., NDArray[Any]]


def on_numpy(a: Any, b: Any, c: Any, **terms: Any) -> NDArray[Any]:
    return np.asarray(matmul(a, b, c, **terms))


def on_jax(a: Any, b: Any, c: Any, **terms: Any) -> NDArray[Any]:
    from kernels_ref.matmul import matmul as jax_matmul

    return np.asarray(jax_matmul(a, b, c, **terms))


MODELS: dict[str, Model] = {"numpy": on_numpy, "jax": on_jax}
