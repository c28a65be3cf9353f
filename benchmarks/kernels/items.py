"""What a worker can be asked for: ``kind:rest``, prepared ahead and run in its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernels import canary, times, verify_elements, verify_products
from kernels.settings import Settings

Run = Callable[[], Any]

KINDS: dict[str, Callable[[str, Settings], Run]] = {
    "canary": canary.prepared,
    "environment": times.environment,
    "ceilings": times.ceilings,
    "rates": times.rates,
    "xla": times.xla,
    "peer": times.peer,
    "product": times.product,
    "variants": times.variants,
    "dense": times.dense,
    "plane": times.plane,
    "verify": verify_products.prepared,
    "elements": verify_elements.prepared,
}


def prepared(item: str, settings: Settings) -> Run:
    """The item, ready to run; ``ValueError`` for a kind that there is not."""
    kind, _, rest = item.partition(":")
    if kind not in KINDS:
        raise ValueError(f"item {item!r}: unknown kind; known: {', '.join(KINDS)}")
    return KINDS[kind](rest, settings)
