"""What the pipeline of kernels that stream asks of a multiprocessor."""

import pytest

from kernels_ref.hopper.pipeline import Operand, Pipeline


def pipeline(warpgroups, memory_registers):
    fixed = {"operands": {}, "stages": 4, "passes": 1, "steps": 8, "prepare": lambda operands: None}
    return Pipeline(**fixed, warpgroups=warpgroups, memory_registers=memory_registers)


@pytest.mark.parametrize("warpgroups", [1, 2, 3, 4])
@pytest.mark.parametrize("memory_registers", range(24, 97, 8))
def test_no_warpgroup_waits_for_registers_that_the_thread_block_did_not_begin_with(warpgroups, memory_registers):
    registers = pipeline(warpgroups, memory_registers).registers
    of_each = 65536 // (128 * (warpgroups + 1)) // 8 * 8  # registers are given out in eights for a thread
    assert registers % 8 == 0
    assert registers >= of_each or warpgroups == 1
    assert registers * warpgroups + memory_registers <= of_each * (warpgroups + 1)


def test_bytes_of_an_operand():
    assert Operand(shape=(64, 256), dtype="bfloat16", places=lambda *_: []).bytes == 64 * 256 * 2
