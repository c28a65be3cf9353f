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
# # Error and SNR on real weights
#
# What does a narrow format cost? Its price is counted in bits per weight, scales included; what it costs in accuracy
# is counted here as the signal-to-noise ratio $\mathrm{SNR} = 10 \log_{10} (\sum x^2 / \sum (x - y)^2)$ in dB, with $y$
# the number that the weight $x$ has become. First on random numbers, where theory says what to expect, then on the
# weights of a speech recognition network. Conclusions are asserted: if one stops being true, this notebook stops.
#
# Everything is symmetric scaling to nearest even, clamped, with scales in bfloat16, unless it says otherwise.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image, display

import analysis
import formats
from analysis import plots
from analysis.comparison import CORE, pareto, summary
from analysis.comparison.histogram import EDGES, histograms
from analysis.distributions import sample
from analysis.tensors import default
from reference.quantize import recipe
from reference.quantize.granularity import channels

plt.rcParams.update({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left"})
pd.set_option("display.max_rows", 100)
POLICY = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}
ABSMAX = {"schemes": ["symmetric"], "scale_rules": ["absmax"], **POLICY}
EIGHT = {
    "int8": "black", "float8_e2m5fnuz": "C0", "float8_e3m4fnuz": "C1", "float8_e4m3fn": "C2", "float8_e5m2": "C3",
}  # fmt: skip

# %% [markdown]
# ## Distributions
#
# Which 8-bit format is best depends on the tails of what it must hold. Kuzmin et al., *FP8 quantization: the power of
# the exponent* (arXiv 2208.09225), analyse which split into exponent and fraction bits suits which distribution; van
# Baalen et al., *FP8 versus INT8 for efficient deep learning inference* (arXiv 2303.17951), from whom the formats with
# 2 and 3 exponent bits are taken, conclude in favour of INT8 for inference. Here are random numbers with ever heavier
# tails, one scale for each tensor, from its largest magnitude.

# %%
SIZE = 1 << 18
NAMES = ["uniform", "normal", "laplace", "student_t:5", "student_t:3", "outliers:0.001:30", "outliers:0.0001:1000"]
drawn = {name: sample(name, SIZE, seed=0) for name in NAMES}


def snr_table(arrays: dict[str, np.ndarray], rule: str) -> pd.DataFrame:
    """SNR in dB of each array in each 8-bit format, one scale an array."""
    choice = {**ABSMAX, "scale_rules": [rule]}
    table = analysis.compare(arrays, formats=EIGHT, granularities=["tensor"], **choice)
    return table.pivot(index="tensor", columns="format", values="snr_db").loc[list(arrays), list(EIGHT)]


def crest(x: np.ndarray) -> float:
    """Largest magnitude over root mean square."""
    return float(np.abs(x).max() / np.sqrt(np.mean(np.square(x, dtype=np.float64))))


snr = snr_table(drawn, "absmax")
crests = pd.Series({name: crest(x) for name, x in drawn.items()})
shown = snr.round(2).assign(**{"largest / rms": crests.round(1), "best of the five": snr.idxmax(axis=1)})
display(shown.rename_axis(index="SNR (dB)", columns=None))

figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
snr.plot.bar(ax=axes, width=0.8, rot=0, color=list(EIGHT.values()))
axes.set(xlabel=f"distribution ({SIZE} numbers)", ylabel="SNR (dB)", ylim=(0, 58))
axes.tick_params(axis="x", labelsize=9)
axes.set_title("8 bits, one scale by absmax: the crest factor grows to the right")
axes.legend(loc="upper center", ncols=5, fontsize=8)
plt.show()

# %% [markdown]
# The uniform distribution has no tail, and INT8, whose values are uniform too, wins. The farther the largest magnitude
# lies from the rest, the more exponent bits the winner has.

# %%
exponent_bits = {name: getattr(formats.get(name), "exponent_bits", 0) for name in EIGHT}
winners = snr.idxmax(axis=1).map(exponent_bits)[crests.sort_values().index]
assert winners.is_monotonic_increasing, winners
assert snr.loc["uniform"].idxmax() == "int8"
assert snr.loc["normal"].idxmax() == "float8_e2m5fnuz"
assert snr.loc["outliers:0.0001:1000"].idxmax() == "float8_e4m3fn"

# %% [markdown]
# Theory says how much. With $C$ the largest magnitude over the root mean square (the crest factor), an error uniform
# within a step of $\max|x| / 127$ gives INT8
#
# $$\mathrm{SNR} = 10 \log_{10}(12 \cdot 127^2) - 20 \log_{10} C$$
#
# as long as most numbers are larger than the step. A float's step follows the number: with $t$ fraction bits, $m 2^e$
# with $1 \le m < 2$ has the step $2^{e-t}$, so that the SNR lies between $10 \log_{10}(12 \cdot 4^t)$ and four times as
# much (6.02 dB more), whatever $C$, as long as few numbers are subnormal and no single one holds much of the energy.
# Each fraction bit is worth 6.02 dB; each exponent bit buys a farther reach. Lines and bands are these formulas; dots
# are draws of Student's t, of normal numbers with outliers, and of the uniform and Laplace distributions.

# %%
tails = [f"student_t:{nu}" for nu in (3, 4, 5, 7, 10, 20, 50)]
tails += ["uniform", "laplace", *(f"outliers:0.0001:{k}" for k in (1, 5, 10, 20, 40, 80))]
draws = {f"{name}, seed {seed}": sample(name, 1 << 16, seed) for name in tails for seed in (1, 2, 3)}
swept = snr_table(draws, "absmax").assign(crest=[crest(x) for x in draws.values()])


def int8_theory(crest_factor: np.ndarray | pd.Series) -> np.ndarray | pd.Series:
    """SNR in dB of INT8 scaled by absmax."""
    return 10 * np.log10(12 * 127**2) - 20 * np.log10(crest_factor)


def float_theory(name: str) -> tuple[float, float]:
    """The interval of a float's SNR in dB, subnormals aside."""
    low = 10 * np.log10(12 * 4.0 ** formats.get(name).fraction_bits)
    return low, low + 10 * np.log10(4)


figure, axes = plt.subplots(figsize=(11, 5.5), layout="constrained")
for name, color in EIGHT.items():
    axes.scatter(swept["crest"], swept[name], s=14, color=color, label=name, zorder=3)
    if name != "int8":
        axes.axhspan(*float_theory(name), color=color, alpha=0.1, linewidth=0)
reach = np.geomspace(swept["crest"].min(), swept["crest"].max())
axes.plot(reach, int8_theory(reach), color="black", linewidth=1)
axes.set_xscale("log", base=2)
axes.set(xlabel="crest factor: largest magnitude / root mean square (no unit)", ylabel="SNR (dB)")
axes.set_title("INT8 pays for the tail, floats for the fraction bits that they lack")
axes.legend(loc="lower left")
plt.show()

low, high = float_theory("float8_e4m3fn")
assert swept["float8_e4m3fn"].between(low, high).all(), "E4M3 stays in its band, whatever the tails"
scale_too_large = 20 * np.log10(1 + 2.0**-7)  # a bfloat16 scale, rounded up
four_sigma = 10 * np.log10(1 + 4 * (0.8 / SIZE) ** 0.5)  # of the mean of SIZE squares of uniform errors
off = snr["int8"] - int8_theory(crests)
display(off.round(3).rename("INT8: SNR - theory (dB)").to_frame())
assert off[:"laplace"].between(-scale_too_large - four_sigma, four_sigma).all()

# %% [markdown]
# Shrinking the range may help: clamping a few outliers can cost less than a coarser step for everyone else. The rule
# "MSE" tries eight ranges and keeps the best. Between the two extremes of the table it helps INT8 most; it changes no
# winner.

# %%
gain = snr_table(drawn, "mse") - snr
display(gain.round(2).rename_axis(index="gain of MSE over absmax (dB)", columns=None))
assert (gain >= 0).all(axis=None), "absmax is one of the ranges that are tried"
assert (gain.iloc[1:-1].idxmax(axis=1) == "int8").all()
assert (snr_table(drawn, "mse").idxmax(axis=1) == snr.idxmax(axis=1)).all()

# %% [markdown]
# ## A real network
#
# The FP16 weights of Whisper tiny.en (Radford et al., arXiv 2212.04356): 49 tensors. If they are not there, the next
# cell fails and says how to install them. Channels are rows (one output each); below, each channel has its own scale.

# %%
weights = default()
print(
    f"{len(weights)} tensors, {sum(t.values.size for t in weights):,} weights; {len(weights.skipped)} others left out"
)


def by_channel(values: np.ndarray) -> np.ndarray:
    """A tensor as [channels, elements], in float32."""
    return values.reshape(channels(values.shape)).astype(np.float32)


def beyond(values: np.ndarray, multiples: np.ndarray) -> np.ndarray:
    """Fraction of the weights whose magnitude exceeds each multiple of the rms of their channel."""
    rows = by_channel(values)
    rms = np.sqrt(np.mean(np.square(rows), axis=1, keepdims=True))
    counts = np.histogram(np.abs(rows) / np.where(rms > 0, rms, 1), [*multiples, np.inf])[0]
    return counts[::-1].cumsum()[::-1] / rows.size


multiples = np.linspace(0, 16, 161)
numbers_of = {name: sample(name, 1 << 20, seed=0) for name in ("normal", "laplace")}
figure, axes = plt.subplots(figsize=(11, 4.8), layout="constrained")
for tensor in weights:
    special = {"decoder/embeddings/weight": "C3", "encoder/position_encodings/encodings": "C0"}.get(tensor.name)
    style = {"color": special, "linewidth": 2, "label": tensor.name} if special else {"color": "grey", "alpha": 0.4}
    axes.plot(multiples, beyond(tensor.values, multiples), **style)
for name, dashes in (("normal", "--"), ("laplace", ":")):
    axes.plot(multiples, beyond(numbers_of[name], multiples), dashes, color="black", label=f"{name} distribution")
axes.set_yscale("log")
axes.set(
    xlabel="multiple of the rms of the channel (no unit)", ylabel="fraction of the weights beyond", ylim=(1e-7, 1.5)
)
axes.set_title("Tails of the weights: one line for each tensor")
axes.legend()
plt.show()

# %% [markdown]
# Every tensor but one has more weights beyond 4 rms than a normal distribution. Two stand out: the token embeddings,
# with the most weights beyond 8, and the encoder's position encodings, with no tail at all. These are not learned but
# sinusoids, whose crest factor is $\sqrt 2$.

# %%
found = {tensor.name: tensor.values for tensor in weights}
sinusoids = crest(found["encoder/position_encodings/encodings"])
print(f"crest factor of the encoder's position encodings: {sinusoids:.3f}")
assert abs(sinusoids / 2**0.5 - 1) < 0.01

far = pd.Series({name: beyond(values, np.array([4.0]))[0] for name, values in found.items()})
assert set(far.index[far < beyond(numbers_of["normal"], np.array([4.0]))[0]]) == {
    "encoder/position_encodings/encodings"
}
very_far = pd.Series({name: beyond(values, np.array([8.0]))[0] for name, values in found.items()})
assert very_far.idxmax() == "decoder/embeddings/weight"

# %% [markdown]
# ### Every tensor, per channel

# %%
per_channel = analysis.compare(
    weights, formats=[*EIGHT, "float6_e2m3fn", "int4", "float4_e2m1fn"], granularities=["channel"], **ABSMAX
)
display(Image(plots.png(plots.by_tensor(per_channel)), width=1000))
each = per_channel.pivot(index="tensor", columns="format", values="snr_db")[list(EIGHT)]
display(each.idxmax(axis=1).value_counts().rename("tensors in which it is the best of the five").to_frame())
display(each.loc[[name for name, best in each.idxmax(axis=1).items() if best != "float8_e2m5fnuz"]].round(1))

# %% [markdown]
# The distributions told so: INT8 wins on the sinusoids, three exponent bits win on the embeddings with their outliers,
# two on everything else. INT8 beats E4M3, the usual FP8, everywhere but in the embeddings, and E4M3 is nearly the same
# everywhere. The formula for INT8, applied channel by channel, explains the spread of INT8 to within a hundredth.

# %%
assert each.loc["encoder/position_encodings/encodings"].idxmax() == "int8"
assert each.loc["decoder/embeddings/weight"].idxmax() == "float8_e3m4fnuz"
assert (each.idxmax(axis=1) == "float8_e2m5fnuz").sum() == len(each) - 2
assert set(each.index[each["int8"] < each["float8_e4m3fn"]]) == {"decoder/embeddings/weight"}
spread = each.max() - each.min()
display(spread.round(1).rename("largest - smallest SNR among the tensors (dB)").to_frame())
assert spread["float8_e4m3fn"] < 10 * np.log10(4) < spread["int8"], "the interval of the theory is 6.02 dB wide"


def int8_predicted(values: np.ndarray) -> float:
    """SNR in dB, each channel's error uniform within its own step."""
    rows = by_channel(values).astype(np.float64)
    return float(10 * np.log10(np.square(rows).sum() / (rows.shape[1] * (np.abs(rows).max(1) / 127) ** 2 / 12).sum()))


predicted = pd.Series({name: int8_predicted(values) for name, values in found.items()})
off = each["int8"] - predicted
print(f"INT8, SNR - theory: {off.min():.3f} to {off.max():.3f} dB")
assert off.abs().max() < spread["int8"] / 100

# %% [markdown]
# A word of warning about sums over a whole network: the SNR of all weights as one belongs to whoever has the energy.

# %%
energy = per_channel[per_channel["format"] == "int8"].set_index("tensor")["signal"]
share = (energy / energy.sum()).sort_values(ascending=False)
display(share.head(4).map("{:.1%}".format).rename("share of the sum of squares").to_frame())
layers = [tensor for tensor in weights if "layer_" in tensor.name or "conv" in tensor.name]
print(f"from here on: the {len(layers)} linear and convolution layers, or the first encoder and decoder block")
assert share.iloc[:2].sum() > 0.5, "two tensors hold most of it"

# %% [markdown]
# ### What a bit buys
#
# Seven formats, three granularities, both schemes, both rules, on the first block of the encoder and of the decoder.
# The scale of a group of 32 costs half a bit per weight, an offset or zero point more on top. On the line is what no
# other combination beats.

# %%
blocks = [tensor for tensor in weights if "layer_0/" in tensor.name]
grid = analysis.compare(
    blocks, formats=[*CORE, "float8_e2m5fnuz"], granularities=["channel", "group128", "group32"], **POLICY
)
cells = summary(grid)
display(Image(plots.png(plots.front(cells)), width=1000))
columns = ["format", "granularity", "scheme", "scale_rule", "bits_per_weight", "snr_db"]
best = pareto(cells)[columns]
display(best.round(3).reset_index(drop=True))
assert {getattr(formats.get(name), "exponent_bits", 0) for name in best["format"]} == {0, 2}

# %% [markdown]
# Neither E4M3 nor E3M2 is on the front: at their widths, formats with two exponent bits, or none, do better on these
# weights.
#
# ### The size of a group

# %%
sizes = [8, 16, 32, 64, 128, 256]
grouped = summary(
    analysis.compare(
        blocks, formats=["int4", "float4_e2m1fn"], granularities=[f"group{n}" for n in sizes],
        schemes=["symmetric"], **POLICY,
    )
)  # fmt: skip
grouped["size"] = grouped["granularity"].str.removeprefix("group").astype(int)
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained", sharey=True)
for (name, rule), group in grouped.sort_values("size").groupby(["format", "scale_rule"]):
    style = {"color": "#0b6e4f" if name == "int4" else "#c2410c", "linestyle": "-" if rule == "absmax" else "--"}
    left.plot(group["size"], group["snr_db"], marker=".", label=f"{name}, {rule}", **style)
    right.plot(group["bits_per_weight"], group["snr_db"], marker=".", **style)
left.set_xscale("log", base=2)
left.set(xlabel="weights in a group (count)", ylabel="SNR (dB)", title="SNR against the size of a group")
right.set(xlabel="bits per weight, scales counted", title="... and against what it costs")
left.legend()
plt.show()

wide = grouped.pivot(index="size", columns=["format", "scale_rule"], values="snr_db")
display(wide.round(2))
assert all(wide[column].is_monotonic_decreasing for column in wide), "a smaller group is never worse"
lead = wide["float4_e2m1fn", "absmax"] - wide["int4", "absmax"]
assert lead.is_monotonic_increasing
assert lead.iloc[0] < 0 < lead.iloc[-1]

# %% [markdown]
# The smaller the group, the nearer its largest magnitude is to the others: in groups of 8 the tail is gone and INT4 is
# ahead of FP4. The larger the group, the more FP4's exponent bits are worth. It is the first picture again, with the
# group size in place of the distribution.
#
# ### Symmetric or asymmetric, absmax or MSE

# %%
ways = cells.assign(way=cells["scheme"] + ", " + cells["scale_rule"])
ways = ways.pivot(index=["granularity", "format"], columns="way", values="snr_db")
gains = ways.sub(ways["symmetric, absmax"], axis=0).drop(columns="symmetric, absmax")
figure, both = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained", sharey=True)
for axes, granularity in zip(both, ("channel", "group32"), strict=True):
    gains.loc[granularity].plot.bar(ax=axes, width=0.75, rot=20, legend=False)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="", ylabel="gain over symmetric, absmax (dB)", title=f"one scale per {granularity}")
both[0].legend()
plt.show()

integers = ["int8", "int4"]
floats = [name for name in gains.index.unique("format") if name not in integers]
offset = gains["asymmetric, absmax"].unstack("granularity")
assert (offset.loc[integers] > 0).all(axis=None)
assert (offset.loc[floats] < 0).all(axis=None)
assert (ways.loc[(slice(None), floats), "asymmetric, mse"] < ways.loc[(slice(None), floats), "symmetric, mse"]).all()
by_rule = gains["symmetric, mse"].unstack("granularity")
narrow = by_rule.index.map(lambda name: formats.get(name).bits == 4)
assert (by_rule[narrow].min() > by_rule[~narrow].max()).all()

# %% [markdown]
# A zero point lets an integer grid cover the range from the least to the greatest weight, and that helps. An offset
# does not help a float: it moves the dense part of the format, around its zero, away from where most weights are. The
# MSE rule helps the narrowest formats most.
#
# ### How errors are distributed

# %%
names = ["int8", "float8_e4m3fn", "float8_e5m2", "int4", "float4_e2m1fn"]
recipes = [recipe(name, scheme="symmetric", scale_format="bfloat16", **POLICY) for name in names]
errors = histograms(layers, recipes)
display(Image(plots.png(plots.errors(errors)), width=1000))

large = pd.Series({h.recipe.spec.name: h.fractions[EDGES[:-1] >= -4].sum() for h in errors})
display(large.map("{:.3%}".format).rename("fraction of the weights off by 1/16 of themselves or more").to_frame())
assert large["int8"] > 100 * large["float8_e4m3fn"]
median = {h.recipe.spec.name: EDGES[np.searchsorted(h.fractions.cumsum(), 0.5)] for h in errors}
assert median["int8"] < median["float8_e4m3fn"]

# %% [markdown]
# E4M3 is never off by more than $2^{-4}$ of a weight, except in its subnormal range: three fraction bits, rounded to
# nearest. INT8's median error is smaller, but it has a long tail of large ones: those of small weights, down to the
# weights that become 0.
#
# ### What becomes zero

# %%
lost = summary(per_channel[per_channel["tensor"].isin([tensor.name for tensor in layers])])
lost = lost.set_index("format").sort_values("underflowed", ascending=False)
figure, axes = plt.subplots(figsize=(11, 3.8), layout="constrained")
colors = ["#0b6e4f" if name.startswith("int") else "#1f4e9c" for name in lost.index]
bars = axes.barh(lost.index, np.maximum(100 * lost["underflowed"], 1e-5), color=colors)
axes.bar_label(
    bars, [f"{100 * row.underflowed:.2g} %, SNR {row.snr_db:.1f} dB" for row in lost.itertuples()], padding=4
)
axes.set_xscale("log")
axes.set(xlabel="non-zero weights that become 0 (% of all weights)", xlim=(1e-5, 1e4), xticks=[1e-4, 1e-2, 1, 100])
axes.set_title("Underflow, scales per channel by absmax")
plt.show()

assert lost.loc["int8", "snr_db"] > lost.loc["float8_e4m3fn", "snr_db"]
assert lost.loc["int8", "underflowed"] > 1000 * lost.loc["float8_e4m3fn", "underflowed"]

# %% [markdown]
# So the SNR does not see everything: by SNR, INT8 is ahead of E4M3 on these weights, yet it turns more than a thousand
# times as many of them into zeros. Whether that matters is a question to the network, not to the format.
