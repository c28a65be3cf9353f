"""``python -m analysis.requantisers``: which requantisers differ, and how often; a picture beside."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.plots import png
from analysis.report.files import write
from analysis.requantisers.differences import RATIOS, REACH, matrix, picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the matrix in percent and write out/requantisers.png."""
    parser = argparse.ArgumentParser(prog="python -m analysis.requantisers", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for requantisers.png")
    chosen = parser.parse_args(arguments)
    shares = matrix()
    names = [str(name) for name in shares.columns]
    print(f"per cent of the accumulators -{REACH}..{REACH} that differ, over ratios {', '.join(map(str, RATIOS))}")
    print(" " * 26 + " ".join(f"{i:5}" for i in range(len(names))))
    for i, (name, row) in enumerate(zip(names, shares.to_numpy().tolist(), strict=True)):
        print(f"{name:24}{i:2} " + " ".join("    -" if cell != cell else f"{100 * cell:5.1f}" for cell in row))
    print(write(chosen.out / "requantisers.png", png(picture(shares))))


if __name__ == "__main__":
    main()
