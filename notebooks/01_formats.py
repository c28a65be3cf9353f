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
# # A tour of formats
#
# A *format* is a set of numbers and a code for each of them. Here a format is a frozen record of a few integers, and
# everything below (tables, number lines, errors) is computed from the records: nothing is typed in by hand. What a code
# means, and what a value becomes, is decided by the judge, `reference.exact`, which works in fractions and has no
# rounding error of its own.

# %%
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

import formats
import kernels_ref
import reference
from analysis.show import describe
from analysis.show.notation import code_text, short_text
from formats import FloatSpec, IntSpec, Nan, Overflow, Rounding
from kernels_ref import landmarks
from reference import exact

plt.rcParams.update({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left"})
pd.set_option("display.max_rows", 200, "display.max_colwidth", 60)

# %% [markdown]
# ## What there is
#
# A float of $t$ fraction bits and bias $b$ has the values $\pm (2^t + F)\, 2^{E - b - t}$ where the exponent field $E$
# is not 0 (*normal*), and $\pm F\, 2^{1 - b - t}$ where it is (*subnormal*, and zero). Formats differ in what the top
# codes are kept for: infinities, NaN, or more numbers.


# %%
def extremes(spec: FloatSpec) -> dict[str, str]:
    """The landmarks of the positive half, as the judge decodes them."""
    smallest_normal = spec.has_zero << spec.fraction_bits
    subnormal = exact.decode(1, spec) if spec.has_zero and spec.fraction_bits else None
    return {
        "max": short_text(exact.decode(spec.max_code, spec)),
        "min normal": short_text(exact.decode(smallest_normal, spec)),
        "min subnormal": "none" if subnormal is None else short_text(subnormal),
    }


def row(spec: FloatSpec) -> dict[str, object]:
    """A line of the table of floats."""
    infinities = "infinities" if spec.signed else "infinity"
    specials = [infinities] * spec.has_infinity + [f"NaN {spec.nan.value}"] * (spec.nan is not Nan.NONE)
    return {
        "format": spec.name,
        "bits": spec.bits,
        "sign": int(spec.signed),
        "exponent": spec.exponent_bits,
        "fraction": spec.fraction_bits,
        "bias": spec.bias,
        **extremes(spec),
        "-0": "yes" if spec.has_negative_zero else "no",
        "specials": ", ".join(specials) or "none",
    }


records = [formats.get(name) for name in formats.names()]
floats = [spec for spec in records if isinstance(spec, FloatSpec)]
p3109 = [spec for spec in floats if spec.name.startswith("Binary")]
named = [spec for spec in floats if spec not in p3109]
display(pd.DataFrame(map(row, named)).set_index("format"))

# %% [markdown]
# "NaN above" means every code above the largest number (or infinity); "NaN negative_zero" means the one code that
# would have been $-0$. IEEE P3109 does not list its formats but gives a rule for them, from the width $K$, the
# precision $P$, signed or unsigned, with infinities (`e`) or without (`f`). The registry holds all of 3 to 8 bits;
# these are the signed ones of 8 bits.

# %%
widths = pd.DataFrame({"bits": [spec.bits for spec in p3109]})
display(widths.value_counts(sort=False).rename("P3109 formats in the registry").to_frame().T)
display(pd.DataFrame(row(spec) for spec in p3109 if spec.bits == 8 and spec.signed).set_index("format"))

# %% [markdown]
# Integers are there too. A fixed-point format is an integer in units of $2^{-f}$.

# %%
integers = [spec for spec in records if isinstance(spec, IntSpec)]
display(
    pd.DataFrame(
        {
            "format": spec.name,
            "bits": spec.bits,
            "lowest": short_text(Fraction(spec.minimum, 1 << spec.fraction_bits)),
            "largest": short_text(Fraction(spec.maximum, 1 << spec.fraction_bits)),
            "unit": short_text(Fraction(1, 1 << spec.fraction_bits)),
            "codes in use": spec.maximum - spec.minimum + spec.has_zero,
        }
        for spec in integers
    ).set_index("format")
)

# %% [markdown]
# ## Number lines
#
# Each mark is a value. On the left is the whole line, scaled so that the largest value is 1, which is what a quantiser
# with a scale sees; on the right the positive values on a logarithmic axis. Integers are evenly spread on the left,
# floats (above their subnormals) on the right.


# %%
def numbers(spec: formats.Format) -> np.ndarray:
    """The finite values of a format in order, without repetition, by the golden model."""
    values = reference.decode(np.arange(1 << spec.bits), spec).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


def color(spec: formats.Format) -> str:
    """Integers green, P3109 violet, other floats blue."""
    return "#0b6e4f" if isinstance(spec, IntSpec) else "#7b2d8b" if spec in p3109 else "#1f4e9c"


def number_lines(names: list[str], title: str) -> None:
    """Both pictures of a few formats, one below the other."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 0.7 + 0.38 * len(names)), sharey=True, layout="constrained", width_ratios=(1, 1.25)
    )
    for y, spec in enumerate(map(formats.get, names)):
        values, width = numbers(spec), 1.6 if spec.bits < 6 else 0.8 if spec.bits < 8 else 0.35
        for axes, points in ((left, values / np.abs(values).max()), (right, values[values > 0])):
            axes.vlines(points, y - 0.36, y + 0.36, color=color(spec), linewidth=width)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("value / largest magnitude")
    right.set_xscale("log", base=2)
    right.set_xlabel("positive values (no unit, logarithmic)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    plt.show()


def of_width(bits: int, *more: str) -> list[str]:
    """The signed formats of a width that are not P3109's, and others by name."""
    own = [spec.name for spec in named if spec.bits == bits and spec.signed]
    return [*own, *more]


number_lines(of_width(4, *(f"Binary4p{p}sf" for p in (1, 2, 3)), "int4"), "4 bits")
number_lines(of_width(6, *(f"Binary6p{p}se" for p in (2, 3, 4))), "6 bits")
number_lines(of_width(8, *(f"Binary8p{p}se" for p in (3, 4, 5)), "int8", "mxint8"), "8 bits")

# %% [markdown]
# ### How many values in a binade
#
# A binade is an interval $[2^e, 2^{e+1})$. A float has $2^t$ values in each of its normal binades, half as many in each
# further subnormal one, and perhaps fewer in the last, where the specials are. An integer doubles their number from
# binade to binade. So for the same 8 bits, binades are bought with values per binade.


# %%
def binade_counts(spec: formats.Format) -> pd.Series:
    """How many positive values lie in each binade, by its exponent."""
    positive = numbers(spec)[numbers(spec) > 0]
    return pd.Series(np.frexp(positive)[1] - 1).value_counts().sort_index()


chosen = ["float8_e2m5fnuz", "float8_e3m4fnuz", "float8_e4m3fn", "float8_e5m2", "int8"]
figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
for name in chosen:
    counts = binade_counts(formats.get(name))
    style = {"color": "black", "linestyle": "--"} if name == "int8" else {}
    axes.step(counts.index, counts, where="mid", marker=".", label=f"{name}, {len(counts)} binades", **style)
axes.set(xlabel="exponent e of the binade [2^e, 2^(e+1))", ylabel="values in the binade (count)")
axes.set_yscale("log", base=2)
axes.set_title("8 bits: positive values in each binade")
axes.legend()
plt.show()

for spec in map(formats.get, chosen[:-1]):
    counts = binade_counts(spec)
    assert (counts.loc[spec.emin : spec.emax - 1] == 1 << spec.fraction_bits).all(), (
        "every full binade holds 2^t values"
    )
    assert counts.loc[: spec.emin - 1].tolist() == [1 << k for k in range(spec.fraction_bits)], "then half as many"

# %% [markdown]
# ### The unit in the last place
#
# The distance from a value to the next is the *ulp* of its binade. In the normal range it grows with the value, so
# that the *relative* spacing stays between $2^{-t-1}$ and $2^{-t}$: a saw-tooth. In the subnormal range the ulp stays
# what it is, and the relative spacing grows until the smallest value is one ulp itself. An integer has one ulp from end
# to end, as if all of it were subnormal.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.8), layout="constrained")
for i, name in enumerate(chosen):
    positive = numbers(formats.get(name))[numbers(formats.get(name)) > 0]
    gaps, style = np.diff(positive), {"color": "black" if name == "int8" else f"C{i}", "label": name, "linewidth": 1.2}
    left.step(positive[:-1], gaps, where="post", **style)
    right.plot(positive[:-1], gaps / positive[:-1], **style)
for axes, label in ((left, "distance to the next value (ulp, no unit)"), (right, "relative spacing ulp / value")):
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set(xlabel="value (no unit)", ylabel=label)
left.set_title("Unit in the last place")
right.set_title("Relative spacing, colours as on the left")
left.legend()
plt.show()

for spec in map(formats.get, chosen[:-1]):
    values = numbers(spec)[numbers(spec) >= 2.0**spec.emin]
    relative = np.diff(values) / values[:-1]
    assert relative.max() == 2.0**-spec.fraction_bits
    assert relative.min() > 2.0 ** -(spec.fraction_bits + 1)

# %% [markdown]
# ## What one value becomes
#
# How a number gets into a format is a *policy*: a rounding mode and a saturation mode. Neither has a default here. The
# table shows every combination that the format knows, for values near the top of `float8_e4m3fn`: 448 is its largest
# number, 480 would be the next (that code is NaN), and 464 is half-way. Counts in brackets are how many of the 256
# values of 8 random bits lead to a result.


# %%
def outcomes(value: Fraction | float, name: str) -> dict[tuple[str, str], str]:
    """What every rounding and saturation makes of a value, by the judge."""
    found = describe(value, name)
    results = {result.code: short_text(result.value) for result in found.results}
    cells = {}
    for policy in found.policies:
        total = sum(outcome.count for outcome in policy.outcomes)
        texts = [results[o.code] + (f" ({o.count}/{total})" if o.count < total else "") for o in policy.outcomes]
        cells[policy.saturation.value, policy.rounding.value] = " or ".join(texts)
    return cells


def policies(values: list[Fraction | float], name: str) -> pd.DataFrame:
    """A column for each value, a row for each policy."""
    table = pd.DataFrame({short_text(value): outcomes(value, name) for value in values})
    return table.rename_axis(index=["saturation", "rounding"])


tiny = Fraction(1, 1 << 10)
top = policies([Fraction(448), 464 - tiny, Fraction(464), 464 + tiny, Fraction(480), float("inf")], "float8_e4m3fn")
display(top)

# %% [markdown]
# Under `sat_none` the tie 464 goes to 448 by ties-to-even, since the code of 448 is even, and to NaN by ties-to-away;
# the modes toward zero and toward negative never move past the largest number. Also, `sat_propagate` is the same as
# `sat_finite` here, since this format has no infinity to propagate.

# %%
assert top.loc[("sat_none", "nearest_ties_to_even"), "464"] == "448"
assert top.loc[("sat_none", "nearest_ties_to_away"), "464"] == "nan"
assert (top.loc["sat_none"].loc[["toward_zero", "toward_negative"], "480"] == "448").all()
assert top.loc["sat_propagate"].equals(top.loc["sat_finite"])

# %% [markdown]
# In a 4-bit format ties are everywhere. `float4_e2m1fn` knows 2 and 3, and 2.5 is half-way; so is 5 between 4 and 6.

# %%
display(policies([Fraction(5, 2), Fraction(-5, 2), Fraction(5)], "float4_e2m1fn").loc["sat_finite"])

# %% [markdown]
# "Even" means that the *code* is even. With one bit of precision there is no fraction to be even: every significand is
# 1, and the parity of the exponent field decides (P3109 section 4.7). So the ties go up and down in turn; a rule that
# looks at the significand alone would send all of them the same way.

# %%
spec = formats.get("float4_e3m0")
ties = landmarks.midpoints(spec)[1:-1]
rows = []
for tie in map(Fraction, ties):
    code = exact.encode(tie, spec, rounding="nearest_ties_to_even", saturation="sat_finite")
    ends = describe(tie, spec)
    rows.append(
        {
            "tie": short_text(tie),
            "between": f"{short_text(ends.below.value)} and {short_text(ends.above.value)}",
            "becomes": short_text(exact.decode(code, spec)),
            "code": code_text(code, spec.bits),
            "direction": "up" if code == ends.above.code else "down",
        }
    )
parity = pd.DataFrame(rows).set_index("tie")
display(parity)
assert all(int(code, 16) % 2 == 0 for code in parity["code"])
assert set(parity["direction"]) == {"up", "down"}

# %% [markdown]
# ### Stochastic rounding
#
# A stochastic rounding takes $n$ random bits $r$ from its caller and is a function of the value and $r$. Where the
# value lies at $\nu$ between its neighbours ($0 \le \nu < 1$), about $\nu 2^n$ of the $2^n$ values of $r$ lead to the
# one farther from zero. P3109's three variants differ in how they cut $\nu$ to $n$ bits: A truncates it, B rounds it
# half up, C half to even. On the left is the mean over all $r$, exactly: with few random bits, A is biased toward zero.
#
# On the right, 3/32 is added again and again in `float8_e4m3fn`. To nearest, the sum stops at 2, where half an ulp
# exceeds the term; stochastically it does not stop, and the mean keeps up with the exact sum.

# %%
BITS, STEPS, WALKS, TERM = 3, 100, 2000, Fraction(3, 32)


def bias(nu: Fraction, rounding: Rounding) -> Fraction:
    """Mean of the rounded value minus the value, over all random bits, at 1 + nu ulp of E4M3."""
    ulp, total = Fraction(1, 8), Fraction(0)
    policy = {"rounding": rounding, "saturation": "sat_finite", "random_bit_count": BITS}
    for r in range(1 << BITS):
        total += exact.decode(exact.encode(1 + nu * ulp, "float8_e4m3fn", random_bits=r, **policy), "float8_e4m3fn")
    return (total / (1 << BITS) - (1 + nu * ulp)) / ulp


def walk(rounding: str) -> np.ndarray:
    """Sums after each step, one column a walk; a single one without random bits."""
    generator, stochastic = np.random.default_rng(0), Rounding(rounding).is_stochastic
    total, path = np.zeros(WALKS if stochastic else 1), []
    for _ in range(STEPS):
        random = {"random_bits": generator.integers(1 << 16, size=WALKS), "random_bit_count": 16} if stochastic else {}
        total = total + float(TERM)  # exact in float64
        total = reference.round_to(total, "float8_e4m3fn", rounding=rounding, saturation="sat_finite", **random)
        total = total.astype(np.float64)
        path.append(total)
    return np.array(path)


places = [Fraction(k, 256) for k in range(256)]
found = {mode: np.array([float(bias(nu, mode)) for nu in places]) for mode in Rounding if mode.is_stochastic}
nearest, stochastic = walk("nearest_ties_to_even")[:, 0], walk("stochastic_a")

figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
for (mode, biases), style in zip(found.items(), ("-", "-", "--"), strict=True):
    left.plot([float(nu) for nu in places], biases, style, label=f"{mode.value}, mean {biases.mean():+.3f} ulp")
left.set(xlabel="place nu between the neighbours (ulp)", ylabel="mean of the result - value (ulp)")
left.set_title(f"Bias of stochastic rounding with {BITS} random bits")
left.set_ylim(top=0.14)
left.legend(loc="upper center")
steps = np.arange(1, STEPS + 1)
right.fill_between(steps, *np.quantile(stochastic, (0.05, 0.95), axis=1), alpha=0.2, label="stochastic, 5 % to 95 %")
right.plot(steps, stochastic.mean(1), label=f"stochastic, mean of {WALKS} walks")
right.plot(steps, steps * float(TERM), "k:", label="exact sum")
right.plot(steps, nearest, label="nearest, ties to even")
right.set(xlabel="terms added (count)", ylabel="sum (no unit)")
right.set_title(f"Adding {TERM} in float8_e4m3fn")
right.legend()
plt.show()

a, b, c = found.values()
assert -(2.0**-BITS) < a.min() <= a.max() == 0, "A truncates: never up, by less than one unit of its random bits"
assert max(abs(b).max(), abs(c).max()) == 2.0 ** -(BITS + 1), "B and C round: half a unit at most"
assert nearest[-1] == 2, "to nearest, the sum stagnates"
error = stochastic[-1].mean() - STEPS * float(TERM)
assert abs(error) < 4 * stochastic[-1].std() / WALKS**0.5, "stochastically it is right on average (4 standard errors)"

# %% [markdown]
# ## Five formats called E4M3
#
# Four exponent bits, three fraction bits: that leaves the bias and the special codes open, and five formats in use fill
# them in differently. A file that only says "E4M3" does not say what its bytes mean.

# %%
e4m3 = ["float8_e4m3fn", "float8_e4m3", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "Binary8p4se"]
display(pd.DataFrame(row(formats.get(name)) for name in e4m3).set_index("format"))
codes = [0x00, 0x01, 0x08, 0x38, 0x40, 0x77, 0x78, 0x7E, 0x7F, 0x80, 0xFF]
display(
    pd.DataFrame(
        {name: [short_text(exact.decode(code, name)) for code in codes] for name in e4m3},
        index=pd.Index([code_text(code, 8) for code in codes], name="code"),
    )
)

# %%
figure, axes = plt.subplots(figsize=(11, 3), layout="constrained")
for y, spec in enumerate(map(formats.get, e4m3)):
    low, normal, high = (float(exact.decode(code, spec)) for code in (1, 1 << spec.fraction_bits, spec.max_code))
    axes.plot([normal, high], [y, y], color=color(spec), linewidth=9, solid_capstyle="butt")
    axes.plot([low, normal], [y, y], color=color(spec), linewidth=9, alpha=0.35, solid_capstyle="butt")
    axes.annotate(f"{high:g}", (high, y), xytext=(4, 0), textcoords="offset points", va="center")
axes.set_yticks(range(len(e4m3)), e4m3)
axes.set_ylim(len(e4m3) - 0.4, -0.6)
axes.set_xscale("log", base=2)
axes.set_xlim(right=2.0**11)
axes.set(xlabel="magnitude (no unit): pale is subnormal, full is normal, the number is the largest value")
axes.set_title("Five ranges")
plt.show()

# %% [markdown]
# How many of the 256 codes mean the same in two of them (NaN counts as equal to NaN, and $-0$ as different from $0$):


# %%
def patterns(values: np.ndarray) -> np.ndarray:
    """float32 values as bits, so that -0 differs from 0 and NaN, of whatever sign, equals NaN."""
    return np.where(np.isnan(values), np.float32("nan"), values).astype(np.float32).view(np.uint32)


found = {name: patterns(reference.decode(np.arange(256), name)) for name in e4m3}
display(pd.DataFrame({a: {b: int((found[a] == found[b]).sum()) for b in e4m3} for a in e4m3}))

fn, fnuz = (reference.decode(np.arange(256), name) for name in ("float8_e4m3fn", "float8_e4m3fnuz"))
both = np.isfinite(fn) & np.isfinite(fnuz)
assert np.array_equal(fn[both], 2 * fnuz[both])
print(f"float8_e4m3fn is twice float8_e4m3fnuz on all {both.sum()} codes that are finite in both")

# %% [markdown]
# ## Your own format, in one literal
#
# A 7-bit float with three exponent and three fraction bits, infinities, and one NaN of either sign. Nothing else is
# needed: the judge, the golden model on NumPy arrays and the JAX code all read the record.

# %%
mine = FloatSpec(
    name="float7_e3m3_mine",
    bits=7,
    precision=4,
    bias=3,
    max_code=0x3D,
    has_infinity=True,
    nan=Nan.ABOVE,
    overflow=Overflow.INFINITY,
    source="made up for this notebook",
)
display(pd.DataFrame([row(mine)]).set_index("format"))

# %% [markdown]
# Three implementations, one answer. Decoding is compared on all codes. Encoding is compared where a rounding can change
# its mind: at every value and every midpoint between values, at their neighbours in float32, and at infinity, with both
# signs, under every deterministic rounding and every saturation.

# %%
every_code = np.arange(1 << mine.bits, dtype=np.uint8)
judged = np.array([float(exact.decode(int(code), mine)) for code in every_code])
np.testing.assert_array_equal(patterns(reference.decode(every_code, mine)), patterns(judged))
np.testing.assert_array_equal(patterns(np.asarray(kernels_ref.decode(every_code, mine))), patterns(judged))
print(f"decode: judge, NumPy and JAX agree on all {len(every_code)} codes")

values = landmarks.as_dtype(landmarks.magnitudes(mine), "float32")
around = np.concatenate([landmarks.neighbours(values, step) for step in (-1, 0, 1)])
x = np.concatenate([landmarks.near_ties(mine, "float32"), around, -around, np.float32([np.inf, -np.inf])])
compared = 0
for rounding in (mode for mode in Rounding if not mode.is_stochastic):
    for saturation in mine.saturations:
        policy = {"rounding": rounding, "saturation": saturation}
        judged = np.array([exact.encode(float(value), mine, **policy) for value in x])
        np.testing.assert_array_equal(reference.encode(x, mine, **policy), judged)
        np.testing.assert_array_equal(kernels_ref.encode(x, mine, **policy), judged)
        compared += len(x)
print(f"encode: judge, NumPy and JAX agree on {len(x)} inputs under every policy, {compared} comparisons")
