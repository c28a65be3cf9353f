"""The tables of docs/formats.md, docs/kernels.md and docs/bench.md, from the registry and records of GPU runs.

python docs/tables.py rewrites them between their markers, and draws the pictures of docs/bench.md whose numbers have
changed; tests/unit/test_docs.py fails while a table or picture is stale.
"""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import formats
from formats import FloatSpec, IntSpec, Overflow
from formats.p3109 import SOURCE as P3109
from reference import exact

DOCS = Path(__file__).parent
KERNELS = DOCS.parent / "benchmarks" / "records" / "h200_kernels.json"
PROFILE = DOCS.parent / "benchmarks" / "records" / "h200_profile.json"
DECODING = DOCS.parent / "benchmarks" / "records" / "h200_decode_rate.json"
LOADING = DOCS.parent / "benchmarks" / "records" / "h200_load_rate.json"
RECORD = DOCS.parent / "benchmarks" / "records" / "h200_encode.json"
_FLOAT_HEAD = (
    "name", "bits", "s/e/m", "bias", "largest", "smallest normal", "smallest subnormal", "zero", "infinity", "NaN",
    "SAT_NONE gives",
)  # fmt: skip
_OVERFLOW = {Overflow.INFINITY: "infinity", Overflow.NAN: "NaN", Overflow.MAXIMUM: "the largest"}


def floats() -> str:
    """Every registered float format but P3109's."""
    found = [spec for spec in _registered(FloatSpec) if spec.source != P3109]
    return _table((*_FLOAT_HEAD, "source"), [(*_float(spec), spec.source) for spec in found])


def p3109() -> str:
    """Every registered P3109 format."""
    return _table(_FLOAT_HEAD, [_float(spec) for spec in _registered(FloatSpec) if spec.source == P3109])


def integers() -> str:
    """Every registered integer and fixed-point format."""
    head = ("name", "bits", "lowest", "largest", "unit", "zero", "codes never produced", "saturations", "source")
    return _table(head, map(_integer, _registered(IntSpec)))


def gpu_run() -> str:
    """What was compared in the recorded run."""
    record = json.loads(RECORD.read_text())
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    parts = {"bfloat16": "bfloat16", "float32": "float32", "further_modes": "bfloat16, further policies"}
    rows = [(what, f"{record[key]['elements']:,}", f"{record[key]['mismatches']:,}") for key, what in parts.items()]
    faults = ", ".join(
        f"{name} {'noticed' if seen else 'MISSED'}" for name, seen in record["planted_faults_noticed"].items()
    )
    note = (
        f"{record['device']}, driver {record['driver']}, {versions}, {record['date'][:10]};"
        f" {len(record['formats'])} formats; planted faults: {faults}."
    )
    return f"{textwrap.fill(note, 118)}\n\n{_table(('inputs', 'elements compared', 'mismatches'), rows)}"


def gpu_bandwidth() -> str:
    """The bandwidth of the recorded run: bytes read and written."""
    measured = json.loads(RECORD.read_text())["bandwidth"]
    copy = measured["copy"]["float32"]
    rows = [
        (what, f"{row['mosaic']:,.0f}", f"{row['xla']:,.0f}", f"{row['mosaic_over_xla']:.2f}")
        for what, row in measured.items()
        if "->" in what
    ]
    note = f"{measured['elements']:,} elements; {measured['unit']}; an addition of 1 to float32 moved {copy:,.0f} GB/s."
    return f"{textwrap.fill(note, 118)}\n\n{_table(('conversion', 'Mosaic', 'XLA', 'Mosaic / XLA'), rows)}"


def kernels(n: int, k: int) -> str:
    """Products of one size, from the record of a run of every kernel."""
    from analysis.bench.tables import product_table

    return product_table(json.loads(KERNELS.read_text(encoding="utf-8"))["rows"], n, k)


def planes() -> str:
    """Element and block kernels of the same run."""
    from analysis.bench.tables import plane_table

    return plane_table(json.loads(KERNELS.read_text(encoding="utf-8"))["rows"])


def rates() -> str:
    """The matrix unit alone, of the same run."""
    from analysis.bench.tables import rate_table

    return rate_table(json.loads(KERNELS.read_text(encoding="utf-8"))["rows"], 28672, 8192)


def decoding() -> str:
    """Decoding and multiplying without memory: how long a layer would take, by product and batch."""
    return _by_batch(DECODING, "product", lambda row: f"{row['layer_us']:.1f} us")


def loading() -> str:
    """Loading without decoding and multiplying, beside the kernel and a plain read, by product and batch."""

    def times(row: dict[str, Any]) -> str:
        return ", ".join(f"{row[what]:.1f}" for what in ("read", "loading", "kernel"))

    return _by_batch(LOADING, "product: read, loading, kernel", times)


def _by_batch(record: Path, head: str, cell: Callable[[dict[str, Any]], str]) -> str:
    cells: dict[str, dict[int, str]] = {}
    for row in json.loads(record.read_text(encoding="utf-8"))["rows"]:
        cells.setdefault(row["what"], {})[row["m"]] = cell(row)
    batches = sorted({m for row in cells.values() for m in row})
    rows = [(what, *(found[m] for m in batches)) for what, found in cells.items()]
    return _table((head, *(f"M = {m}" for m in batches)), rows)


def profile() -> str:
    """What the profiler saw of each kernel that takes longest in its call."""
    sys.path.insert(0, str(DOCS.parent / "benchmarks"))
    profiler: Any = importlib.import_module("kernels.profiler")

    rows: list[tuple[str, ...]] = []
    for row in json.loads(PROFILE.read_text(encoding="utf-8"))["rows"]:
        main = max(row["kernels"], key=lambda each: each["metrics"][profiler.DURATION])
        rows.append((row["label"], *profiler.row(main["metrics"])))
    return _table(("kernel", *profiler.HEAD), rows)


def pictures() -> dict[str, Any]:
    """The numbers of each picture of docs/bench.md, by the name of its file."""
    from analysis.bench.pictures import shares, speeds

    rows = json.loads(KERNELS.read_text(encoding="utf-8"))["rows"]
    return {"bench_products.png": speeds(rows, 28672, 8192), "bench_planes.png": shares(rows)}


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "formats.md": {"floats": floats, "integers": integers, "p3109": p3109},
    "kernels.md": {"run": gpu_run, "bandwidth": gpu_bandwidth},
    "bench.md": {
        "large": partial(kernels, 28672, 8192),
        "small": partial(kernels, 4096, 4096),
        "cube": partial(kernels, 8192, 8192),
        "rates": rates,
        "loading": loading,
        "decoding": decoding,
        "profile": profile,
        "planes": planes,
    },
}


def renewed(page: str) -> str:
    """The text of a page with its tables as they should be; ``ValueError`` where a marker is missing."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, table in TABLES[page].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"docs/{page} must hold {begin.strip()} and {end} once")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table()}\n\n{end}{rest.partition(end)[2]}"
    return text


def main() -> None:
    """Rewrite the pages, and draw what is stale."""
    from analysis.bench.pictures import renew

    for page in TABLES:
        (DOCS / page).write_text(renewed(page), encoding="utf-8")
    for name, numbers in pictures().items():
        renew(DOCS / name, numbers)


def _registered(kind: type[Any]) -> list[Any]:
    return [spec for spec in map(formats.get, formats.names()) if isinstance(spec, kind)]


def _float(spec: FloatSpec) -> tuple[str, ...]:
    special = _special_codes(spec)
    first_normal = 1 << spec.fraction_bits if spec.has_zero else 0
    has_subnormals = spec.has_zero and spec.fraction_bits
    return (
        f"`{spec.name}`",
        str(spec.bits),
        f"{int(spec.signed)}/{spec.exponent_bits}/{spec.fraction_bits}",
        str(spec.bias),
        f"{number(exact.magnitude(spec.max_code, spec))} ({_code(spec.max_code, spec)})",
        number(exact.magnitude(first_normal, spec)),
        number(exact.magnitude(1, spec)) if has_subnormals else "-",
        *(_ranges(special[kind], spec) for kind in ("zero", "infinity", "nan")),
        _OVERFLOW[spec.overflow],
    )


def _special_codes(spec: FloatSpec) -> dict[str, list[int]]:
    """The codes that the judge decodes to something else than a number that is not 0."""
    found: dict[str, list[int]] = {"zero": [], "infinity": [], "nan": []}
    for sign in sorted({0, spec.sign_code}):
        for magnitude in (0, *range(spec.max_code + 1, 1 << spec.magnitude_bits)):
            value = exact.decode(sign + magnitude, spec)
            kind = "zero" if value == 0 else "nan" if value != value else "infinity" if abs(value) > 2**200 else ""
            if kind:
                found[kind].append(sign + magnitude)
    return found


def _integer(spec: IntSpec) -> tuple[str, ...]:
    unit = Fraction(1, 1 << spec.fraction_bits)
    produced = {number % (1 << spec.bits) for number in range(spec.minimum, spec.maximum + 1)}
    reserved = [code for code in range(1 << spec.bits) if code not in produced] if spec.has_zero else []
    zero = _code(0, spec) if spec.has_zero else "-"
    saturations = ", ".join(mode.name for mode in spec.saturations)
    low, high = (number(end * unit) for end in (spec.minimum, spec.maximum))
    never = _ranges(reserved, spec)
    return f"`{spec.name}`", str(spec.bits), low, high, number(unit), zero, never, saturations, spec.source


def number(value: Fraction) -> str:
    """A dyadic number exactly: plain where that is short, else as an odd number times a power of two."""
    if value.denominator <= 8 and abs(value) < 100_000:
        return f"{float(value):g}" if value.denominator > 1 else str(value)
    odd = abs(value.numerator)
    exponent = (odd & -odd).bit_length() - value.denominator.bit_length()
    odd >>= (odd & -odd).bit_length() - 1
    power = f"2^{exponent}"
    return f"{'-' if value < 0 else ''}{power if odd == 1 else f'{odd} * {power}'}"


def _ranges(codes: list[int], spec: FloatSpec | IntSpec) -> str:
    starts = [code for code in codes if code - 1 not in codes]
    ends = [code for code in codes if code + 1 not in codes]
    spans = [_code(a, spec) + (f"..{_code(b, spec)}" if b > a else "") for a, b in zip(starts, ends, strict=True)]
    return ", ".join(spans) or "-"


def _code(code: int, spec: FloatSpec | IntSpec) -> str:
    return f"0x{code:0{-(-spec.bits // 4)}X}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
