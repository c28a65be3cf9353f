"""Benchmarks that need a GPU and measure a row for each product and batch: their options and their record."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import record
from clock import say


def run(
    name: str,
    description: str | None,
    measure: Callable[[str, int], dict[str, Any]],
    products: Sequence[str],
    tokens: Sequence[int],
    *,
    known: Sequence[str] | None = None,
    **stated: Any,
) -> int:
    """Write the rows that ``measure`` returns, with what is ``stated``; the exit status: 0 measured, 2 no GPU.

    ``products`` are measured unless others that are ``known`` are asked for.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(f"out/{name}.json"), help="the record, JSON")
    parser.add_argument("--products", nargs="+", choices=known or products, default=list(products))
    parser.add_argument("--list", action="store_true", help="name the products and stop")
    options = parser.parse_args()
    if options.list:
        print("\n".join(options.products))
        return 0
    if jax.default_backend() != "gpu":
        say(f"no GPU: the backend is {jax.default_backend()}")
        return 2
    rows = [measure(product, m) for product in options.products for m in tokens]
    record.write(options.out, {**stated, "rows": rows})
    return 0
