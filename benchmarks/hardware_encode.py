"""The Mosaic GPU encode kernel on a real GPU against the golden model, every element, and its bandwidth.

    PYTHONPATH=. python benchmarks/hardware_encode.py --out benchmarks/records/h200_encode.json

For each registered float of at most 8 bits:

1. `kernels_ref.verify` on bfloat16: all 65,536 inputs and the format's landmarks, ties-to-even + SAT_FINITE;
2. float32: 25 blocks of 2^22 inputs (even blocks any bit pattern, odd ones exponents within 2^+-24), and the
   landmarks of the format (ties, range ends, subnormals, NaN payloads, with neighbours);
3. while time is left, 1. again in further modes, in an order that reaches every rounding and saturation early.

A planted wrong tie rule, dropped tail and flipped bit must turn the comparison red. Exit status: 0 all equal and all
faults noticed, 1 not, 2 no GPU. Without one, ``--interpret --formats float8_e4m3fn --block 8192 --blocks 2`` walks
the same path in Pallas' interpreter.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import record
from clock import elapsed, say

import formats
import kernels_ref
import reference
from formats import FloatSpec, Rounding, Saturation
from kernels_ref import mosaic

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
TIMED = ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e3m2fn", "float4_e2m1fn")
RANDOM_BIT_COUNT = 11


@dataclass
class Tally:
    """What was compared so far."""

    elements: int = 0
    mismatches: int = 0
    failures: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, what: str, elements: int, mismatches: int, holds: bool, text: str = "") -> None:
        self.elements += elements
        self.mismatches += mismatches
        if not holds:
            self.failures.append(what)
            say(f"!! {what}\n{text}")

    def summary(self) -> dict[str, Any]:
        return {
            "elements": self.elements,
            "mismatches": self.mismatches,
            "failures": self.failures,
            "codes_sha256": self.digest.hexdigest(),
        }


def main() -> int:
    options = arguments()
    if jax.default_backend() != "gpu" and not options.interpret:
        say(f"no GPU: the backend is {jax.default_backend()}; --interpret runs a small part without one")
        return 2
    names = options.formats or narrow_floats()
    say(f"{jax.devices()[0].device_kind}, {len(names)} formats")
    bfloat16, float32, modes = Tally(), Tally(), Tally()
    faults = planted_faults(options)
    blocks = [base_block(i, options) for i in range(options.blocks)]
    for i, name in enumerate(names):
        check_bfloat16(name, RNE, options, bfloat16)
        check_float32(name, blocks, options, float32)
        say(f"{i + 1}/{len(names)} {name}: {bfloat16.mismatches + float32.mismatches} mismatches so far")
    blocks.clear()
    bandwidth = {} if options.interpret else measure(options.timed_elements)
    passes = further_modes(names, options, modes)
    holds = not (bfloat16.failures or float32.failures or modes.failures) and all(faults.values())
    content = {
        "holds": holds,
        "formats": names,
        "formats_digest": record.spec_digest(names),
        "interpreted": options.interpret,
        "policy": RNE,
        "bfloat16": bfloat16.summary(),
        "float32": {**float32.summary(), "each_format_at_least": options.block * options.blocks},
        "further_modes": {**modes.summary(), "passes": passes},
        "planted_faults_noticed": faults,
        "bandwidth": bandwidth,
        "seed": options.seed,
        "seconds": round(elapsed()),
    }
    record.write(options.out, content)
    say(f"{'HOLDS' if holds else 'FAILS'}: {sum(t.elements for t in (bfloat16, float32, modes)):,} elements")
    return 0 if holds else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the record, JSON")
    parser.add_argument("--formats", nargs="+", help="registered floats of at most 8 bits (default: all)")
    parser.add_argument("--block", type=int, default=1 << 22, help="float32 inputs per call")
    parser.add_argument("--blocks", type=int, default=25, help="calls per format")
    parser.add_argument("--minutes", type=float, default=6.0, help="start no further mode after this time")
    parser.add_argument("--passes", type=int, default=9, help="further modes per format at most")
    parser.add_argument("--timed-elements", type=int, default=1 << 27, help="elements in the bandwidth part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interpret", action="store_true", help="no GPU: Pallas' interpreter, slow")
    return parser.parse_args()


def narrow_floats() -> list[str]:
    specs = [formats.get(name) for name in formats.names()]
    return [spec.name for spec in specs if isinstance(spec, FloatSpec) and spec.bits <= 8]


def check_bfloat16(name: str, policy: dict[str, Any], options: argparse.Namespace, tally: Tally) -> None:
    """One format and policy by `kernels_ref.verify`: all bfloat16 inputs, planted faults included."""
    random_bit_count = policy.get("random_bit_count")

    def subject(x: Any, random_bits: Any = None) -> Any:
        codes = np.asarray(mosaic.encode(x, name, **policy, random_bits=random_bits, interpret=options.interpret))
        tally.digest.update(codes.tobytes())
        return codes

    contract = kernels_ref.encode_contract(name, dtype="bfloat16", **policy)
    report = kernels_ref.verify(subject, contract, seed=options.seed)
    terms = [policy["rounding"], policy["saturation"], *([f"{random_bit_count} bits"] if random_bit_count else [])]
    what = f"bfloat16 -> {name} {' '.join(terms)}"
    tally.add(what, report.compared, report.mismatches, report.holds, str(report))


def base_block(index: int, options: argparse.Namespace) -> np.ndarray:
    """Random float32: any bit pattern in even blocks, exponents within 2^+-24 in odd ones."""
    rng = np.random.default_rng([options.seed, index])
    bits = rng.integers(0, 1 << 32, options.block, dtype=np.uint32)
    if index % 2:
        exponents = rng.integers(127 - 24, 127 + 25, options.block, dtype=np.uint32)
        bits = (bits & np.uint32(0x807FFFFF)) | (exponents << np.uint32(23))
    return bits.view(np.float32)


def check_float32(name: str, blocks: list[np.ndarray], options: argparse.Namespace, tally: Tally) -> None:
    """Every element of the base blocks, and of one block that repeats the format's landmarks."""
    contract = kernels_ref.encode_contract(name, dtype="float32", **RNE)
    landmarks = np.resize(contract.inputs(options.seed), options.block)

    def one(x: np.ndarray) -> tuple[int, int, bytes]:
        codes = np.asarray(mosaic.encode(x, name, **RNE, interpret=options.interpret))
        wrong = codes != reference.encode(x, name, **RNE)
        return codes.size, int(wrong.sum()), hashlib.sha256(codes).digest()

    results = [one(landmarks)]  # compiles, before the threads come in
    with ThreadPoolExecutor(1 if options.interpret else 8) as pool:  # the interpreter takes one call at a time
        results += pool.map(one, blocks)
    for size, mismatches, digest in results:
        tally.add(f"float32 -> {name}", size, mismatches, mismatches == 0)
        tally.digest.update(digest)


def further_modes(names: list[str], options: argparse.Namespace, tally: Tally) -> int:
    """Other modes, one for every format in turn, until the time is up; returns how many were walked."""
    done = 0
    for turn in range(options.passes):
        for i, name in enumerate(names):
            if elapsed() > 60 * options.minutes:
                return done
            choice = other_policies(name)
            check_bfloat16(name, choice[(i + turn * 7) % len(choice)], options, tally)
            done += 1
        say(f"further modes, pass {turn + 1}: {done} walked, {tally.mismatches} mismatches")
    return done


def other_policies(name: str) -> list[dict[str, Any]]:
    """Every rounding with every saturation of the format, save the one that each format starts with."""
    every = [(r, s) for r in Rounding for s in formats.get(name).saturations]
    every.remove((Rounding.NEAREST_TIES_TO_EVEN, Saturation.SAT_FINITE))
    return [
        {"rounding": r.value, "saturation": s.value, "nan": "zero"}
        | ({"random_bit_count": RANDOM_BIT_COUNT} if r.is_stochastic else {})
        for r, s in every
    ]


def planted_faults(options: argparse.Namespace) -> dict[str, bool]:
    """Whether the comparison turns red for kernels that are wrong on purpose, run on this device."""
    name = "float8_e4m3fn"
    contract = kernels_ref.encode_contract(name, dtype="bfloat16", **RNE)

    def run(x: Any, **changes: Any) -> Any:
        return mosaic.encode(x, name, **{**RNE, **changes}, interpret=options.interpret)

    def wrong_tie(x: Any) -> Any:
        return run(x, rounding="nearest_ties_to_away")

    def dropped_tail(x: Any) -> Any:
        return jnp.concatenate([run(x[: -mosaic.PER_CTA]), jnp.zeros(mosaic.PER_CTA, jnp.uint8)])

    def flipped_bit(x: Any) -> Any:
        return run(x).at[x.size // 3].add(jnp.uint8(128))  # the sign

    subjects = {"wrong tie": wrong_tie, "dropped tail": dropped_tail, "flipped bit": flipped_bit}
    noticed = {what: not kernels_ref.verify(subject, contract).equal for what, subject in subjects.items()}
    say(f"planted faults noticed: {noticed}")
    return noticed


def measure(elements: int) -> dict[str, Any]:
    """GB/s of bytes read and written: the kernel, `kernels_ref.encode` by XLA, and a copy as the ceiling."""
    bits = np.random.default_rng(0).standard_normal(elements, dtype=np.float32)
    x32 = jnp.asarray(bits)
    result: dict[str, Any] = {"elements": elements, "unit": "GB/s read + written, median of 7 rounds of 20 calls"}
    result["copy"] = {"float32": rate(jax.jit(lambda v: v + 1), x32, 8)}
    for dtype in ("float32", "bfloat16"):
        x = x32.astype(dtype)
        moved = x.dtype.itemsize + 1
        for name in TIMED:
            kernel = rate(lambda v, name=name: mosaic.encode(v, name, **RNE), x, moved)
            xla = rate(lambda v, name=name: kernels_ref.encode(v, name, **RNE), x, moved)
            result[f"{dtype} -> {name}"] = {"mosaic": kernel, "xla": xla, "mosaic_over_xla": round(kernel / xla, 3)}
            say(f"{dtype} -> {name}: Mosaic {kernel:.0f}, XLA {xla:.0f}, copy {result['copy']['float32']:.0f} GB/s")
    return result


def rate(function: Any, x: jax.Array, bytes_per_element: int) -> float:
    """Wall time of queued calls; each works on far more than the cache holds."""
    function(x).block_until_ready()
    seconds: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(20):
            output = function(x)
        output.block_until_ready()
        seconds.append((time.perf_counter() - start) / 20)
    return round(x.size * bytes_per_element / statistics.median(seconds) / 1e9, 1)


if __name__ == "__main__":
    raise SystemExit(main())
