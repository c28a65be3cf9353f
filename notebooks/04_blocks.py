# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Blocks
#
# A block is some neighbouring numbers that share a scale. Three questions are kept apart here, as they are in the
# code: which values a block format has, which rule picks the scale, and where the bits lie. Weights are those of
# Whisper tiny.en (Radford et al., arXiv 2212.04356), in FP16 as they were published. Conclusions are asserted: if one
# stops being true, this notebook stops.

# %%
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image, display

import reference
from analysis import plots
from analysis.agreement import agreement, draw_map, pictures
from analysis.metrics import snr_db
from analysis.tensors import default
from formats.block_formats.named import block
from formats.code_books.named import codebook
from kernels_ref.blocks import dequantize_blocks, quantize_blocks
from reference.blocks import BlockTensor

plt.rcParams.update({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left"})
(tensor,) = [each for each in default() if each.name == "encoder/layer_0/ffn/linear_0/weight"]
weights = tensor.values.astype(np.float32)
print(tensor.name, weights.shape)


def snr(fmt, rule):
    """In dB, over all of the weights."""
    error = weights.astype(np.float64) - np.asarray(dequantize_blocks(quantize_blocks(weights, fmt, rule=rule)))
    return snr_db(float((weights.astype(np.float64) ** 2).sum()), float((error**2).sum()))


# %% [markdown]
# ## Which rule picks which scale
#
# An MX scale is a power of two, so a rule makes one decision: from which significand of the block's largest magnitude
# on the scale is twice that of OCP MX 1.0. The judge finds these significands exactly.

# %%
found = draw_map({"weights": [tensor]}, formats=["mxfp4"], with_peers=False)
choices = found.choices["mxfp4"]
rows = found.rows.set_index("way")
starts = {rule: next((each.start for each in made if each.headroom < 0), None) for rule, made in choices.items()}
alike = {rule: float(agreement(choices["floor"], made)) for rule, made in choices.items()}
display(rows[["snr_db", "cost_db"]].assign(doubles_from=starts, binade_shared_with_floor=alike))
display(Image(plots.png(pictures.picture(found)), width=1000))
ulp = Fraction(1, 2**23)
assert starts["floor"] is None
assert starts["ceil"] == 1 + ulp
assert starts["rceil"] == starts["modelopt_mxfp4"] == Fraction(3, 2) + ulp
assert starts["even"] == Fraction(7, 4)
assert starts["microxcaling"] == starts["ggml_mxfp4"] == 2 - ulp
assert rows.snr_db.idxmax() == "even"
assert rows.snr_db.idxmin() == "ceil"

# %% [markdown]
# For MXFP4, `ceil` loses decibels: a doubled scale wastes one of only three binades on almost every block. `floor`
# clamps what lies above 6 times the scale. `even` doubles just where that costs less than clamping.
#
# ## The values of four bits
#
# Code-books, each scaled to a largest magnitude of one. E2M1 and INT4 are arithmetic; NF4 has quantiles of a normal
# distribution (Dettmers et al., arXiv 2305.14314), with 0 and both ends exact; bitsandbytes' FP4 is a table of its own.

# %%
e2m1 = reference.decode(np.arange(16), "float4_e2m1fn")
values = {
    "E2M1": e2m1 / e2m1.max(),
    "INT4": reference.decode(np.arange(16), "int4") / 7,
    "NF4": np.array([float(codebook("nf4").fraction(code)) for code in range(16)]),
    "bitsandbytes FP4": np.array([float(codebook("bitsandbytes_fp4").fraction(code)) for code in range(16)]),
}
figure, axes = plt.subplots(figsize=(11, 2.6), layout="constrained")
for y, name in enumerate(values):
    axes.plot(values[name], np.full(16, y), "|", markersize=18, color=f"C{y}")
axes.set_yticks(range(len(values)), values)
axes.set(xlabel="value / scale of the block", ylim=(len(values) - 0.5, -0.5))
plt.show()
distinct = {name: len(set(found.tolist())) for name, found in values.items()}
print(distinct)
assert distinct == {"E2M1": 15, "INT4": 16, "NF4": 16, "bitsandbytes FP4": 15}
assert values["INT4"].min() < -1 == values["NF4"].min()
assert {0.0, 1.0, -1.0} <= set(values["NF4"].tolist())

# %% [markdown]
# ## What they cost on weights
#
# Bits per weight count the scales. Each format goes with a rule that a published system uses.

# %%
CELLS = [
    ("mxfp4", "floor"), ("mxfp4", "even"), ("nvfp4", "torchao_nvfp4"), ("nf4_g64", "bitsandbytes_nf4"),
    ("fp4_bnb_g64", "bitsandbytes_fp4"), ("int4_g128", "absmax"), ("int4_g128", "absmax_half_step"),
    ("uint4_g128", "minmax_zero_point"), ("mxfp6_e2m3", "even"), ("mxfp6_e3m2", "even"), ("mxfp8_e4m3", "rceil"),
    ("mxint8", "floor"),
]  # fmt: skip
costs = pd.DataFrame(
    [{"format": f, "rule": r, "bits": block(f).bits_per_element, "snr_db": snr(f, r)} for f, r in CELLS]
)
display(costs)
figure, axes = plt.subplots(figsize=(11, 4.6), layout="constrained")
for i, row in enumerate(costs.itertuples()):
    style = {"marker": "os^"[i % 3], "color": f"C{i % 10}", "fillstyle": "none", "markeredgewidth": 1.8}
    axes.plot(row.bits, row.snr_db, linestyle="none", label=f"{row.format}, {row.rule}", **style)
axes.set(xlabel="bits per weight, scales counted", ylabel="SNR, dB", title=tensor.name)
axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()
best = costs.set_index(["format", "rule"]).snr_db
four = best[[f in ("mxfp4", "nvfp4", "nf4_g64", "fp4_bnb_g64", "int4_g128", "uint4_g128") for f, _ in best.index]]
assert best["nvfp4", "torchao_nvfp4"] > best["mxfp4", "even"] + 1
assert best["nf4_g64", "bitsandbytes_nf4"] > best["int4_g128", "absmax"] + 1
assert best["mxfp6_e2m3", "even"] > best["mxfp6_e3m2", "even"] + 3
assert best["mxint8", "floor"] == best.max()
print(f"best of four bits: {four.idxmax()}, {four.max():.2f} dB")

# %% [markdown]
# ## NVFP4 by three systems
#
# The scale of 16 numbers is in E4M3, over a number of the whole tensor. TransformerEngine stores that number as a
# divisor, torchao and ModelOpt as a factor, and each computes in binary32 in its own order.

# %%
NVFP4 = {"transformer_engine": "nvfp4_divisor", "torchao": "nvfp4", "modelopt": "nvfp4"}
made = {name: quantize_blocks(weights, fmt, rule=f"{name}_nvfp4") for name, fmt in NVFP4.items()}
display(
    pd.DataFrame(
        {
            name: {
                "number of the tensor": float(each.second),
                "SNR, dB": snr(NVFP4[name], f"{name}_nvfp4"),
                "scales unlike torchao's": int((each.scales != made["torchao"].scales).sum()),
                "codes unlike torchao's": int((each.codes != made["torchao"].codes).sum()),
            }
            for name, each in made.items()
        }
    ).T
)
product = float(made["transformer_engine"].second) * float(made["torchao"].second)
assert abs(product - 1) <= 2**-23  # one is the other's reciprocal, each rounded once: 2^-24 and 2^-24
for each in made.values():
    assert (each.codes != made["torchao"].codes).mean() < 1e-3

# %% [markdown]
# The way back is no detail either: TransformerEngine's number read as a factor gives other weights altogether, at no
# error of any program.

# %%
misread = BlockTensor(
    spec=block("nvfp4"), codes=made["transformer_engine"].codes, scales=made["transformer_engine"].scales,
    second=made["transformer_engine"].second,
)  # fmt: skip
ratio = np.abs(np.asarray(dequantize_blocks(misread))).max() / np.abs(weights).max()
print(f"read with the other convention, the largest weight is {ratio:,.0f} times too large")
assert ratio > 1000

# %% [markdown]
# ## Where the bits lie
#
# Two E2M1 codes share a byte: the first is its low half for NVIDIA's and OCP's tools. The other order stores the same
# codes in other bytes. Scales of NVIDIA's block-scaled matrix products are stored by tiles of 128 rows and 4 columns,
# in an order of their own. A layout moves codes and changes none.

# %%
codes = np.asarray(made["torchao"].codes)
low, high = (reference.pack(codes, f"4bit_{end}_first") for end in ("low", "high"))
print("codes", codes[0, :4], "low first", [hex(b) for b in low[0, :2]], "high first", [hex(b) for b in high[0, :2]])
assert (low == (high >> 4 | high << 4)).all()
assert (reference.unpack(low, "4bit_low_first") == codes).all()
swapped = BlockTensor(
    spec=block("nvfp4"), codes=reference.unpack(low, "4bit_high_first"), scales=made["torchao"].scales,
    second=made["torchao"].second,
)  # fmt: skip
error = np.asarray(dequantize_blocks(swapped)) - weights
print(f"SNR with neighbours exchanged: {snr_db(float((weights**2).sum()), float((error**2).sum())):.1f} dB")
assert snr_db(float((weights**2).sum()), float((error**2).sum())) < 0

# %%
scales = np.asarray(made["torchao"].scales)
stored = reference.pack(scales, "block_scales_128x4")
tile = reference.pack(np.arange(128)[:, None].repeat(4, axis=1), "block_scales_128x4").reshape(32, 16)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=(1, 4))
for ax, shown, title, xlabel, ylabel in (
    (axes[0], np.arange(128)[:, None].repeat(4, axis=1), "scales", "column", "row"),
    (axes[1], tile, "the same scales as stored", "byte of a line", "line of 16 bytes"),
):
    picture = ax.imshow(shown, aspect="auto", cmap="viridis")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xticks=range(shown.shape[1]))
    ax.grid(visible=False)
figure.colorbar(picture, ax=axes, label="row of the scale", ticks=range(0, 128, 32))
plt.show()
assert (reference.unpack(stored, "block_scales_128x4") == scales).all()
assert (tile[:, ::4] == np.arange(32)[:, None] + 32 * np.arange(4)).all()
