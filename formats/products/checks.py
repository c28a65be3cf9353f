"""Which fields of a scaled product fit together."""

from __future__ import annotations

from formats.dot import accumulator
from formats.floating import FloatSpec
from formats.integer import IntSpec
from formats.integer_only.requantisers import requantiser
from formats.registry import get
from formats.summation import IntegerSum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from formats.products.record import ScaledProduct

_FLOATS = ("float32", "float16", "bfloat16")


def checked(product: ScaledProduct) -> None:
    """``KeyError`` for a name that is not known, ``ValueError`` for fields that do not fit, with the fields' values."""
    for check in (_operands, _weight, _groups, _chain, _output):
        complaint = check(product)
        if complaint is not None:
            raise ValueError(f"ScaledProduct {product.name!r}: {complaint}")


def _operands(product: ScaledProduct) -> str | None:
    rule, a = accumulator(product.accumulator), get(product.a)
    get(product.w)
    if rule.a != a or rule.b != a:
        taken = [spec.name if spec else "any" for spec in (rule.a, rule.b)]
        return f"a={product.a!r}, but {rule.name} takes {' and '.join(taken)}"
    if rule.output.name not in ("float32", "int32"):
        return f"accumulator={rule.name!r} gives {rule.output.name}, not float32 or int32"
    return None


def _weight(product: ScaledProduct) -> str | None:
    kind, w = product.weight.value, get(product.w)
    if (kind == "minus_zero_point") != (product.zero_point is not None):
        return f"weight={kind!r} and zero_point={product.zero_point!r}: zero points go with 'minus_zero_point'"
    if product.zero_point is not None:
        for name in (product.w, product.zero_point):
            spec = get(name)
            if not isinstance(spec, IntSpec) or spec.signed:
                return f"zero points are taken from unsigned codes, but one of the formats is {name!r}"
    if product.lowered < 0 or (product.lowered and (product.chain is None or _is_integer(product))):
        return f"lowered={product.lowered} is no less than 0, and goes with floats in chains"
    if kind in ("scaled", "requantised") and product.group_scale is None:
        return f"weight={kind!r} needs group_scale"
    if kind == "requantised" and not (_is_integer(product) and isinstance(w, IntSpec)):
        return f"weight='requantised' makes integers of integers, but w={product.w!r} and a={product.a!r}"
    return None


def _groups(product: ScaledProduct) -> str | None:
    group, scale = product.group, product.group_scale
    if group is not None and (group < 1 or (scale is None and product.zero_point is None)):
        return f"group={group} must be at least 1, and goes with group_scale or zero_point"
    if scale is not None and group is None:
        return f"group_scale={scale!r} needs group"
    if scale is not None and scale != "float32" and not isinstance(get(scale), FloatSpec):
        return f"group_scale={scale!r} is no format of floats"
    if product.weight_rows < 1 or (product.weight_rows > 1 and not product.scales_sums):
        return f"weight_rows={product.weight_rows} must be at least 1; rows share scales of sums only"
    if product.a_grouped and not product.scales_sums:
        return "a_grouped needs the scale of a group on the sums"
    return None


def _chain(product: ScaledProduct) -> str | None:
    chain, k = product.chain, accumulator(product.accumulator).k
    if _is_integer(product):
        fitting = chain is None and not product.scales_sums
        return None if fitting else f"integer sums are one chain, and not scaled by groups; chain={chain}"
    if product.scales_sums and (not chain or (product.group or 0) % chain):
        return f"chain={chain} must divide group={product.group}, whose scale multiplies its sums"
    if chain is not None and (chain < 1 or (chain % k and k % chain)):
        return f"chain={chain} must be a multiple of the step k={k} of {product.accumulator}, or divide it"
    return None


def _output(product: ScaledProduct) -> str | None:
    if len(set(product.epilogue)) < len(product.epilogue):
        return f"epilogue={product.epilogue} holds a factor twice"
    if product.requantiser is None:
        return None if product.out in _FLOATS else f"out={product.out!r} without a requantiser; it may be {_FLOATS}"
    requantiser(product.requantiser)
    if product.epilogue or not _is_integer(product) or not isinstance(get(product.out), IntSpec):
        return f"requantiser={product.requantiser!r} takes integers to integers, with no factors; out={product.out!r}"
    return None


def _is_integer(product: ScaledProduct) -> bool:
    return isinstance(accumulator(product.accumulator).summation, IntegerSum)
