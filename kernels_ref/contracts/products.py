"""The contracts of products of quantised weights, made from their records."""

from __future__ import annotations

from formats.products import Factor, ScaledProduct, scaled_product, scaled_products
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape
from kernels_ref.hopper.cut import default_split
from kernels_ref.hopper.dense_plan import is_dense

GOLDEN = "reference.scaled_product.scaled_matmul"
STREAMED = "kernels_ref.hopper.scaled_matmul"
DENSE = "kernels_ref.hopper.dense.dense_matmul"
ON_XLA = "kernels_ref.scaled_product.scaled_matmul"

_TILED = (
    "activations row-major; weights packed offline, tile by tile of {rows} rows times {depth} elements of K, each tile"
    " one contiguous run, codes permuted within it as the registers of wgmma want them"
)
_SIZES = {Factor.WEIGHT_SCALE: ("n",), Factor.TOKEN_SCALE: ("m",), Factor.TENSOR_SCALE: ()}


def product_contracts() -> tuple[KernelContract, ...]:
    """One for each name of `formats.products.scaled_products`."""
    return tuple(_contract(scaled_product(name)) for name in scaled_products())


def _contract(product: ScaledProduct) -> KernelContract:
    split = default_split(product)
    return KernelContract(
        name=product.name,
        operation=Operation.SCALED_PRODUCT,
        operands=_operands(product),
        out=(Operand(name="y", format=product.out, shape=("m", "n")),),
        granularity=_granularity(product),
        layout=_TILED.format(rows=split.rows, depth=split.depth),
        golden=GOLDEN,
        kernels=(ON_XLA, STREAMED, *([DENSE] if is_dense(product) else [])),
        arguments=(("product", product.name),),
        accumulator=product.accumulator,
        k_order=_k_order(product),
        split_k=split,
        epilogue=_epilogue(product),
        example=Shape(m=8, n=256, k=512),
        source=product.source,
    )


def _operands(product: ScaledProduct) -> tuple[Operand, ...]:
    made = [Operand(name=name, format=fmt, shape=(rows, "k")) for name, fmt, rows in _codes(product)]
    groups = f"k/{product.group}"
    if product.group_scale:
        rows = f"n/{product.weight_rows}" if product.weight_rows > 1 else "n"
        made.append(Operand(name="group_scale", format=product.group_scale, shape=(rows, groups)))
    if product.zero_point:
        shared = ("n", groups) if product.group else ("n",)
        made.append(Operand(name="zero_point", format=product.zero_point, shape=shared))
    if product.a_grouped:
        made.append(Operand(name="a_scale", format="float32", shape=("m", groups)))
    made += [Operand(name=f.value, format="float32", shape=_SIZES[f]) for f in product.epilogue]
    if product.requantiser:
        made += [Operand(name=name, format="int32", shape=("n",)) for name in ("multiplier", "shift")]
    return tuple(made)


def _codes(product: ScaledProduct) -> tuple[tuple[str, str, str], ...]:
    return ("a", product.a, "m"), ("w", product.w, "n")


def _granularity(product: ScaledProduct) -> str:
    said: list[str] = []
    if product.group_scale:
        rows = f"{product.weight_rows} rows by " if product.weight_rows > 1 else ""
        said.append(f"weights: {rows}{product.group} of K ({product.group_scale})")
    if product.a_grouped:
        said.append(f"activations: {product.group} of K (float32)")
    names = {Factor.WEIGHT_SCALE: "weights: row", Factor.TOKEN_SCALE: "activations: row", Factor.TENSOR_SCALE: "tensor"}
    said += [f"{names[factor]} (float32)" for factor in product.epilogue]
    if product.requantiser:
        said.append("outputs: row (multiplier and shift)")
    return "; ".join(said)


def _k_order(product: ScaledProduct) -> str:
    if product.chain is None:
        return "natural order of K, one chain"
    fold = "fma(d, s, y)" if product.scales_sums else "y + d"
    return f"natural order of K, chains of {product.chain}, folded in order by {fold}"


def _epilogue(product: ScaledProduct) -> tuple[str, ...]:
    if product.requantiser:
        return (f"requantise by {product.requantiser}",)
    to_float = ["to float32"] if product.rule.output.name == "int32" else []
    return (*to_float, *(f"times {factor.value}" for factor in product.epilogue), f"round to {product.out}")
