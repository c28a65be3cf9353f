"""The errors of an accumulator on given operands, beside their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import formats
import reference
from analysis.accumulation.ball import Floats, exponent, power
from analysis.accumulation.exact_sums import errors, exact_sums
from analysis.accumulation.operands import Operands
from analysis.accumulation.running import running_bound
from analysis.accumulation.worst_case import worst_case
from formats import Accumulator, FloatSpec
from reference.matmul import matmul


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """Arrays (M, N): the error of each output, what it is compared with, and what it can be at most."""

    accumulator: Accumulator
    k: int
    #: ``result - exact``; not finite where the result is not
    error: Floats
    exact: Floats
    #: ``sum over k of |a[k] b[k]|``
    magnitude: Floats
    running: Floats
    worst: Floats

    @property
    def ulp(self) -> Floats:
        """The unit in the last place of the output's format at the exact sum."""
        output = self.accumulator.output
        if not isinstance(output, FloatSpec):
            return np.ones(self.exact.shape)
        return power(np.maximum(exponent(np.abs(self.exact)), output.emin) - output.fraction_bits)

    def row(self) -> dict[str, Any]:
        """Statistics over the outputs that are finite: a row of the table (`measure`)."""
        known = np.isfinite(self.error)
        error, exact, magnitude = self.error[known], self.exact[known], self.magnitude[known]
        scaled = _quotient(error, magnitude)
        return {
            "accumulator": self.accumulator.name,
            "k": self.k,
            "outputs": self.error.size,
            "overflowed": int((~known).sum()),
            "norm_rel": float(_quotient(_norm(error), _norm(exact))),
            **_quantiles("rel", _quotient(np.abs(error), np.abs(exact))),
            "mean": float(scaled.mean()) if scaled.size else np.nan,
            "rms": _norm(scaled) / scaled.size**0.5 if scaled.size else np.nan,
            **_quantiles("sum", np.abs(scaled)),
            **_quantiles("ulp", np.abs(error) / self.ulp[known]),
            "running_bound": float(_quotient(self.running, self.magnitude).max()),
            "worst_bound": float(_quotient(self.worst, self.magnitude).max()),
            "of_running": float(_quotient(np.abs(error), self.running[known]).max(initial=0)),
            "of_worst": float(_quotient(np.abs(error), self.worst[known]).max(initial=0)),
        }


def measure(operands: Operands, accumulator: str | Accumulator, *, seed: int | None = None) -> Measurement:
    """The golden model's results against the exact sums (`exact_sums`), from ``c = +0``.

    `Measurement.row` has, over all outputs: ``norm_rel``, the error's Euclidean norm over that of the exact sums;
    ``mean`` (signed) and ``rms`` of ``error / sum |a b|``; ``_p50``, ``_p99`` and ``_max`` of ``|error|`` over
    ``|exact|`` (``rel``), over ``sum |a b|`` (``sum``) and in units of the last place (``ulp``); the largest of each
    bound over ``sum |a b|``; and the largest part of each bound that an error takes up.

    A stochastic accumulator takes its random bits from ``seed``, which goes with it and with no other.
    Raises ``ValueError`` for operands that the accumulator does not take.

    >>> x = Operands.of([[1.0, 2.0**-12]], [[1.0], [1.0]], "bfloat16", "bfloat16")
    >>> measure(x, "fma.bf16").error.tolist(), measure(x, "fma.bf16").row()["ulp_max"]
    ([[-0.000244140625]], 0.03125)
    """
    chosen = formats.accumulator(accumulator)
    operands.check(chosen)
    sums = exact_sums(operands)
    return Measurement(
        accumulator=chosen,
        k=operands.k,
        error=errors(results(operands, chosen, seed), sums),
        exact=sums[0],
        magnitude=operands.magnitude,
        running=running_bound(operands, chosen),
        worst=worst_case(chosen, operands.k).bound(operands),
    )


def results(operands: Operands, accumulator: Accumulator, seed: int | None) -> Floats:
    """What the golden model returns, as values (M, N)."""
    codes = matmul(
        operands.a,
        operands.b,
        accumulator=accumulator,
        a_format=operands.a_format,
        b_format=operands.b_format,
        random_bits=_random_bits(operands, accumulator, seed),
    )
    return reference.decode(codes, accumulator.output).astype(np.float64)


def _random_bits(operands: Operands, accumulator: Accumulator, seed: int | None) -> Any:
    count = accumulator.random_bit_count
    if (count is None) != (seed is None):
        raise ValueError(f"{accumulator.name} {'takes no' if count is None else 'needs a'} seed")
    if count is None:
        return None
    shape = (operands.k, operands.a.shape[0], operands.b.shape[1])
    return np.random.Generator(np.random.PCG64(seed)).integers(1 << count, size=shape, dtype=np.uint32)


def _norm(x: Floats) -> float:
    return float(np.sqrt(np.sum(np.square(x))))


def _quotient(x: Any, y: Any) -> Any:
    """``x / y``, 0 where both are 0."""
    return np.divide(x, y, out=np.where(np.asarray(x) == 0, 0.0, np.inf), where=np.asarray(y) != 0)


def _quantiles(name: str, x: Floats) -> dict[str, float]:
    if not x.size:
        return {f"{name}_{which}": np.nan for which in ("p50", "p99", "max")}
    return {
        f"{name}_p50": float(np.quantile(x, 0.5)),
        f"{name}_p99": float(np.quantile(x, 0.99)),
        f"{name}_max": float(x.max()),
    }
