"""Dot products on a real Hopper GPU against the golden models, every bit.

    PYTHONPATH=. python benchmarks/hardware_dot.py --out benchmarks/records/h200_dot.json

1. Every Hopper instruction that `formats.accumulators()` lists, driven by hand: mma.sync and wgmma on random and
   adversarial operands, alone and in chains of four, against `kernels_ref.matmul` on the GPU, and a sample of at least
   20,000 outputs against `reference.matmul`. Records that are wrong in one field must differ from the device.
2. torch.mm, torch._scaled_mm (both accumulation modes), torch._int_mm, Triton's tl.dot and XLA's dot: a product is
   explained if one of the listed sums gives every output.

The parts run side by side, each in a process of its own. Exit status: 0 all equal, all explained, every wrong record
noticed; 1 not, or something was not run; 2 no GPU. Needs nvcc. Without a GPU, ``tests/kernels/test_hardware_dot.py``
walks the same path with the NumPy model in the place of the device.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clock import elapsed, say
from hardware.build import nvcc
from hardware.comparison import Size
from hardware.parts import INSTRUCTION_PARTS, LIBRARY_PARTS, PARTS, carry_out


def main() -> int:
    options = arguments()
    if options.only is not None:
        size = Size(batch=options.batch, calls=options.calls, seed=options.seed)
        carry_out(options.only, options.out, size, model=options.model, threads=options.threads, every=options.every)
        return 0
    from analysis.evidence import driver, versions, write

    if driver() is None or nvcc() is None:
        missing = "nvcc" if driver() else "GPU: nvidia-smi shows none"
        print(f"no {missing}; tests/kernels/test_hardware_dot.py runs without")
        return 2
    say(f"parts {', '.join(options.parts)}, each stopped after {options.seconds:.0f} s")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(options.parts)) as pool:
        found = pool.map(lambda part: run(part, Path(folder), options), options.parts)
        parts = dict(zip(options.parts, found, strict=True))
    content = summary(parts)
    libraries = {"libraries_versions": versions(("torch", "triton")), "nvcc": compiler()}
    write(options.out, {**libraries, **content, "seed": options.seed, "seconds": round(elapsed())})
    say(verdict(content))
    return 0 if content["holds"] else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the record, JSON")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(default: all)")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)  # one part, in this process
    parser.add_argument("--batch", type=int, default=195, help="products of 64 x 32 outputs in a call")
    parser.add_argument("--calls", type=int, default=4, help="calls for each instruction alone; chains take one more")
    parser.add_argument("--every", type=int, default=1, help="take every n-th instruction and product only")
    parser.add_argument("--model", choices=("jax", "numpy"), default="jax", help="what all outputs are compared with")
    parser.add_argument("--threads", type=int, default=4, help="instructions at a time in each part")
    parser.add_argument("--seconds", type=float, default=240, help="a part that takes longer is stopped")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def run(part: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One part in a process; what it had found when it ended or was stopped."""
    path = folder / f"{part}.json"
    passed = [f"--{name}={getattr(options, name)}" for name in ("batch", "calls", "every", "model", "threads", "seed")]
    command = [sys.executable, __file__, "--only", part, "--out", str(path), *passed]
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    process = subprocess.Popen(command, env=environment)
    watch = threading.Timer(options.seconds, process.kill)
    watch.start()
    status = process.wait()
    watch.cancel()
    found = json.loads(path.read_text()) if path.exists() else {"done": {}, "not_run": {}}
    if status:
        found["not_run"]["the rest"] = f"stopped with status {status} after {elapsed():.0f} s"
    return found


def compiler() -> str:
    """What nvcc calls itself."""
    shown = subprocess.run([nvcc() or "nvcc", "--version"], capture_output=True, text=True, check=False).stdout
    return next((line for line in shown.splitlines() if "release" in line), "not found")


def summary(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The record: counts over all parts, then the parts."""
    instructions = {k: v for part in INSTRUCTION_PARTS for k, v in parts.get(part, {"done": {}})["done"].items()}
    products = {k: v for part in LIBRARY_PARTS for k, v in parts.get(part, {"done": {}})["done"].items()}
    not_run = {f"{part}: {k}": v for part, found in parts.items() for k, v in found["not_run"].items()}
    mismatches = sum(each["mismatches"] for each in instructions.values())
    unexplained = {k: v["outputs"] - v["explained"] for k, v in products.items() if v["explained"] < v["outputs"]}
    silent = [
        f"{name}: {what}"
        for name, each in instructions.items()
        for what, control in each["controls"].items()
        if not control["mismatches"]
    ]
    return {
        "holds": bool(instructions or products) and not (mismatches or unexplained or silent or not_run),
        "instructions_compared": len(instructions),
        "outputs": sum(each["outputs"] for each in instructions.values()),
        "mismatches": mismatches,
        "numpy_outputs": sum(case["numpy"]["outputs"] for each in instructions.values() for case in each["cases"]),
        "wrong_records": sum(len(each["controls"]) for each in instructions.values()),
        "wrong_records_not_noticed": silent,
        "library_products": len(products),
        "library_outputs": sum(each["outputs"] for each in products.values()),
        "library_outputs_unexplained": unexplained,
        "not_run": not_run,
        "part_seconds": {part: found.get("seconds") for part, found in parts.items()},
        "instructions": instructions,
        "libraries": products,
    }


def verdict(content: dict[str, Any]) -> str:
    counts = {
        "mismatches": content["mismatches"],
        "outputs": content["outputs"],
        "instructions": content["instructions_compared"],
        "wrong records": content["wrong_records"],
        "of them not noticed": len(content["wrong_records_not_noticed"]),
        "library products": content["library_products"],
        "of them not explained": len(content["library_outputs_unexplained"]),
        "not run": len(content["not_run"]),
    }
    return f"{'HOLDS' if content['holds'] else 'FAILS'}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items())


if __name__ == "__main__":
    raise SystemExit(main())
