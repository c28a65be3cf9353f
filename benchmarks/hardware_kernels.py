"""Every kernel on a real GPU: each bit against the golden models, and its time beside XLA, cuBLAS and Triton.

    PYTHONPATH=. python benchmarks/hardware_kernels.py --out OUT --weights weights.npz

Verifying and timing run as processes of their own, watched: one that hangs is killed and begun again without what hung.
Processes that verify share the GPU; those that time have it alone, but compile while the others verify. The record,
``OUT/kernels.json``, is written after every stage; a table is printed last. ``--budget`` seconds bound all of it, the
most important parts come first.

Exit status: 0 every bit equal and every fault noticed, 1 not, 2 no GPU. ``--interpret`` walks the same path on a CPU
with tiny shapes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from clock import elapsed, say
from kernels import schedule, summary
from kernels.settings import Settings
from kernels.supervise import Worker, collected, watch

from analysis.evidence import driver


def main() -> int:
    options = arguments()
    given = {"weights": str(options.weights.resolve()) if options.weights else "", **options.settings}
    settings = Settings.tiny(**given) if options.interpret else Settings.from_json(json.dumps(given))
    if driver() is None and not options.interpret:
        say("no GPU: there is no NVIDIA driver; --interpret runs a small part without one")
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="assay-kernels-") as folder:
        canaries, settings = canary(settings, Path(folder))
        workers = {"canary": canaries, **begun(options, settings, Path(folder), begin + options.budget)}
        record = run(workers, options, settings, begin)
        (options.out / "log.txt").write_text(logs(workers, Path(folder)), encoding="utf-8")
    print(summary.table(record), flush=True)
    return 0 if record["holds"] else 1


def canary(settings: Settings, folder: Path) -> tuple[list[Worker], Settings]:
    """A small product through each kind of kernel; where joining parts hangs, they are joined by XLA."""
    limit = 600 if settings.interpret else 100
    common: dict[str, Any] = {
        "folder": folder,
        "until": time.monotonic() + limit,
        "patience": 0.6 * limit,
        "threads": 0,
    }
    workers = [
        Worker(name="canary-streamed", items=["environment", "canary:streamed"], settings=settings.to_json(), **common),
        Worker(name="canary-dense", items=["canary:dense"], settings=settings.to_json(), **common),
    ]
    for worker in workers:
        worker.start()
    watch(workers, time.monotonic() + limit)
    found = collected(workers)
    for name, item in found.items():
        say(f"{name}: {str(item.get('result', item.get('error')))[:160]}")
    if "mismatches" not in found.get("canary:streamed", {}).get("result", {}):
        settings = replace(settings, join="planes")
        say("the streaming kernel's parts are added by XLA in what follows")
    if "mismatches" not in found.get("canary:dense", {}).get("result", {}):
        settings = replace(settings, dense=False)
        say("the dense kernels are left out of what follows")
    return workers, settings


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for kernels.json and log.txt")
    parser.add_argument("--budget", type=float, default=420, help="seconds for everything")
    parser.add_argument("--weights", type=Path, help="real weights: python -m kernels.real --out FILE")
    parser.add_argument("--verifiers", type=int, default=6, help="processes that verify at the same time")
    parser.add_argument("--timers", type=int, default=5, help="processes that compile, and time in turn")
    parser.add_argument("--only", nargs="+", help="patterns of contracts, of every format too: 'decode_*'")
    parser.add_argument("--settings", type=json.loads, default={}, help="fields of kernels.settings.Settings, JSON")
    parser.add_argument("--interpret", action="store_true", help="no GPU: Pallas' interpreter, tiny shapes")
    return parser.parse_args()


def begun(options: argparse.Namespace, settings: Settings, folder: Path, end: float) -> dict[str, list[Worker]]:
    """All processes, started; those that time wait for their turn."""
    common: dict[str, Any] = {"folder": folder, "settings": settings.to_json(), "until": end - 20}
    shares = schedule.shared_out(schedule.verifications(options.only), options.verifiers)
    verifiers = [Worker(name=f"verify{i}", items=items, **common) for i, items in enumerate(shares)]
    common["turn"] = folder / "turn"
    timings = [item for item in schedule.timings(options.only) if settings.dense or not item.startswith("dense:")]
    timers = [
        Worker(name=f"time{i}", items=items, go=folder / "go-time", **common)
        for i, items in enumerate(schedule.shared_out(timings, options.timers))
    ]
    asked = [] if settings.interpret else schedule.peers()
    peers = [Worker(name="peers", items=asked, go=folder / "go-peers", **common)] if asked else []
    for worker in [*verifiers, *timers, *peers]:
        worker.start()
    return {"verify": verifiers, "time": timers, "peers": peers}


def run(workers: dict[str, list[Worker]], options: argparse.Namespace, settings: Settings, begin: float) -> Any:
    """Stage after stage; the record so far is written after each."""
    every = [worker for group in workers.values() for worker in group]
    record: dict[str, Any] = {}

    def write(stage: str) -> None:
        record.update(summary.record(collected(every), settings, elapsed()))
        (options.out / "kernels.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        say(f"{stage}: {record['outputs']:,} results compared, {record['mismatches']:,} mismatches")

    watch(workers["verify"], begin + schedule.VERIFYING * options.budget)
    write("verified")
    for stage, share in (("time", schedule.TIMING), ("peers", 1.0)):
        for worker in workers[stage]:
            assert worker.go is not None
            worker.go.touch()
        watch(workers[stage], begin + share * options.budget)
        write(stage)
    return record


def logs(workers: dict[str, list[Worker]], folder: Path) -> str:
    """What the processes printed."""
    names = [worker.name for group in workers.values() for worker in group]
    found = {name: folder / f"{name}.log" for name in names}
    return "\n".join(f"== {name}\n{path.read_text(errors='replace')}" for name, path in found.items() if path.exists())


if __name__ == "__main__":
    raise SystemExit(main())
