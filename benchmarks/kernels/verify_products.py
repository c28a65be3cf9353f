"""A product's kernels against its golden models, every bit: XLA's twin on all results, NumPy's on some tiles."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from analysis.bench import kernel_calls
from formats.products import StreamK
from kernels.compare import Tally
from kernels.real import real_operands
from kernels.settings import Settings
from kernels.tiles import columns, golden, some_tiles
from kernels_ref.contracts import FAMILIES, KernelContract, Shape, contract, operands
from kernels_ref.contracts.products import DENSE, ON_XLA, STREAMED

#: adds in another order than the GPU: the interpreter's sums are right where every order gives the same
ORDERLESS = "exact"


def prepared(name: str, settings: Settings) -> Callable[[], Any]:
    """Compile what does not need the GPU; the call that is returned compares."""
    claim = contract(name)
    shape = Shape(m=settings.m, n=settings.n, k=settings.k)
    example = operands(claim, shape, family="exact", seed=settings.seed)
    twins = {way: twin(claim, example, split) for way, split in splits(claim).items()}
    kernels = {
        (way, m): kernel_calls.several(claim, Shape(m=m, n=shape.n, k=shape.k), way=way, interpret=settings.interpret)
        for way in splits(claim)
        for m in settings.rows
        if m <= settings.m
    }
    return lambda: verify(claim, shape, settings, twins, kernels)


def splits(claim: KernelContract) -> dict[str, StreamK | None]:
    """How each kernel for the GPU cuts K."""
    return {way: claim.split_k if way == STREAMED else None for way in claim.kernels if way in (STREAMED, DENSE)}


def twin(claim: KernelContract, example: dict[str, Any], split: StreamK | None) -> Callable[..., Any]:
    """The golden model on XLA, compiled."""
    function = kernel_calls.bound(claim, ON_XLA)
    return kernel_calls.compiled(lambda **drawn: function(**drawn, split=split), example)


def families(claim: KernelContract, settings: Settings) -> list[str]:
    """All of them; in the interpreter those alone whose sums no order changes."""
    integer = claim.accumulator is not None and ".s32." in claim.accumulator
    return list(FAMILIES) if integer or not settings.interpret else [ORDERLESS]


def verify(
    claim: KernelContract, shape: Shape, settings: Settings, twins: dict[str, Any], kernels: dict[Any, Any]
) -> dict[str, Any]:
    """Every family of operands through every kernel."""
    on_twin, on_numpy = Tally(), Tally()
    faults: dict[str, bool] = {}
    with ThreadPoolExecutor(2) as pool:
        for family in families(claim, settings):
            drawn = operands(claim, shape, family=family, seed=settings.seed)
            for way, split in splits(claim).items():
                tiles = some_tiles(shape.n, shape.k, split or StreamK(), 2)
                some = pool.submit(golden, claim, drawn, shape, split, tiles=tiles if split else None, rows=_few(shape))
                want = jax.block_until_ready(twins[way](**drawn))
                results = run_all(kernels, way, drawn)
                for m, got in results.items():
                    on_twin.add(f"{family}, {short(way)}, M={m}", got, want[:m])
                own = columns(shape.n, split or StreamK(), tiles) if split else slice(None)
                on_numpy.add(f"{family}, {short(way)}", np.asarray(want)[_few(shape)][:, own], some.result())
                if family in ("random", ORDERLESS) and way == STREAMED:
                    faults |= planted(claim, drawn, kernels, settings, np.asarray(want))
    real = real_products(claim, settings)
    compared = {"twin": on_twin.to_json(), "numpy": on_numpy.to_json(), "real": real}
    return {**compared, "planted_faults_noticed": faults, "shape": [shape.m, shape.n, shape.k]}


def _few(shape: Shape) -> slice:
    """Rows of activations that NumPy's golden model gets."""
    return slice(0, min(8, shape.m))


def run_all(kernels: dict[Any, Any], way: str, drawn: dict[str, Any]) -> dict[int, Any]:
    """The results of one kernel for its batches; weights are packed once."""
    sizes = [m for kind, m in kernels if kind == way]
    packed = kernels[way, sizes[0]].pack(drawn)
    return {m: kernels[way, m](packed, first_rows(drawn, m)) for m in sizes}


def first_rows(drawn: dict[str, Any], m: int) -> dict[str, Any]:
    """Operands of the first ``m`` rows of activations."""
    return {name: value[:m] if name in ("a", "a_scale", "token_scale") else value for name, value in drawn.items()}


def planted(
    claim: KernelContract, drawn: dict[str, Any], kernels: dict[Any, Any], settings: Settings, want: Any
) -> dict[str, bool]:
    """Whether one wrong bit of a weight and one wrong activation are seen."""
    seen: dict[str, bool] = {}
    m = max(m for way, m in kernels if way == STREAMED)
    for what, name in (("a bit of one weight", "w"), ("a bit of one activation", "a")):
        wrong = dict(drawn)
        wrong[name] = drawn[name].copy()
        wrong[name][1, 7] ^= 2
        run = kernels[STREAMED, m]
        got = np.asarray(run(run.pack(wrong), first_rows(wrong, m)))
        seen[what] = bool((got != want[:m]).any())
    return seen


def real_products(claim: KernelContract, settings: Settings) -> dict[str, Any] | str:
    """Weights and activations of a model, quantised, against NumPy's golden model."""
    if not settings.weights:
        return "not run: no weights were given"
    tally = Tally()
    drawn, shape = real_operands(claim, settings)
    for way, split in splits(claim).items():
        run = kernel_calls.several(claim, shape, way=way, interpret=settings.interpret)
        got = run(run.pack(drawn), drawn)
        tally.add(f"real, {short(way)}", got, golden(claim, drawn, shape, split))
    return {**tally.to_json(), "shape": [shape.m, shape.n, shape.k]}


def short(way: str) -> str:
    """The last part of a dotted name."""
    return way.rpartition(".")[2]
