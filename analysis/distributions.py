"""Random tensors with known statistics, as NumPy's generators draw them.

>>> sample("outliers:0.001:30", 4, seed=0)
array([ 0.12573022, -0.13210486,  0.64042264,  0.10490011], dtype=float32)
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number after the distribution's name, and the closed interval it must lie in."""

    name: str
    default: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution: its definition, its parameters, and how it draws so many numbers from a generator."""

    definition: str
    draw: Callable[..., _Draws]
    parameters: tuple[Parameter, ...] = ()


def _normal(generator: np.random.Generator, size: int) -> _Draws:
    return generator.standard_normal(size)


def _laplace(generator: np.random.Generator, size: int) -> _Draws:
    return generator.laplace(size=size)


def _student_t(generator: np.random.Generator, size: int, nu: float) -> _Draws:
    return generator.standard_t(nu, size)


def _uniform(generator: np.random.Generator, size: int) -> _Draws:
    return generator.uniform(-1.0, 1.0, size)


def _outliers(generator: np.random.Generator, size: int, fraction: float, scale: float) -> _Draws:
    values = generator.standard_normal(size)
    return np.where(generator.random(size) < fraction, scale * values, values)


#: The interval of nu keeps draws inside float32: the tail beyond x has a probability of the order of x**-nu.
DISTRIBUTIONS = {
    "normal": Distribution(
        definition="density exp(-x**2 / 2) / sqrt(2 pi): mean 0, variance 1",
        draw=_normal,
    ),
    "laplace": Distribution(
        definition="density exp(-abs(x)) / 2: mean 0, variance 2",
        draw=_laplace,
    ),
    "student_t": Distribution(
        definition="Student's t, density ~ (1 + x**2 / nu) ** (-(nu + 1) / 2): variance nu / (nu - 2) for nu > 2",
        draw=_student_t,
        parameters=(Parameter(name="nu", default=5.0, low=1.0, high=1e6),),
    ),
    "uniform": Distribution(
        definition="density 1/2 on -1 <= x <= 1: mean 0, variance 1/3",
        draw=_uniform,
    ),
    "outliers": Distribution(
        definition="normal, where each number is multiplied by k with probability p: variance 1 + p (k**2 - 1)",
        draw=_outliers,
        parameters=(
            Parameter(name="p", default=0.001, low=0.0, high=1.0),
            Parameter(name="k", default=30.0, low=1.0, high=1e6),
        ),
    ),
}


def names() -> tuple[str, ...]:
    """The names that `sample` accepts; parameters follow after colons.

    >>> names()
    ('normal', 'laplace', 'student_t', 'uniform', 'outliers')
    """
    return tuple(DISTRIBUTIONS)


def sample(name: str, size: int, seed: int) -> NDArray[np.float32]:
    """``size`` independent draws, made in float64 and rounded once to float32.

    ``name`` may carry parameters in the order of the table `DISTRIBUTIONS`: ``student_t:3`` is nu = 3 (default 5),
    ``outliers:0.01:100`` is p = 0.01 and k = 100 (default 0.001 and 30). The seed determines every bit, for one
    version of NumPy: its bit generators never change, its distributions may.

    Raises ``KeyError`` that lists near names for an unknown distribution, ``ValueError`` for a parameter, size or
    seed out of range. Source: NumPy's ``Generator`` over ``PCG64``.

    >>> sample("uniform", 3, seed=1)
    array([ 0.02364325,  0.90092736, -0.71168077], dtype=float32)
    """
    if size < 1 or seed < 0:
        raise ValueError(f"size={size}, seed={seed}: size must be at least 1 and seed at least 0")
    kind, *arguments = name.split(":")
    if kind not in DISTRIBUTIONS:
        near = difflib.get_close_matches(kind.lower(), DISTRIBUTIONS, n=3) or names()
        raise KeyError(f"unknown distribution {kind!r}; near names: {', '.join(near)}")
    distribution = DISTRIBUTIONS[kind]
    values = _values(name, distribution.parameters, arguments)
    generator = np.random.Generator(np.random.PCG64(seed))
    return distribution.draw(generator, size, *values).astype(np.float32)


def _values(name: str, parameters: tuple[Parameter, ...], arguments: list[str]) -> list[float]:
    """The parameters' values: what the name says, then the defaults."""
    if len(arguments) > len(parameters):
        accepted = ":".join(parameter.name for parameter in parameters) or "none"
        raise ValueError(f"{name!r} has {len(arguments)} parameters; accepted: {accepted}")
    given = [_value(name, *pair) for pair in zip(parameters, arguments, strict=False)]
    return given + [parameter.default for parameter in parameters[len(given) :]]


def _value(name: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.low <= value <= parameter.high:
        accepted = f"a number in {parameter.low:g}..{parameter.high:g}"
        raise ValueError(f"{name!r}: {parameter.name}={text!r} is not accepted; accepted: {accepted}")
    return value
