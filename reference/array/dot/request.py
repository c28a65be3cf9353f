"""A checked request for a matrix product: everything but the numbers, in one hashable record."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import formats
from formats import (
    FLOAT32,
    Accumulator,
    Format,
    IntSpec,
    NanRule,
    Rounding,
    Saturation,
    Summation,
    parse_enum,
)
from formats.schedule import KOrder, Schedule
from reference.array.conversion import Conversion, conversion
from reference.array.decode import BINARY32, target
from reference.array.dot.limits import check_limits

NATURAL = Schedule(order=KOrder.NATURAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How ``a b`` is formed and what becomes of it; fit to be a static jit argument."""

    accumulator: Accumulator
    a: Format
    b: Format
    schedule: Schedule
    #: whether alpha, beta or bias follow, in float32
    epilogue: bool
    #: the last conversion, if there is one
    out: Conversion | None

    @property
    def summation(self) -> Summation:
        """How products are summed."""
        return self.accumulator.summation

    @property
    def random_bit_count(self) -> int | None:
        """Random bits of each addition; None where none are drawn."""
        return self.accumulator.random_bit_count

    @property
    def output(self) -> Format:
        """The format of the result's codes."""
        if self.out is not None:
            return self.out.spec
        return FLOAT32 if self.epilogue else self.accumulator.output


@functools.lru_cache(maxsize=1024)
def request(
    accumulator: str | Accumulator,
    *,
    a_format: str | Format | None = None,
    b_format: str | Format | None = None,
    schedule: Schedule | None = None,
    epilogue: bool = False,
    out: str | Format | None = None,
    rounding: Rounding | str | None = None,
    saturation: Saturation | str | None = None,
    nan: NanRule | str | None = None,
) -> Request:
    """The checked record; complaints about accumulators, formats, schedules and policies come from here.

    >>> request("hopper.wgmma.k32.f32.e4m3.e5m2").b.name
    'float8_e5m2'
    """
    rule = formats.accumulator(accumulator)
    a, b = rule.operands(a_format, b_format)
    check_limits(rule, a, b)
    plan = NATURAL if schedule is None else schedule
    if plan.tile is not None and plan.tile % rule.k:
        raise ValueError(f"tile={plan.tile} must be a multiple of k={rule.k} of {rule.name}")
    if (epilogue or out is not None) and not _fits_float32(rule.output):
        raise ValueError(
            f"{rule.name} gives {rule.output.name}, whose values float32 does not hold: no epilogue, no out"
        )
    target_of_out = _conversion(out, rounding, saturation, nan)
    return Request(accumulator=rule, a=a, b=b, schedule=plan, epilogue=epilogue, out=target_of_out)


def _fits_float32(spec: Format) -> bool:
    """Integers are rounded on their way into an epilogue, floats must not be."""
    return isinstance(spec, IntSpec) or target(spec) is BINARY32


def _conversion(
    out: str | Format | None,
    rounding: Rounding | str | None,
    saturation: Saturation | str | None,
    nan: NanRule | str | None,
) -> Conversion | None:
    if out is None:
        stated = {"rounding": rounding, "saturation": saturation, "nan": nan}
        for name, value in stated.items():
            if value is not None:
                raise TypeError(f"{name}={value!r} goes with out=, the format of the result")
        return None
    if rounding is None or saturation is None:
        raise TypeError(f"out={formats.get(out).name!r} needs its rounding and its saturation stated")
    mode = parse_enum(Rounding, rounding, "rounding")
    if mode.is_stochastic:
        raise ValueError(f"rounding={mode.value!r} is stochastic; encode the result apart")
    return conversion(out, rounding=mode, saturation=saturation, nan=nan)


def result_shape(call: Request, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape (..., M, N) of a product of (..., M, K) and (..., K, N)."""
    for name, shape in (("a", a), ("b", b)):
        if len(shape) < 2:
            raise ValueError(f"{name} needs two axes or more; its shape is {shape}")
    if a[-1] != b[-2]:
        raise ValueError(f"a has K={a[-1]} columns, but b {b[-2]} rows: shapes {a} and {b}")
    k = call.accumulator.k
    if a[-1] == 0 or a[-1] % k:
        raise ValueError(f"K={a[-1]} must be a positive multiple of k={k} of {call.accumulator.name}")
    call.schedule.permutation(a[-1])
    return (*broadcast_shapes("batches of a and b", a[:-2], b[:-2]), a[-2], b[-1])


def broadcast_shapes(what: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """NumPy's rule; ``ValueError`` that says what does not fit.

    >>> broadcast_shapes("these", (3, 1), (4,))
    (3, 4)
    """
    rank = max(len(shape) for shape in shapes)
    found: list[int] = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"{what} do not broadcast: {' and '.join(map(str, shapes))}")
        found.append(wide.pop() if wide else 1)
    return tuple(found)
