"""Other projects' quantisers as ways into a block format, where their packages are installed."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Generator, Iterator
from importlib import import_module, util
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from analysis.agreement.ways import Chosen, Way
from formats.block_formats.named import block
from reference.blocks import BlockTensor, dequantize_blocks

_MX = "torchao.prototype.mx_formats.mx_tensor"
_NVFP4 = "torchao.prototype.mx_formats.nvfp4_tensor"
#: the elements of torchao's MX tensors: names of torch's dtypes, or of its own
_ELEMENTS = {
    "mxfp8_e4m3": "float8_e4m3fn",
    "mxfp8_e5m2": "float8_e5m2",
    "mxfp6_e2m3": "fp6_e2m3",
    "mxfp6_e3m2": "fp6_e3m2",
    "mxfp4": "float4_e2m1fn_x2",
}
#: the rules of the modes of its release 0.18.0 on a CPU
_MODES = {"floor": "floor", "ceil": "ceil", "even": "even", "rceil": "torchao_rceil"}


def peers(block_format: str) -> list[Way]:
    """The installed peers of a format of the map: torchao in its four modes or its NVFP4, gguf's MXFP4.

    ``expected`` is the rule of ours that each should equal in every bit.

    >>> peers("mxint8")
    []
    """
    return [*_torchao(block_format), *_gguf(block_format)]


def _torchao(block_format: str) -> Iterator[Way]:
    if util.find_spec("torchao") is None or util.find_spec("torch") is None:
        return
    with _quiet():
        mx, nvfp4 = import_module(_MX), import_module(_NVFP4)
    if block_format == "nvfp4":
        yield _way("torchao", block_format, "torchao_nvfp4", _nvfp4_of(nvfp4))
    if block_format in _ELEMENTS:
        for mode, rule in _MODES.items():
            quantise = _mx_of(mx, _ELEMENTS[block_format], mx.ScaleCalculationMode(mode))
            yield _way(f"torchao {mode}", block_format, rule, quantise)


def _gguf(block_format: str) -> Iterator[Way]:
    if block_format == "mxfp4" and util.find_spec("gguf") is not None:
        yield _way("gguf", block_format, "ggml_mxfp4", _mxfp4_of_gguf)


def _way(name: str, spec: str, expected: str, quantise: Callable[[NDArray[np.float32]], Chosen]) -> Way:
    return Way(name=name, spec=block(spec), quantise=quantise, expected=expected)


def _mx_of(mx: Any, element: str, mode: Any) -> Callable[[NDArray[np.float32]], Chosen]:
    torch = import_module("torch")

    def quantise(x: NDArray[np.float32]) -> Chosen:
        made = mx.MXTensor.to_mx(torch.from_numpy(x), getattr(torch, element, element), 32, mode)
        return _chosen(made, x, torch)

    return quantise


def _nvfp4_of(nvfp4: Any) -> Callable[[NDArray[np.float32]], Chosen]:
    """Its codes, decoded in one rounding: its own decoder rounds the product of the two scales first."""
    torch = import_module("torch")

    def quantise(x: NDArray[np.float32]) -> Chosen:
        given = torch.from_numpy(x)
        number = nvfp4.per_tensor_amax_to_scale(given.abs().max())
        made = nvfp4.NVFP4Tensor.to_nvfp4(given, per_tensor_scale=number)
        scales, packed = (part.view(torch.uint8).numpy().reshape(len(x), -1) for part in (made.scale, made.qdata))
        tensor = BlockTensor(
            spec=block("nvfp4"),
            codes=reference.unpack(packed, "4bit_low_first"),
            scales=scales,
            second=np.float32(number),
        )
        return Chosen(scales=scales, values=dequantize_blocks(tensor))

    return quantise


def _chosen(made: Any, x: NDArray[np.float32], torch: Any) -> Chosen:
    scales = made.scale.view(torch.uint8).numpy().reshape(x.shape[0], -1)
    return Chosen(scales=scales, values=made.dequantize(torch.float32).numpy())


def _mxfp4_of_gguf(x: NDArray[np.float32]) -> Chosen:
    gguf = import_module("gguf")
    kind = gguf.GGMLQuantizationType.MXFP4
    stored = gguf.quants.quantize(x, kind)
    scales = stored.reshape(x.shape[0], -1, 17)[..., 0]
    return Chosen(scales=scales, values=gguf.quants.dequantize(stored, kind))


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Torchao logs and prints, when it is imported, which of its GPU libraries do not load."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)
