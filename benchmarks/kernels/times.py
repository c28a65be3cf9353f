"""What is timed, one item at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from analysis.bench import measured
from analysis.evidence import provenance
from kernels.settings import Settings
from kernels_ref.contracts import Shape, contract
from kernels_ref.contracts.products import DENSE, STREAMED

Run = Callable[[], Any]

PACKAGES = ("jax", "jaxlib", "numpy", "ml_dtypes", "torch", "triton")


def environment(_: str, settings: Settings) -> Run:
    """Machine and versions; refuses without a GPU."""

    def look() -> dict[str, Any]:
        if jax.default_backend() != "gpu" and not settings.interpret:
            raise RuntimeError(f"no GPU: the backend is {jax.default_backend()}")
        return provenance(PACKAGES)

    return look


def ceilings(_: str, settings: Settings) -> Run:
    """Copy and read."""
    return lambda: measured.ceilings(settings.copied)


def rates(_: str, settings: Settings) -> Run:
    """The matrix unit alone; nothing in the interpreter."""
    return lambda: [] if settings.interpret else measured.rates(settings.rows)


def shapes(label: str, settings: Settings) -> list[Shape]:
    """The shapes of a label: ``large`` and ``small`` for each batch, ``long`` for a long one, ``cube``."""
    if label == "cube":
        return [Shape(m=settings.cube, n=settings.cube, k=settings.cube)]
    n, k = settings.small if label == "small" else settings.large
    return [Shape(m=m, n=n, k=k) for m in ((settings.long,) if label == "long" else settings.rows)]


def xla(rest: str, settings: Settings) -> Run:
    """``dtype:label``."""
    dtype, label = rest.split(":")
    return lambda: [measured.xla(dtype, shape) for shape in shapes(label, settings)]


def peer(rest: str, settings: Settings) -> Run:
    """``name:label``: a row for each shape, or why there is none."""
    name, label = rest.split(":")

    def one(shape: Shape) -> dict[str, Any]:
        try:
            return measured.peer(name, shape)
        except (ValueError, RuntimeError, ArithmeticError, KeyError) as error:
            return {"what": name, "m": shape.m, "n": shape.n, "k": shape.k, "not_run": str(error)[:300]}

    return lambda: [one(shape) for shape in shapes(label, settings)]


def product(rest: str, settings: Settings) -> Run:
    """``contract:label``: the streaming kernel for each batch."""
    name, label = rest.split(":")
    return _all(name, STREAMED, shapes(label, settings), settings)


def dense(rest: str, settings: Settings) -> Run:
    """``contract:label``: the dense kernel."""
    name, label = rest.split(":")
    return _all(name, DENSE, shapes(label, settings), settings)


def plane(name: str, settings: Settings) -> Run:
    """An element or block kernel, and XLA's compilation of the same."""
    claim = contract(name)
    m, k = settings.plane_of(name)
    ready = [
        measured.prepared_kernel(name, Shape(m=m, k=k), way=way, interpret=settings.interpret) for way in claim.kernels
    ]
    return lambda: [measure() for measure in ready]


def variants(rest: str, settings: Settings) -> Run:
    """``contract:label``: the streaming kernel laid out in other ways."""
    from kernels.layouts import streaming_variants

    name, label = rest.split(":")
    chosen = [shape for shape in shapes(label, settings) if shape.m in (16, 64)]
    ready = [_guarded(name, shape, STREAMED, variant, settings) for shape in chosen for variant in streaming_variants()]
    return lambda: [measure() for measure in ready]


def _all(name: str, way: str, chosen: list[Shape], settings: Settings) -> Run:
    ready = [_guarded(name, shape, way, None, settings) for shape in chosen]
    return lambda: [measure() for measure in ready]


def _guarded(name: str, shape: Shape, way: str, variant: Any, settings: Settings) -> Run:
    """One row; an error is a row too, so that the other shapes are timed."""
    try:
        measure = measured.prepared_kernel(
            name,
            shape,
            way=way,
            variant=variant or settings.variant(way),
            interpret=settings.interpret,
        )
    except Exception as error:
        return _failed(name, shape, variant, error)

    def run() -> Any:
        try:
            return measure()
        except Exception as error:
            return _failed(name, shape, variant, error)()

    return run


def _failed(name: str, shape: Shape, variant: Any, error: Exception) -> Run:
    text = f"{type(error).__name__}: {error}"[:500]
    row = {"what": name, "m": shape.m, "n": shape.n, "k": shape.k, "variant": measured.layout(variant), "not_run": text}
    return lambda: row
