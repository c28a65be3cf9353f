"""An element or block kernel against XLA's compilation of the golden code on a whole plane, and NumPy on some rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analysis.bench import kernel_calls
from kernels.compare import Tally, difference, leaves
from kernels.settings import Settings
from kernels_ref.contracts import Shape, contract, operands, resolve

#: what inputs look like
FAMILIES = ("random", "scales")


def prepared(name: str, settings: Settings) -> Callable[[], Any]:
    """Compile; the call that is returned compares."""
    claim = contract(name)
    m, k = settings.plane_of(name, settings.plane_rows)
    shape = Shape(m=m, k=k)
    example = operands(claim, Shape(m=1, k=k), family="random", seed=settings.seed)
    described = {key: kernel_calls.described(shape.of(each.shape), example[each.name].dtype) for key, each in
                 ((each.name, each) for each in claim.operands)}  # fmt: skip
    runs = {
        way: kernel_calls.compiled(kernel_calls.bound(claim, way, interpret=settings.interpret), described)
        for way in claim.kernels
    }

    def verify() -> dict[str, Any]:
        on_twin, on_numpy = Tally(), Tally()
        faults: dict[str, bool] = {}
        for family in FAMILIES:
            drawn = operands(claim, shape, family=family, seed=settings.seed)
            twin, *others = (run(**drawn) for run in runs.values())
            for way, got in zip(list(runs)[1:], others, strict=True):
                on_twin.add(f"{family}, {way}", got, twin)
            rows = of_rows(drawn, slice(max(128, m // 64)))
            want = resolve(claim.golden)(**rows, **claim.keywords)
            for way in claim.kernels:
                some = kernel_calls.bound(claim, way, interpret=settings.interpret)(**rows)
                on_numpy.add(f"{family}, {way}", some, want)
            if not faults:
                faults = planted(drawn, runs, twin)
        return {"twin": on_twin.to_json(), "numpy": on_numpy.to_json(), "planted_faults_noticed": faults}

    return verify


def of_rows(drawn: dict[str, Any], rows: slice) -> dict[str, Any]:
    """Operands of some rows; one number is that of all of them."""
    return {name: value[rows].copy() if value.shape else value for name, value in drawn.items()}


def planted(drawn: dict[str, Any], runs: dict[str, Any], twin: Any) -> dict[str, bool]:
    """Whether inputs in another order are seen in the last kernel's results."""
    got = list(runs.values())[-1](**of_rows(drawn, slice(None, None, -1)))
    return {"rows in another order": any(difference(x, y)[0] for x, y in zip(leaves(got), leaves(twin), strict=True))}
