"""The record of a run, and a table of it that fits a screen."""

from __future__ import annotations

from typing import Any

from analysis.bench.tables import bases, ceilings, key
from kernels.settings import Settings


def record(items: dict[str, Any], settings: Settings, seconds: float) -> dict[str, Any]:
    """What the items say together; ``holds``: every bit compared was equal, every fault noticed, nothing failed.

    ``unfinished`` lists what the time did not suffice for, which holds as little as what is not there.
    """
    verified = {name: item for name, item in items.items() if name.startswith(("verify:", "elements:"))}
    tallies = [tally for item in verified.values() if "result" in item for tally in _tallies(item["result"])]
    faults = [seen for item in verified.values() for seen in _faults(item).values()]
    outputs, mismatches = (sum(tally[key] for tally in tallies) for key in ("outputs", "mismatches"))
    sound = bool(tallies) and not any("error" in item for item in verified.values())
    sound = sound and not any(tally["failures"] for tally in tallies)
    return {
        **items.get("environment", {}).get("result", {}),
        "holds": sound and not mismatches and all(faults),
        "outputs": outputs,
        "mismatches": mismatches,
        "unfinished": [name for name, item in verified.items() if "unfinished" in item],
        "faults_planted": len(faults),
        "faults_noticed": sum(faults),
        "interpreted": settings.interpret,
        "settings": {key: value for key, value in vars_of(settings).items() if key != "weights"},
        "seconds": round(seconds),
        "rows": rows(items),
        "items": items,
    }


def vars_of(settings: Settings) -> dict[str, Any]:
    import json

    return json.loads(settings.to_json())


def _tallies(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in result.values() if isinstance(part, dict) and "mismatches" in part]


def _faults(item: dict[str, Any]) -> dict[str, bool]:
    return item.get("result", {}).get("planted_faults_noticed", {})


def rows(items: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row that was timed."""
    kinds = ("ceilings", "rates", "xla:", "product:", "dense:", "plane:", "variants:", "peer:")
    found = [item["result"] for name, item in items.items() if name.startswith(kinds) and "result" in item]
    return [row for result in found for row in (result if isinstance(result, list) else [result])]


def table(content: dict[str, Any]) -> str:
    """Plain text."""
    lines = [f"{content.get('device')}: holds {content['holds']}, {content['outputs']:,} results compared,"]
    lines[0] += f" {content['mismatches']:,} mismatches, faults {content['faults_noticed']}/{content['faults_planted']}"
    lines += [*_verified(content["items"]), *_timed(content["items"])]
    return "\n".join(lines)


def _verified(items: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, item in items.items():
        if "error" in item:
            lines.append(f"!! {name}: {item['error'][:220]}")
        elif name.startswith(("verify:", "elements:")) and "result" in item:
            parts = {key: part for key, part in item["result"].items() if isinstance(part, dict)}
            bad = [f"{what}: {text}" for part in parts.values() for what, text in part.get("failures", {}).items()]
            missed = [what for what, seen in _faults(item).items() if not seen]
            if bad or missed:
                lines.append(f"!! {name}: {'; '.join(bad)[:300]} {'missed ' + ', '.join(missed) if missed else ''}")
    good = [name for name, item in items.items() if name.startswith(("verify:", "elements:")) and "result" in item]
    return [*lines, f"verified without an error: {len(good)} of "
            f"{sum(name.startswith(('verify:', 'elements:')) for name in items)} items begun"]  # fmt: skip


def _timed(items: dict[str, Any]) -> list[str]:
    """A line for each kernel and layout; its batches beside each other."""
    measured = rows(items)
    base, copied = bases(measured), ceilings(measured).get("copy")
    clocks = {row["clock"] for row in measured if "clock" in row}
    lines = [f"copy {copied / 1e12:.2f} TB/s, clocks {', '.join(sorted(clocks))}" if copied else "no ceiling"]
    lines.append("kernel: M: us (times XLA bfloat16; or share of the copy; or Tops/s)")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in measured:
        groups.setdefault(_group(row), []).append(_cell(row, base, copied))
    return [*lines, *(f"{_title(group)}: {', '.join(cells)}" for group, cells in groups.items())]


def _group(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["what"], row.get("way", ""), row.get("n", 0), row.get("k", 0), row.get("variant", "default")


def _title(group: tuple[Any, ...]) -> str:
    what, way, n, k, variant = group
    size = f" {n}x{k}" if n > 1 else ""
    layout = "" if variant == "default" else f" {variant.replace(' ', '')}"
    return f"{what} {way.removeprefix('kernels_ref.')}{size}{layout}"


def _cell(row: dict[str, Any], base: dict[Any, float], copied: float | None) -> str:
    batch = f"{row['m']}: " if row.get("n", 1) > 1 else ""
    if "median" not in row:
        return f"{batch}not run ({row['not_run'][:80]})"
    text = f"{batch}{row['median']:.1f}"
    if row.get("operations") and (row["m"] > 1024 or row["what"].startswith("wgmma")):
        return f"{text} ({row['operations'] / row['median'] / 1e6:.0f} T/s)"
    if "n" in row and key(row) in base:
        return f"{text} ({base[key(row)] / row['median']:.2f}x)"
    if row.get("bytes") and copied:
        return f"{text} ({1e6 * row['bytes'] / row['median'] / copied:.2f})"
    return text
