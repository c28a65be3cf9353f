"""The results of a sweep added up, as the record keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from analysis.sweep.results import Result


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """Counts by kind and in total, every red cell, and one digest of all that was expected."""
    ordered = sorted(results, key=lambda result: result.cell)
    kinds = sorted({_kind(result) for result in ordered})
    return {
        **_counts(ordered),
        "kinds": {kind: _counts([r for r in ordered if _kind(r) == kind]) for kind in kinds},
        "failures": {r.cell: r.outcome.first for r in ordered if r.outcome.mismatches},
        "result_digest": _digest(ordered),
    }


def _kind(result: Result) -> str:
    return result.cell.split("/")[0]


def _counts(results: list[Result]) -> dict[str, Any]:
    return {
        "cells": len(results),
        "compared": sum(r.outcome.compared for r in results),
        "mismatches": sum(r.outcome.mismatches for r in results),
        "seconds": round(sum(r.seconds for r in results), 1),
    }


def _digest(ordered: list[Result]) -> str:
    lines = "\n".join(f"{r.cell} {r.outcome.digest}" for r in ordered)
    return hashlib.sha256(lines.encode()).hexdigest()
