"""How much a loss minds that weights are moved: traces of its Hessian by Hutchinson's estimate, in JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from analysis.networks.integer_parameters import hawq_weights
from analysis.progress import Progress, silent

#: weights by name
Weights = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The trace of a block of a Hessian, estimated: the mean over probes, and the standard error of that mean."""

    estimate: float
    standard_error: float
    #: weights, so rows of the block
    size: int

    @property
    def mean(self) -> float:
        """The mean eigenvalue, which HAWQ-V3 weighs errors by: the trace over the number of weights."""
        return self.estimate / self.size


def hessian_traces(
    loss: Callable[..., Array],
    weights: Weights,
    *batch: ArrayLike,
    probes: int,
    seed: int,
    progress: Progress = silent,
) -> dict[str, Trace]:
    """Hutchinson's estimate of the trace of the Hessian of ``loss`` in each array of ``weights``, by its name.

    A probe is a vector ``v`` of signs, one for each weight of all arrays; ``v_a . (H v)_a`` has the trace of block
    ``a`` as its expectation, for the signs are independent with mean 0. ``H v`` is the derivative of the gradient along
    ``v``: no Hessian is formed. Only a diagonal Hessian gives every probe the same value.

    ``loss``: traceable, of a mapping like ``weights`` and of ``batch``, arrays that are not differentiated.
    ``weights``: float32. ``probes``: at least 2, or ``ValueError``. ``seed``: of the signs.

    Source: Hutchinson, Communications in Statistics 18 (1989); HAWQ-V2, arXiv 1911.03852, and HAWQ-V3, arXiv
    2011.10680, take the mean trace as sensitivity.

    >>> found = hessian_traces(lambda w: (w["a"] ** 2).sum() + 5 * w["b"] ** 2, {"a": np.ones(3, np.float32),
    ...                        "b": np.float32(1)}, probes=2, seed=0)
    >>> found["a"].estimate, found["a"].mean, found["b"].estimate
    (6.0, 2.0, 10.0)
    """
    if probes < 2:
        raise ValueError(f"probes={probes}; at least 2 are needed for a standard error")
    product: Any = jax.jit(_product(loss))  # pyright: ignore[reportUnknownMemberType]
    given: Weights = {name: jnp.array(np.asarray(values, np.float32)) for name, values in weights.items()}  # pyright: ignore[reportUnknownMemberType]
    keys = jax.random.split(jax.random.key(seed), probes)
    found: dict[str, list[float]] = {name: [] for name in weights}
    for index in range(probes):
        progress(index, probes, "probes of the Hessian")
        measured: dict[str, Array] = product(keys[index], given, *batch)
        for name, value in measured.items():
            found[name].append(float(value))
    progress(probes, probes, "probes of the Hessian")
    return {name: _trace(np.array(values), int(np.size(weights[name]))) for name, values in found.items()}


def _product(loss: Callable[..., Array]) -> Callable[..., dict[str, Array]]:
    """From a key of signs ``v``, weights and a batch to ``v_a . (H v)_a`` for each array."""

    def product(key: Array, weights: dict[str, Array], *batch: Array) -> dict[str, Array]:
        keys = jax.random.split(key, len(weights))
        signs = {
            name: jax.random.rademacher(one, np.shape(values), jnp.float32)
            for one, (name, values) in zip(keys, weights.items(), strict=True)
        }
        gradient = cast(Callable[..., dict[str, Array]], jax.grad(loss))  # pyright: ignore[reportUnknownMemberType]

        def at(point: dict[str, Array]) -> dict[str, Array]:
            return gradient(point, *batch)

        _, moved = jax.jvp(at, (weights,), (signs,))  # pyright: ignore[reportUnknownMemberType]
        return {name: (signs[name] * moved[name]).sum() for name in weights}

    return product


def _trace(values: NDArray[np.float64], size: int) -> Trace:
    error = values.std(ddof=1) / len(values) ** 0.5
    return Trace(estimate=float(values.mean()), standard_error=float(error), size=size)


def weight_error(weight: NDArray[np.float32], bits: int) -> float:
    """``|W - Q(W)|^2``: the squared error of HAWQ-V3's weights at 4 or 8 bits, summed in binary64.

    >>> weight_error(np.array([[0.7, 0.25]], np.float32), 4)  # 0.25 is a tie of tenths, and goes to 0.2
    0.0024999997019772846
    """
    integers, scale = hawq_weights(weight, bits)
    over = scale.astype(np.float64).reshape(-1, *[1] * (weight.ndim - 1))
    return float(((weight - integers * over) ** 2).sum())
