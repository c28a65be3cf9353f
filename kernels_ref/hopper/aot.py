"""Compile a JAX program for a Hopper GPU on a machine without one, and keep what the compiler wrote.

XLA takes a description of a GPU in place of a GPU. With the wheels of the CUDA plug-in, and neither driver nor CUDA
toolkit, the whole tool chain then runs on a CPU: Mosaic, LLVM to PTX, and NVIDIA's assembler ptxas to machine code.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax

from kernels_ref.hopper.ptx_report import Resources, resources
from kernels_ref.hopper.ptx_text import entry_name
from kernels_ref.pallas import compiled_anew, pallas

#: the packages that hold the compiler; their version must be that of jax
PACKAGES = ("jax-cuda13-plugin", "jax-cuda13-pjrt")

#: what XLA asks about a GPU: a GpuTargetConfigProto as text. Limits of compute capability 9.0 from the CUDA C++
#: Programming Guide, sizes and rates from NVIDIA's data sheets.
_DESCRIPTION = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  registers_per_core_limit: 65536 registers_per_block_limit: 65536 clock_rate_ghz: 1.98
  memory_bandwidth: {bandwidth} l2_cache_size: 52428800 device_memory_size: {memory}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  cuda_compute_capability {{ major: 9 feature_extension: ACCELERATED_FEATURES }}
  device_vendor: "NVIDIA Corporation" name: "{name}" device_address_bits: 64
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.10.0"
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{name}"
"""

#: targets by name, as XLA takes them
TARGETS = {
    "h100": _DESCRIPTION.format(name="NVIDIA H100 80GB HBM3", bandwidth=3352320000000, memory=84942979072),
    "h200": _DESCRIPTION.format(name="NVIDIA H200", bandwidth=4800000000000, memory=141000000000),
}

_ENVIRONMENT = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One GPU kernel of a compiled program."""

    name: str
    ptx: str
    #: what ptxas reports; None for kernels that XLA wrote itself, whose report it does not give out
    resources: Resources | None
    #: bytes of shared memory that a block asks for when it starts, beside the static ones in ``resources``
    dynamic_shared: int
    #: the machine code, where nvdisasm was found; else empty
    sass: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A program compiled for a GPU: its kernels, those of Mosaic first."""

    target: str
    kernels: tuple[Kernel, ...]


def missing() -> str:
    """Why nothing can be compiled for a Hopper GPU here, and what to install; empty where the compiler is there.

    >>> missing() == "" or "pip install" in missing()
    True
    """
    try:
        pallas()
    except ImportError as error:
        return str(error)
    found = [_version(name) for name in PACKAGES]
    if found == [jax.__version__] * len(PACKAGES):
        return ""
    have = ", ".join(f"{name} {version or 'is missing'}" for name, version in zip(PACKAGES, found, strict=True))
    wanted = " ".join(f"{name}=={jax.__version__}" for name in PACKAGES)
    return f"the compiler for NVIDIA GPUs must be jax's own {jax.__version__} ({have}): pip install --no-deps {wanted}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


@cache
def sharding(target: str) -> Any:
    """A sharding on one described GPU, ``"h100"`` or ``"h200"``: arguments that carry it are compiled for that GPU.

    Raises ``ValueError`` for other targets and ``ImportError``, with the pip command, where the compiler is missing.
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    if reason := missing():
        raise ImportError(reason)
    topologies: Any = importlib.import_module("jax.experimental.topologies")
    described = {"platform": "cuda", "topology_name": "", "target_config": TARGETS[target], "topology": "1x1x1"}
    try:
        topology = topologies.get_topology_desc(**described)
    except NotImplementedError:
        _start_plugin()
        topology = topologies.get_topology_desc(**described)
    mesh = topologies.make_mesh(topology, (1,), ("x",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def _start_plugin() -> None:
    """Start the plug-in that jax gave up: unless told to use the CPU only, it looks for cuDNN and more."""
    with _environment({"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}):
        importlib.import_module("jax_plugins.xla_cuda13").initialize()


def compile_for(target: str, fn: Callable[..., Any], *avals: Any) -> Compiled:
    """Compile ``fn`` for a GPU that is not there, through ptxas to machine code.

    Arguments:
        target: ``"h100"`` or ``"h200"``.
        fn: a function of arrays, Pallas Mosaic kernels or plain JAX, jitted or not.
        avals: its arguments or trees of them: arrays or ``jax.ShapeDtypeStruct``; only shapes and dtypes matter.

    Raises ``ImportError`` where the compiler is missing, and what XLA, Mosaic or ptxas raise where they refuse.
    ``RuntimeError`` if a cache hid the compilation (jax's persistent cache must be off).

    >>> if not missing():
    ...     x = jax.ShapeDtypeStruct((1024,), "float32")
    ...     print(".target sm_90a" in compile_for("h100", lambda x: 2 * x, x).kernels[0].ptx)
    ... else:
    ...     print(True)
    True
    """
    there = sharding(target)

    def described(x: Any) -> Any:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=there)

    arguments: list[Any] = jax.tree.map(described, list(avals))  # pyright: ignore[reportUnknownMemberType]

    def anew(*arguments: Any) -> Any:
        return fn(*arguments)

    run: Any = jax.jit(anew, out_shardings=there)  # pyright: ignore[reportUnknownMemberType]
    with tempfile.TemporaryDirectory(prefix="assay-aot-") as folder, _dumping(Path(folder)), compiled_anew():
        lowered = run.trace(*arguments).lower()
        lowered.compile(compiler_options={"xla_dump_to": f"{folder}/xla", "xla_dump_emitter_re": ".*"})
        return Compiled(target=target, kernels=_kernels(Path(folder), "mosaic_gpu" in lowered.as_text()))


@contextmanager
def _dumping(folder: Path) -> Generator[None]:
    """Mosaic writes into ``folder``: it reads these variables at each compilation. One compilation at a time."""
    tools = folder / "cuda/bin"
    tools.mkdir(parents=True)
    (tools / "nvdisasm").symlink_to(_disassembler() or shutil.which("true") or "/bin/true")
    mosaic = folder / "mosaic"
    mosaic.mkdir()
    importlib.import_module("jax.experimental.mosaic.gpu")  # which sets one of these when it is first imported
    with _environment({"MOSAIC_GPU_DUMP_TO": str(mosaic), "MOSAIC_GPU_CUDA_ROOT": str(folder / "cuda")}):
        yield


@contextmanager
def _environment(variables: dict[str, str]) -> Generator[None]:
    with _ENVIRONMENT:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@cache
def _disassembler() -> str | None:
    """``nvdisasm``, on the path or in the package nvidia-cuda-nvdisasm."""
    spec = importlib.util.find_spec("nvidia")
    folders = [str(Path(root, "cu13/bin")) for root in (spec.submodule_search_locations or [] if spec else [])]
    return shutil.which("nvdisasm", path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def _kernels(folder: Path, calls_mosaic: bool) -> tuple[Kernel, ...]:
    mosaic = [_kernel(path) for path in sorted((folder / "mosaic").glob("*.ptx"))]
    if calls_mosaic and not mosaic:
        raise RuntimeError("no PTX of a Mosaic kernel was written: unset JAX_COMPILATION_CACHE_DIR, which hides it")
    written = [_kernel(path) for path in sorted((folder / "xla").glob("*.ptx")) if ".entry" in path.read_text()]
    kernels = (*mosaic, *written)
    if not kernels:
        raise RuntimeError("the program has no kernel: XLA folded it, or calls a library for all of it")
    return kernels


def _kernel(path: Path) -> Kernel:
    ptx, report, scratch = path.read_text(), path.with_suffix(".ptxas"), path.with_suffix(".resources.txt")
    sass = [path.with_suffix(suffix) for suffix in (".sass", ".sass_ctrl")]
    return Kernel(
        name=entry_name(ptx),
        ptx=ptx,
        resources=resources(report.read_text()) if report.exists() else None,
        dynamic_shared=int(scratch.read_text().split("smem_scratch_bytes=")[1].split(",")[0])
        if scratch.exists()
        else 0,
        sass="".join(text.read_text() for text in sass if text.exists()).strip(),
    )
