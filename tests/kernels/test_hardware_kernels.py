"""The run of every kernel on a GPU, without one: its parts, and what becomes of a process that hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from kernels import compare, schedule, summary, supervise, tiles, verify_products
from kernels import worker as kernels_worker
from kernels.settings import Settings

from formats.products import StreamK
from kernels_ref.contracts import Operation, Shape, contract, contracts, operands, resolve

ROOT = Path(__file__).parents[2]
SPLIT = StreamK(rows=128, depth=256, blocks=7)


def worker(tmp_path, items, **changes):
    return supervise.Worker(
        name="one",
        items=items,
        folder=tmp_path,
        settings=Settings.tiny().to_json(),
        until=time.monotonic() + 60,
        **changes,
    )


def test_without_a_gpu_it_says_so(tmp_path):
    script = [sys.executable, str(ROOT / "benchmarks" / "hardware_kernels.py"), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": ""}
    result = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no GPU: there is no NVIDIA driver" in result.stdout


def test_an_item_that_fails_does_not_stop_the_others(tmp_path):
    one = worker(tmp_path, ["canary:nothing", "odd:item"])
    one.start()
    supervise.watch([one], time.monotonic() + 60)
    found = supervise.collected([one])
    assert found["canary:nothing"]["error"] == "KeyError: 'nothing'"
    assert found["odd:item"]["error"].startswith("ValueError: item 'odd:item': unknown kind; known: canary")


def test_preparing_may_take_its_time_and_its_errors_are_the_items(tmp_path):
    results = tmp_path / "results"
    results.touch()
    os.utime(results, (0, 0))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: time.sleep(2.5) or (lambda: 7))
        assert kernels_worker.awaited(slow, results)() == 7
        assert results.stat().st_mtime > 1
        with pytest.raises(TimeoutError, match="its own"):
            kernels_worker.awaited(pool.submit(raises), results)


def raises():
    raise TimeoutError("its own")


@pytest.mark.parametrize("ends", ["hangs", "dies"])
def test_a_process_that_hangs_or_dies_is_begun_again_without_what_it_had_begun(tmp_path, monkeypatch, ends):
    code = (
        "import json, sys, time\n"
        "items = sys.argv[sys.argv.index('--items') + 1 :]\n"
        "out = open(sys.argv[sys.argv.index('--results') + 1], 'a')\n"
        "for item in items:\n"
        "    print(json.dumps({'item': item, 'event': 'begun'}), file=out, flush=True)\n"
        f"    if item == 'b': {'time.sleep(60)' if ends == 'hangs' else 'sys.exit(1)'}\n"
        "    print(json.dumps({'item': item, 'event': 'done', 'result': 1, 'seconds': 0}), file=out, flush=True)\n"
    )
    begin = subprocess.Popen
    monkeypatch.setattr(
        supervise.subprocess, "Popen", lambda line, **rest: begin([line[0], "-c", code, *line[3:]], **rest)
    )
    one = worker(tmp_path, ["a", "b", "c"], patience=1.5)
    one.start()
    supervise.watch([one], time.monotonic() + 30)
    found = supervise.collected([one])
    assert [found[item].get("result") for item in "abc"] == [1, None, 1]
    assert found["b"] == {"error": "hung, or the process died"}


def test_every_contract_is_verified_and_timed():
    verified = {item.partition(":")[2] for item in schedule.verifications()}
    assert verified == set(contracts())
    timed = schedule.timings()
    for name in contracts():
        assert any(name in item.split(":") for item in timed), name
    assert len(timed) == len(set(timed))
    assert timed[:4] == ["environment", "ceilings", "rates", "xla:bfloat16:large"]
    dealt = schedule.shared_out(schedule.verifications(), 5)
    assert sorted(item for share in dealt for item in share) == sorted(schedule.verifications())


def test_named_contracts_alone_are_run():
    assert schedule.verifications(["w8a8_int8"]) == ["verify:w8a8_int8"]
    some = schedule.verifications(["decode_Binary3p1s?_float32", "decode_Binary3p1se_*", "w8a8_int?"])
    names = ["decode_Binary3p1se_float32", "decode_Binary3p1sf_float32", "decode_Binary3p1se_bfloat16"]
    assert sorted(some) == sorted(["verify:w8a8_int8", *(f"elements:{name}" for name in names)])


@pytest.mark.parametrize("name", ["w4a16_g128", "w8a8_fp8_block128", "w4a8_qqq_g128"])
def test_some_tiles_are_those_of_the_whole_product(name):
    claim, shape = contract(name), Shape(m=4, n=640, k=1024)
    drawn = operands(claim, shape, family="random", seed=0)
    whole = resolve(claim.golden)(**drawn, **claim.keywords, split=SPLIT)
    for chosen in ((0, 3), tiles.some_tiles(shape.n, shape.k, SPLIT, 3)):
        some = tiles.golden(claim, drawn, shape, SPLIT, tiles=chosen, rows=slice(1, 3))
        assert np.array_equal(some, whole[1:3][:, tiles.columns(shape.n, SPLIT, chosen)])


def test_tiles_are_cut_in_different_places():
    chosen = tiles.some_tiles(640, 1024, SPLIT, 4)
    cuts = SPLIT.cuts(640, 1024)
    assert chosen[0] == 0
    assert len({cuts[tile] for tile in chosen}) > 1


def test_rounding_of_wide_results_is_the_golden_one():
    for name in ("w4a16_g128", "w4a8_qqq_g128"):
        claim = contract(name)
        drawn = operands(claim, Shape(m=4, n=128, k=256), family="random", seed=1)
        before = verify_products.before_rounding(claim)
        wide = resolve(claim.golden)(**drawn, **before.keywords)
        assert wide.dtype == np.uint32
        due = resolve(claim.golden)(**drawn, **claim.keywords)
        assert np.array_equal(verify_products.narrowed(wide, claim.out[0].format), due)


def test_one_wrong_bit_is_counted_and_placed():
    tally = compare.Tally()
    want = np.arange(12, dtype=np.uint16).reshape(3, 4)
    got = want.copy()
    got[2, 1] ^= 256
    tally.add("good", want, want)
    tally.add("bad", got, want)
    tally.add("shape", want[:2], want)
    assert (tally.outputs, tally.mismatches) == (36, 13)
    assert tally.failures["bad"] == "1 of 12; first at [2, 1]: 0x109 where 0x9 is due"
    assert set(tally.failures) == {"bad", "shape"}


def test_negative_zero_is_not_zero():
    tally = compare.Tally()
    tally.add("zeros", np.float32([0.0]), np.float32([-0.0]))
    assert tally.mismatches == 1


def verified(mismatches=0, failures=(), **faults):
    tally = {"outputs": 5, "mismatches": mismatches, "failures": dict(failures)}
    return {"result": {"twin": tally, "planted_faults_noticed": faults}}


@pytest.mark.parametrize(
    ("item", "holds"),
    [
        (verified(x=True), True),
        (verified(x=False), False),
        (verified(mismatches=1), False),
        (verified(failures={"a": "not compiled"}), False),
        ({"error": "hung, or the process died"}, False),
        ({"unfinished": "the time was over"}, False),
    ],
)
def test_a_record_holds_only_if_all_was_equal(item, holds):
    record = summary.record({"verify:w4a16_g128": item}, Settings.tiny(), 1.0)
    assert record["holds"] is holds
    assert json.dumps(record)
    assert summary.table(record)


def test_the_table_of_a_whole_run_fits():
    """Of every row that there can be; a tool that keeps the end of the output keeps 12,000 characters or more."""
    items = {
        "ceilings": {"result": [{"what": "copy", "bytes": 4e9, "median": 1100.0, "lower": 1000.0, "clock": "cupti"}]}
    }
    for item in [*schedule.timings(), *schedule.peers()]:
        kind, _, rest = item.partition(":")
        if kind in ("product", "xla", "peer", "dense") and rest.endswith("large"):
            name = rest.rpartition(":")[0]
            row = {"what": name, "way": "kernels_ref.hopper.scaled_matmul", "n": 28672, "k": 8192, "median": 123.4}
            row |= {"clock": "cupti", "bytes": 1e8, "operations": 1e9}
            items[item] = {"result": [{**row, "m": m} for m in (1, 8, 16, 64, 256)]}
    record = summary.record(items, Settings(), 400.0)
    assert len(summary.table(record)) < 9000


def test_every_product_is_among_the_contracts_of_the_run():
    assert set(schedule.FIRST) <= set(contracts(Operation.SCALED_PRODUCT))
    assert set(schedule.MAIN) <= set(schedule.FIRST)
