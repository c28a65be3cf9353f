"""``python -m analysis.hawq``: the digits network in integers, at 8, 4 and mixed bits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from analysis.hawq.digits import FLAVOURS, MIXED, Result, bits, costs, integer_network, predictions
from analysis.hawq.making import TUNED, make_float, make_table, make_tuned
from analysis.networks.digits import Digits, digits
from analysis.networks.digits_resnet import trained
from analysis.networks.float_run import run_float
from analysis.progress import Progress, bar


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; with ``--train`` make the kept weights anew before."""
    parser = argparse.ArgumentParser(prog="python -m analysis.hawq", description=__doc__)
    parser.add_argument("--train", action="store_true", help="make weights and sensitivities anew: some ten minutes")
    if parser.parse_args(arguments).train:
        _train()
    data = digits()
    with bar("digits") as heard:
        results = measure(data, progress=heard)
    print("\n".join(_lines(data, results)))


def measure(data: Digits, *, progress: Progress) -> list[Result]:
    """The result of every network."""
    names, results = ("int8", "int4", *MIXED), list[Result]()
    for index, name in enumerate(names):
        progress(index, len(names), name)
        results.append(result(name, data))
    progress(len(names), len(names), "done")
    return results


def result(name: str, data: Digits) -> Result:
    """What one network does on the held-out digits."""
    ours, theirs = (predictions(integer_network(name, data, flavour=f), data.held_out_x) for f in FLAVOURS)
    untuned = predictions(integer_network(name, data, tuned=False), data.held_out_x)
    size, bops = costs(name)
    return Result(
        name=name,
        bits="".join(map(str, bits(name).values())),
        size=size,
        bops=bops,
        wrong=int((ours != data.held_out_y).sum()),
        wrong_untuned=int((untuned != data.held_out_y).sum()),
        pictures=len(data.held_out_y),
        different=int((ours != theirs).sum()),
    )


def _lines(data: Digits, results: Sequence[Result]) -> list[str]:
    exact = int((np.asarray(run_float(trained("float"), data.held_out_x)).argmax(-1) != data.held_out_y).sum())
    count = len(data.held_out_y)
    lines = [f"float32: {exact} of {count} held-out digits wrong, {100 * (1 - exact / count):.2f} %"]
    lines.append(
        f"{'network':10} {'bits':9} {'kB':>6} {'M BOPS':>7} {'wrong':>5} {'%':>6} {'untuned':>7} {'TVM differs':>11}"
    )
    for each in results:
        lines.append(
            f"{each.name:10} {each.bits:9} {each.size / 1e3:6.1f} {each.bops / 1e6:7.1f} {each.wrong:5} "
            f"{each.accuracy:6.2f} {each.wrong_untuned:7} {each.different:11}"
        )
    return lines


def _train() -> None:
    def shown(what: str) -> Progress:
        def heard(done: int, total: int, label: str) -> None:
            print(f"\r{what}: {label} {done}/{total}   ", end="" if done < total else "\n", flush=True)

        return heard

    make_float(shown)
    make_table(shown)
    for name in TUNED:
        make_tuned(name, shown)


if __name__ == "__main__":
    main()
