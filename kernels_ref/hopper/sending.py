"""A warpgroup's sums, sent to the first thread block of a cluster, at a barrier that counts their bytes.

The block that is sent to announces, as it begins, how many bytes are to come; so whoever sends only stores. Pallas'
`async_store_smem` announces when it sends, as a release for the whole cluster: it waits until all that a thread read
and wrote is done. (PTX ISA: mbarrier.arrive.expect_tx, st.async, barrier.cluster.)
"""

from __future__ import annotations

import functools
from typing import Any

from kernels_ref.hopper import parts
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.mlir_thread import MlirThread
from kernels_ref.hopper.traced import jnp
from kernels_ref.pallas import pallas

#: 32-bit words of a barrier, bytes of a sum
_WORDS, _BYTES = 2, 4
#: the first thread of the block: a barrier for one thread, which arrives at once and says what is to come
_ANNOUNCE = """{
    mbarrier.init.shared::cta.b64 [$0], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;
}"""
_ANNOUNCED = """{
    fence.mbarrier_init.release.cluster;
    barrier.cluster.arrive.relaxed;
}"""
_SEND = """{
    .reg .b32 room, barrier;
    mapa.shared::cluster.u32 room, $0, 0;
    mapa.shared::cluster.u32 barrier, $1, 0;
    st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [room], {$2, $3, $4, $5}, [barrier];
}"""
_WAIT = """{
    .reg .pred there;
round:
    mbarrier.try_wait.parity.shared::cta.b64 there, [$0], 0;
    @!there bra round;
}"""


def barriers(count: int) -> Any:
    """Room for so many in shared memory."""
    return pallas()[0].SMEM((count, _WORDS), jnp.int32)


def announce(refs: Any, tokens: int) -> None:
    """What every thread of the cluster does first: each of the barriers is to get 64 x ``tokens`` sums."""
    plgpu, _ = pallas()
    own = [refs.at[i] for i in range(refs.shape[0])]
    emit = functools.partial(_announce, _BYTES * ROWS * tokens)
    plgpu.inline_mgpu(arg_types=(plgpu.RefType(),) * len(own))(emit)(*own)


def announced() -> None:
    """Wait until the barriers of the whole cluster are there; each thread that sends or waits does it once."""
    plgpu, _ = pallas()
    plgpu.inline_mgpu()(_announced)()


def send(sums: Any, room: Any, barrier: Any) -> None:
    """To ``room`` and ``barrier`` of the cluster's first thread block, which `parts.load` reads."""
    plgpu, _ = pallas()
    plgpu.inline_mgpu(arg_types=(plgpu.Layout.WGMMA, plgpu.RefType(), plgpu.RefType()))(_send)(sums, room, barrier)


def wait(barrier: Any) -> None:
    """Until all sums of a barrier are there."""
    plgpu, _ = pallas()
    plgpu.inline_mgpu(arg_types=(plgpu.RefType(),))(_wait)(barrier)


def _announce(size: int, _: Any, *refs: Any) -> None:
    mlir = MlirThread()
    branch = mlir.scf.IfOp(mlir.arith.cmpi(mlir.arith.CmpIPredicate.eq, mlir.of_block, mlir.word(0)))
    with mlir.ir.InsertionPoint(branch.then_block):
        for ref in refs:
            mlir.utils.inline_ptx(_ANNOUNCE, _barrier(mlir, ref), mlir.word(size), has_side_effects=True)
        mlir.scf.yield_([])
    mlir.utils.inline_ptx(_ANNOUNCED, has_side_effects=True)


def _announced(_: Any) -> None:
    MlirThread().utils.inline_ptx("barrier.cluster.wait.acquire;", has_side_effects=True)


def _send(_: Any, sums: Any, room: Any, barrier: Any) -> None:
    mlir = MlirThread()
    at = _barrier(mlir, barrier)
    for turn, four in enumerate(parts.fours(mlir, sums)):
        place = mlir.llvm.ptrtoint(mlir.i32, parts.address(mlir, room, turn))
        words = [mlir.arith.bitcast(mlir.i32, x) for x in four]
        mlir.utils.inline_ptx(_SEND, place, at, *words, has_side_effects=True)


def _wait(_: Any, barrier: Any) -> None:
    mlir = MlirThread()
    mlir.utils.inline_ptx(_WAIT, _barrier(mlir, barrier), has_side_effects=True)


def _barrier(mlir: MlirThread, ref: Any) -> Any:
    """Its address in shared memory."""
    return mlir.llvm.ptrtoint(mlir.i32, mlir.utils.memref_ptr(ref))
