"""A product's kernels against its golden models, every bit: NumPy's, or XLA's twin of it and NumPy's on some tiles."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from analysis.bench import kernel_calls
from formats.products import StreamK, scaled_product
from kernels.compare import Tally
from kernels.real import real_operands
from kernels.schedule import SMALL
from kernels.settings import Settings
from kernels.tiles import Tiles, columns, golden, some_tiles
from kernels_ref.contracts import FAMILIES, KernelContract, Shape, contract, operands, resolve
from kernels_ref.contracts.codes import as_codes
from kernels_ref.contracts.products import DENSE, ON_XLA, STREAMED
from kernels_ref.hopper import default_split
from kernels_ref.hopper.work import Work

#: adds in another order than the GPU: the interpreter's sums are right where every order gives the same
ORDERLESS = "exact"


def prepared(name: str, settings: Settings) -> Callable[[], Any]:
    """Compile what does not need the GPU; the call that is returned compares."""
    claim = contract(name)
    shape = Shape(m=settings.m, n=settings.n, k=settings.k)
    example = operands(claim, shape, family="exact", seed=settings.seed)
    before = before_rounding(claim)
    model = twin if settings.golden == "xla" else on_numpy
    twins = {way: model(before, example, split) for way, split in splits(claim, settings).items()}
    batches = [m for m in settings.batches if m <= settings.m]
    asked = [(claim, way, way, m) for way in splits(claim, settings) for m in batches]
    if before is not claim:
        asked += [(before, f"{way} before rounding", way, min(16, batches[-1])) for way in splits(claim, settings)]

    def made(which: KernelContract, way: str, m: int) -> Any:
        of, chosen = Shape(m=m, n=shape.n, k=shape.k), settings.variant(way)
        return kernel_calls.several(which, of, way=way, variant=chosen, interpret=settings.interpret)

    kernels = {(kind, m): tried(partial(made, which, way, m)) for which, kind, way, m in asked}
    sizes = timed_sizes(before, settings) if STREAMED in splits(claim, settings) else []
    at_size = [(which, tried(partial(timed_size, which, size, settings)), size) for which, size in sizes]
    return lambda: verify(claim, shape, settings, twins, kernels) | {"timed_size": spots(at_size, settings)}


def timed_sizes(claim: KernelContract, settings: Settings) -> list[tuple[KernelContract, Shape]]:
    """Sizes at which the streaming kernel is timed, with the cuts of K there; of each cut the kernels that differ."""
    most, found = max(settings.rows), list[tuple[KernelContract, Shape]]()
    for n, k in [settings.large] + [settings.small] * (claim.name in SMALL):
        usual, few = (default_split(claim.name, shape=(n, k), tokens=tokens) for tokens in (64, 16))
        batches = (8, 16, 64) if Work(split=few, n=n, k=k).planes == 1 else ()
        asked = dict.fromkeys([(usual, min(16, most)), *[(few, min(m, most)) for m in batches]])
        found += [(replace(claim, split_k=split), Shape(m=m, n=n, k=k)) for split, m in asked]
    return found


def timed_size(claim: KernelContract, shape: Shape, settings: Settings) -> kernel_calls.Prepared:
    """The kernel at such a size, on weights that repeat one tile of rows."""
    chosen = settings.variant(STREAMED)
    return kernel_calls.prepared(claim, shape, way=STREAMED, variant=chosen, interpret=settings.interpret)


def spots(ready: list[tuple[KernelContract, Any, Shape]], settings: Settings) -> dict[str, Any]:
    """Tiles whose K is cut in up to three different ways, at the sizes that are timed, against NumPy's golden model."""
    tally = Tally()
    for claim, run, shape in ready:
        split, what = claim.split_k, f"{short(STREAMED)}, M={shape.m}, N={shape.n}, K={shape.k}"
        assert split is not None
        if settings.interpret and ".s32." not in str(claim.accumulator):
            continue
        try:
            if isinstance(run, Exception):
                raise run
            got = np.asarray(run.calls(1)[0]())
            cuts = split.cuts(shape.n, shape.k)
            for first in {cuts[tile]: tile for tile in some_tiles(shape.n, shape.k, split, 3)}.values():
                want = one_tile(claim, run.tile, Tiles(split, shape.n, (first,)))
                alike = [tile for tile, cut in enumerate(cuts) if cut == cuts[first]]
                for tile in alike:
                    found = got[: len(want), tile * split.rows : (tile + 1) * split.rows]
                    tally.add(f"{what}, tile {tile}", found, want[:, : found.shape[1]])
        except Exception as error:
            tally.failures[what] = f"{type(error).__name__}: {error}"[:300]
    return tally.to_json()


def one_tile(claim: KernelContract, tile: dict[str, Any], split: Tiles) -> Any:
    """NumPy's golden model on the rows of one tile, cut as its place among all of them says."""
    return resolve(claim.golden)(**first_rows(tile, 8), **claim.keywords, split=split)


def tried(work: Callable[[], Any]) -> Any:
    """The result, or the error: one kernel that cannot be compiled must not hide the others."""
    try:
        return work()
    except Exception as error:
        return error


def before_rounding(claim: KernelContract) -> KernelContract:
    """The same product with results in float32: the narrower formats hide most of what sums can do wrong."""
    product = scaled_product(claim.keywords["product"])
    if product.requantiser or product.out == "float32":
        return claim
    wide = replace(product, out="float32")
    return replace(claim, arguments=(("product", wide),), out=(replace(claim.out[0], format="float32"),))


def narrowed(words: Any, fmt: str) -> Any:
    """Float32 words rounded to the format of the results."""
    if fmt not in ("bfloat16", "float16"):
        return words
    with np.errstate(over="ignore"):
        return as_codes(words.view(np.float32), fmt)


def splits(claim: KernelContract, settings: Settings) -> dict[str, StreamK | None]:
    """How each kernel for the GPU cuts K."""
    ways = (STREAMED, DENSE) if settings.dense else (STREAMED,)
    return {way: claim.split_k if way == STREAMED else None for way in claim.kernels if way in ways}


def twin(claim: KernelContract, example: dict[str, Any], split: StreamK | None) -> Callable[..., Any]:
    """The golden model on XLA, compiled."""
    return kernel_calls.compiled(partial(kernel_calls.bound(claim, ON_XLA), split=split), example)


def on_numpy(claim: KernelContract, _: dict[str, Any], split: StreamK | None) -> Callable[..., Any]:
    """The golden model itself."""
    return partial(resolve(claim.golden), **claim.keywords, split=split)


def families(claim: KernelContract, settings: Settings) -> list[str]:
    """All of them; in the interpreter those alone whose sums no order changes."""
    integer = claim.accumulator is not None and ".s32." in claim.accumulator
    return list(FAMILIES) if integer or not settings.interpret else [ORDERLESS]


def verify(
    claim: KernelContract, shape: Shape, settings: Settings, twins: dict[str, Any], kernels: dict[Any, Any]
) -> dict[str, Any]:
    """Every family of operands through every kernel."""
    compared, checked = Tally(), Tally()
    faults: dict[str, bool] = {}
    with ThreadPoolExecutor(2) as pool:
        for family in families(claim, settings):
            drawn = operands(claim, shape, family=family, seed=settings.seed)
            for way, split in splits(claim, settings).items():
                judged = pool.submit(judge, claim, drawn, shape, split) if settings.golden == "xla" else None
                wide = np.asarray(twins[way](**drawn))
                want = narrowed(wide, claim.out[0].format)
                compare(compared, family, way, kernels, drawn, (want, wide))
                if judged is not None:
                    own, expected = judged.result()
                    some = np.ascontiguousarray(wide[_few(shape)][:, own])
                    checked.add(f"{family}, {short(way)}", some, expected)
                if family in ("random", ORDERLESS) and way == STREAMED:
                    faults |= planted(drawn, kernels, want)
    real = real_products(claim, settings)
    found = {settings.golden: compared.to_json(), "xla on numpy": checked.to_json(), "real": real}
    return {**found, "planted_faults_noticed": faults, "shape": [shape.m, shape.n, shape.k]}


def judge(claim: KernelContract, drawn: dict[str, Any], shape: Shape, split: StreamK | None) -> tuple[Any, Any]:
    """Columns of the result, and what NumPy's golden model says of them, before the last rounding."""
    tiles = some_tiles(shape.n, shape.k, split or StreamK(), 2)
    own = columns(shape.n, StreamK(), tiles)
    expected = golden(before_rounding(claim), drawn, shape, split, tiles=tiles, rows=_few(shape))
    return own, expected


def compare(
    tally: Tally, family: str, way: str, kernels: dict[Any, Any], drawn: dict[str, Any], due: tuple[Any, Any]
) -> None:
    """Each batch of one kernel with the first rows of what is due; weights are packed once."""
    mine = {key: run for key, run in kernels.items() if key[0].startswith(way)}
    packed: dict[str, Any] = {}
    for (kind, m), run in mine.items():
        what = f"{family}, {short(kind)}, M={m}"
        try:
            if isinstance(run, Exception):
                raise run
            packed[kind] = packed[kind] if kind in packed else run.pack(drawn)
            tally.add(what, np.asarray(run(first_rows(packed[kind], m))), due[kind != way][:m])
        except Exception as error:
            tally.failures[what] = f"{type(error).__name__}: {error}"[:300]


def _few(shape: Shape) -> slice:
    """Rows of activations that NumPy's golden model gets."""
    return slice(0, min(8, shape.m))


def first_rows(drawn: dict[str, Any], m: int) -> dict[str, Any]:
    """Operands of the first ``m`` rows of activations."""
    return {name: value[:m] if name in ("a", "a_scale", "token_scale") else value for name, value in drawn.items()}


def planted(drawn: dict[str, Any], kernels: dict[Any, Any], want: Any) -> dict[str, bool]:
    """Whether one wrong weight and one wrong activation are seen, or a row of them in results of 8 bits."""
    seen: dict[str, bool] = {}
    ready = {m: run for (way, m), run in kernels.items() if way == STREAMED and not isinstance(run, Exception)}
    for what, name in (("one weight", "w"), ("one activation", "a")) if ready else ():
        wrong = {**drawn, name: drawn[name].copy()}
        row = drawn[name][0].astype(np.int64)
        if want.dtype.itemsize == 1:  # one code is lost where results are rounded to 8 bits
            wrong[name][0] = drawn[name][0, ::-1]
        else:
            wrong[name][0, 7] = drawn[name][0, np.abs(row - row[7]).argmax()]  # the code least like it that occurs
        m, run = max(ready.items())
        seen[what] = bool((np.asarray(run(first_rows(run.pack(wrong), m))) != want[:m]).any())
    return seen


def real_products(claim: KernelContract, settings: Settings) -> dict[str, Any] | str:
    """Weights and activations of a model, quantised, against NumPy's golden model."""
    if not settings.weights:
        return "not run: no weights were given"
    if ORDERLESS in (chosen := families(claim, settings)) and len(chosen) == 1:
        return "not run: the interpreter adds in another order"
    tally = Tally()
    drawn, shape = real_operands(claim, settings)
    for way, split in splits(claim, settings).items():
        try:
            run = kernel_calls.several(
                claim, shape, way=way, variant=settings.variant(way), interpret=settings.interpret
            )
            got = np.asarray(run(run.pack(drawn)))
            tally.add(f"real, {short(way)}", got, golden(claim, drawn, shape, split))
        except Exception as error:
            tally.failures[f"real, {short(way)}"] = f"{type(error).__name__}: {error}"[:300]
    return {**tally.to_json(), "shape": [shape.m, shape.n, shape.k]}


def short(way: str) -> str:
    """The last part of a dotted name."""
    return way.rpartition(".")[2]
