"""Every library that names the tensors of a weight by their endings."""

from __future__ import annotations

from analysis.tensors.checkpoints import awq, bitsandbytes, gptq, packed_floats, packed_integers, scaled
from analysis.tensors.checkpoints.group import Group, Owner
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.checkpoints.stored_numbers import ELEMENTS
from analysis.tensors.tensor import Skipped


def _read_qweight(group: Group) -> Quantised | Skipped:
    """GPTQ and AWQ name their tensors alike: what is packed tells them apart, or else what the files beside say."""
    if awq.is_packed_along_outputs(group):
        return awq.read(group)
    stated = group.config.statements
    return awq.read(group) if stated.get("quant_method") == "awq" or "w_bit" in stated else gptq.read(group)


_QWEIGHT = Owner(
    anchor=".qweight",
    weight=".weight",
    carrier=".qweight",
    carried=("I32",),
    required=(".scales", ".qzeros"),
    optional=(".g_idx",),
    reader=_read_qweight,
)
_INTEGERS = Owner(
    anchor=".weight_packed",
    weight=".weight",
    carrier=".weight_packed",
    carried=("I32",),
    required=(".weight_scale",),
    optional=(".weight_shape", ".weight_zero_point", ".weight_g_idx"),
    reader=packed_integers.read,
)
_FLOATS = Owner(
    anchor=".weight_packed",
    weight=".weight",
    carrier=".weight_packed",
    carried=("U8",),
    required=(".weight_scale",),
    optional=(".weight_global_scale",),
    reader=packed_floats.read_compressed,
)
_SCALED = Owner(
    anchor=".weight_scale",
    weight=".weight",
    carrier=".weight",
    carried=tuple(ELEMENTS),
    required=(),
    optional=(".weight_zero_point",),
    reader=scaled.read,
)
_MODELOPT = Owner(
    anchor=".weight_scale_2",
    weight=".weight",
    carrier=".weight",
    carried=("U8",),
    required=(".weight_scale",),
    reader=packed_floats.read_modelopt,
)
_DEEPSEEK = Owner(
    anchor="_scale_inv",
    weight="",
    carrier="",
    carried=("F8_E4M3",),
    required=(),
    reader=scaled.read_deepseek,
)
_GPT_OSS = tuple(
    Owner(
        anchor=f"{mark}scales",
        weight="",
        carrier=f"{mark}blocks",
        carried=("U8",),
        required=(),
        reader=packed_floats.read_gpt_oss,
    )
    for mark in ("_", ".")
)
_BITSANDBYTES = tuple(
    Owner(
        anchor=f".quant_state.bitsandbytes__{kind}",
        weight="",
        carrier="",
        carried=("U8", "I8", "F16", "BF16", "F32"),
        required=(".absmax", ".quant_map"),
        optional=(".nested_absmax", ".nested_quant_map"),
        reader=bitsandbytes.read,
    )
    for kind in bitsandbytes.KINDS
)
OWNERS: tuple[Owner, ...] = (_QWEIGHT, _INTEGERS, _FLOATS, _SCALED, _MODELOPT, _DEEPSEEK, *_GPT_OSS, *_BITSANDBYTES)
