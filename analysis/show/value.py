"""One value in one format: its neighbours, and what every policy makes of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from analysis.show.code import Neighbour, as_neighbour, neighbour, quantum, spec_has_nan
from analysis.show.notation import Value, code_text
from formats import FloatSpec, Format, IntSpec, NanRule, Rounding, Saturation, get
from formats.policy import MAX_RANDOM_BITS
from reference import exact

_INFINITIES = (float("inf"), float("-inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A code, and how many of the ``2^n`` values of the random bits lead to it (1 of 1 without random bits)."""

    code: int
    hexadecimal: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the value got into the format; ``nan`` only where it decides."""

    rounding: Rounding
    saturation: Saturation
    nan: NanRule | None
    random_bit_count: int | None
    #: one code, or two under a stochastic rounding: first the one nearer to zero
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A code that some policy leads to, and its distance from the value (None where either is not finite)."""

    code: int
    hexadecimal: str
    value: Value
    error: Fraction | None
    #: the error in units of the quantum at the value
    error_ulp: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDescription:
    """A value against the number line of a format.

    ``below`` and ``above`` bracket it, infinities included, and are equal where the format holds it exactly. Between
    two finite ones ``nu`` is its place (`formats.Rounding`): 0 at the one nearer to zero, towards 1 at the other.
    """

    format: str
    bits: int
    source: str
    value: Value
    below: Neighbour | None
    above: Neighbour | None
    nu: Fraction | None
    #: the quantum at the value, had the format no upper end; None for NaN and infinity
    ulp: Fraction | None
    policies: tuple[Policy, ...]
    results: tuple[Result, ...]


def describe_value(value: Fraction | int | float, fmt: str | Format, *, random_bit_count: int = 8) -> ValueDescription:
    """``value``, taken exactly, under every rounding and saturation of the format, by the judge.

    The stochastic modes are given as how many of the ``2^random_bit_count`` values of the random bits lead where.
    Raises ``KeyError`` for an unknown format and ``ValueError`` for ``random_bit_count`` outside 1..24.

    >>> found = describe_value(Fraction(3, 10), "float4_e2m1fn")
    >>> found.below.value, found.above.value, found.nu, [result.error_ulp for result in found.results]
    (Fraction(0, 1), Fraction(1, 2), Fraction(3, 5), [Fraction(-3, 5), Fraction(2, 5)])
    """
    if not 1 <= random_bit_count <= MAX_RANDOM_BITS:
        raise ValueError(f"random_bit_count={random_bit_count} must lie in 1..{MAX_RANDOM_BITS}")
    spec = get(fmt)
    taken: Value = value if isinstance(value, float) and not _is_number(value) else Fraction(value)
    below, above = bracket(taken, spec)
    policies = tuple(
        _policy(taken, spec, rounding, saturation, rule, random_bit_count)
        for saturation in spec.saturations
        for rule in _rules(taken, spec, saturation)
        for rounding in Rounding
    )
    return ValueDescription(
        format=spec.name,
        bits=spec.bits,
        source=spec.source,
        value=taken,
        below=below,
        above=above,
        nu=_place(taken, spec, below, above),
        ulp=quantum(taken, spec),
        policies=policies,
        results=_results(taken, spec, policies),
    )


def _is_number(value: float) -> bool:
    """Whether a Fraction can hold it: not NaN, an infinity or -0."""
    return value == value and value not in _INFINITIES and str(value) != "-0.0"


def bracket(value: Value, spec: Format) -> tuple[Neighbour | None, Neighbour | None]:
    """The largest value of the format at or below ``value`` and the least at or above it; None where there is none."""
    if value != value:
        return None, None
    return _edge(value, spec, Rounding.TOWARD_NEGATIVE, -1), _edge(value, spec, Rounding.TOWARD_POSITIVE, +1)


def _edge(value: Value, spec: Format, rounding: Rounding, side: int) -> Neighbour | None:
    """The nearest value on one side, or the value itself. What clamps comes out on the wrong side: one step back."""
    keeps = Saturation.SAT_PROPAGATE if isinstance(spec, FloatSpec) else Saturation.SAT_FINITE
    found = as_neighbour(exact.encode(value, spec, rounding=rounding, saturation=keeps), spec)
    on_this_side = found.value <= value if side < 0 else found.value >= value
    return found if on_this_side else neighbour(found.code, spec, side)


def _place(value: Value, spec: Format, below: Neighbour | None, above: Neighbour | None) -> Fraction | None:
    if below is None or above is None or {below.value, above.value} & set(_INFINITIES):
        return None
    low, high = Fraction(below.value), Fraction(above.value)
    if low == high:
        return Fraction(0)
    if isinstance(spec, IntSpec) and not spec.has_zero:  # binary takes the sign; nothing is rounded
        return None
    inner = low if value > 0 else high
    return abs(Fraction(value) - inner) / (high - low)


def _rules(value: Value, spec: Format, saturation: Saturation) -> tuple[NanRule | None, ...]:
    """The NaN rules that decide anything: for a NaN where there is none, and for an infinity that would wrap."""
    lacks = value != value and not spec_has_nan(spec)
    wraps = saturation is Saturation.WRAP and value in _INFINITIES
    return tuple(NanRule) if lacks or wraps else (None,)


def _policy(
    value: Value, spec: Format, rounding: Rounding, saturation: Saturation, nan: NanRule | None, random_bit_count: int
) -> Policy:
    def encode(random_bits: int | None, count: int | None) -> int:
        return exact.encode(
            value,
            spec,
            rounding=rounding,
            saturation=saturation,
            nan=nan,
            random_bits=random_bits,
            random_bit_count=count,
        )

    n = random_bit_count if rounding.is_stochastic else None
    counted = {encode(None, None): 1} if n is None else _count(n, lambda random_bits: encode(random_bits, n))
    outcomes = tuple(Outcome(code=c, hexadecimal=code_text(c, spec.bits), count=k) for c, k in counted.items())
    return Policy(rounding=rounding, saturation=saturation, nan=nan, random_bit_count=n, outcomes=outcomes)


def _count(n: int, encode: Callable[[int], int]) -> dict[int, int]:
    """How many of the random bits ``0..2^n - 1`` give which code: few ``r`` stay, from some ``r`` on all go up."""
    low, high = encode(0), encode((1 << n) - 1)
    if low == high:
        return {low: 1 << n}
    stays = bisect_left(range(1 << n), True, key=lambda r: encode(r) == high)
    return {low: stays, high: (1 << n) - stays}


def _results(value: Value, spec: Format, policies: tuple[Policy, ...]) -> tuple[Result, ...]:
    codes = dict.fromkeys(outcome.code for policy in policies for outcome in policy.outcomes)
    found = [_result(value, spec, code) for code in codes]
    return tuple(sorted(found, key=lambda result: (result.value != result.value, result.value)))


def _result(value: Value, spec: Format, code: int) -> Result:
    got, ulp = exact.decode(code, spec), quantum(value, spec)
    finite = quantum(got, spec) is not None and ulp is not None
    error = Fraction(got) - Fraction(value) if finite else None
    return Result(
        code=code,
        hexadecimal=code_text(code, spec.bits),
        value=got,
        error=error,
        error_ulp=None if error is None or ulp is None else error / ulp,
    )


def under(description: ValueDescription, rounding: Rounding, saturation: Saturation) -> ValueDescription:
    """``description`` with this one policy and its results; with none where the format lacks the saturation mode."""
    kept = tuple(p for p in description.policies if p.rounding is rounding and p.saturation is saturation)
    codes = {outcome.code for policy in kept for outcome in policy.outcomes}
    results = tuple(result for result in description.results if result.code in codes)
    return replace(description, policies=kept, results=results)
