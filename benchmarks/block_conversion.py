"""How often a reciprocal of NVFP4's second-level number decodes every code alike."""

from __future__ import annotations

import numpy as np

from formats.block_formats.named import block
from reference.block_conversion import convert_blocks
from reference.blocks import BlockTensor

DRAWN = 400
SCALES = np.arange(1, 127, dtype=np.uint8)[:, None]  # every positive number of E4M3


def converts(a: str, b: str, second: np.float32, dtype: str) -> bool:
    codes = np.zeros((len(SCALES), 16), np.uint8)
    try:
        convert_blocks(BlockTensor(spec=block(a), codes=codes, scales=SCALES, second=second), b, dtype=dtype)
    except ValueError:
        return False
    return True


def main() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float32", "bfloat16", "float16"):
        for a, b, unit in (("nvfp4", "nvfp4_divisor", 1.0), ("nvfp4_divisor", "nvfp4", 1000.0)):
            drawn = (unit * 2.0 ** rng.uniform(-8, 8, DRAWN)).astype(np.float32)
            count = sum(converts(a, b, second, dtype) for second in drawn)
            print(f"{dtype:9} {a} to {b}: {count} of {DRAWN}")


if __name__ == "__main__":
    main()
