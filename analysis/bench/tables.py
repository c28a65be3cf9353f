"""Tables of a record: each kernel's time, beside XLA's bfloat16 product and what the GPU allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: from this batch on a product is bound by the matrix unit
LONG = 256
Row = dict[str, Any]
Key = tuple[int, int, int]


def ceilings(rows: Iterable[Row]) -> dict[str, float]:
    """Bytes or operations a second: ``copy``, ``read``, and the products of the largest batch by ``XLA`` and dtype.

    Of the copy and the read it is the first quartile of their times: runs of a GPU differ by a tenth.
    """
    found: dict[str, float] = {}
    for row in rows:
        if row["what"] in ("copy", "read") and "median" in row:
            found[row["what"]] = 1e6 * row["bytes"] / row["lower"]
        elif row["what"].startswith("XLA ") and "median" in row and row["m"] >= 4096:
            found[row["what"]] = 1e6 * row["operations"] / row["median"]
    return found


def bases(rows: Iterable[Row]) -> dict[Key, float]:
    """Microseconds of XLA's bfloat16 product by shape."""
    return {key(row): row["median"] for row in rows if row["what"] == "XLA bfloat16" and "median" in row}


def key(row: Row) -> Key:
    """M, N, K."""
    return row["m"], row["n"], row["k"]


def fraction(row: Row, top: dict[str, float]) -> float | None:
    """Of what the GPU allows: the larger share of the memory's and the matrix unit's ceiling; None if unknown.

    >>> row = {"what": "x", "bytes": 2e6, "operations": 0, "median": 1.0}
    >>> fraction(row, {"copy": 4e12})
    0.5
    """
    if "bytes" not in row or "median" not in row:
        return None
    ceiling = top.get("read" if row.get("operations") else "copy")
    shares = [1e6 * row["bytes"] / row["median"] / ceiling] if ceiling else []
    rate = top.get(f"XLA {row.get('operand')}")
    if row.get("operations") and not rate and row["m"] >= LONG:
        return None  # the matrix unit's ceiling counts, and was not measured
    if rate and row.get("operations"):
        shares.append(1e6 * row["operations"] / row["median"] / rate)
    return max(shares, default=None)


def label(row: Row) -> str:
    """What a row of a table or picture is called; nothing for a layout other than a kernel's own choice.

    >>> label({"what": "w4a16_g128"}), label({"what": "w4a16_g128", "variant": "stages=3"})
    ('w4a16_g128', '')
    """
    return row["what"] + _short(row) if _is_default(row) else ""


def product_table(rows: list[Row], n: int, k: int) -> str:
    """Markdown: a line for each kernel or rival at one N and K; a column for each batch."""
    some = [row for row in rows if row.get("n") == n and row.get("k") == k and _is_default(row)]
    base, top = bases(rows), ceilings(rows)
    batches = sorted({row["m"] for row in some})
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for row in some:
        lines.setdefault((row["what"], _short(row)), {})[row["m"]] = _cell(row, base, top)
    head = ("kernel", *(f"M = {m}" for m in batches))
    return table(head, [(f"{what}{way}", *(cells.get(m, "") for m in batches)) for (what, way), cells in lines.items()])


def plane_table(rows: list[Row]) -> str:
    """Markdown: element and block kernels, in shares of the copy's bandwidth."""
    top = ceilings(rows)
    some = [row for row in rows if row.get("operations") == 0 and "way" in row]
    lines = [
        (row["what"], row["way"].removeprefix("kernels_ref."), f"{row['median']:.1f}", f"{fraction(row, top) or 0:.2f}")
        for row in some
        if "median" in row
    ]
    return table(("contract", "kernel", "us", "of the copy"), lines)


def rate_table(rows: list[Row], n: int, k: int) -> str:
    """Markdown: the matrix unit with weights in registers, and how long it takes so for products of one N and K."""
    some = [row for row in rows if row["what"].startswith("wgmma ") and "median" in row]
    batches = sorted({row["m"] for row in some})
    lines: dict[str, dict[int, str]] = {}
    for row in some:
        rate = row["operations"] / row["median"]
        cell = f"{rate / 1e6:.0f} T/s, {2 * row['m'] * n * k / rate:.1f} us"
        lines.setdefault(row["what"].removeprefix("wgmma "), {})[row["m"]] = cell
    head = ("operands", *(f"M = {m}" for m in batches))
    return table(head, [(what, *(cells.get(m, "") for m in batches)) for what, cells in lines.items()])


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _is_default(row: Row) -> bool:
    return row.get("variant", "default") == "default"


def _short(row: Row) -> str:
    return ", dense" if row.get("way", "").endswith("dense_matmul") else ""


def _cell(row: Row, base: dict[Key, float], top: dict[str, float]) -> str:
    if "median" not in row:
        return "not run"
    text = f"{row['median']:.1f} us"
    if key(row) in base and row["what"] != "XLA bfloat16":
        text += f", {base[key(row)] / row['median']:.2f}x"
    share = fraction(row, top)
    return text if share is None else f"{text}, {share:.0%}"
