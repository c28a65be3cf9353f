"""Proof that a computation is integer-only: every equation that JAX traces, with the types of its operands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
from jax.extend import core
from jax.typing import DTypeLike

from kernels_ref.integer.network import executor
from reference.integer.network import Network
from reference.integer.ranges import integer_dtype
from reference.integer.shapes import input_node

#: primitives that call what no jaxpr shows
OPAQUE = frozenset(
    {"custom_call", "debug_callback", "ffi_call", "io_callback", "pure_callback", "tpu_custom_call", "xla_call_module"}
)

Equation = Any


@dataclass(frozen=True, slots=True)
class Finding:
    """An equation that is not one of integers: the node whose it is, the primitive, and the types in and out."""

    node: str
    primitive: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.node or 'no node'}: {self.primitive} {', '.join(self.inputs)} -> {', '.join(self.outputs)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What a computation is made of.

    ``equations``: how many there are, in every branch, loop body and called function, each counted once.
    ``primitives``, ``dtypes``: how often each occurs; a type counts once for each operand and result. ``floats``: the
    equations, and the arguments and results of the whole, that have an operand or result neither an integer nor a truth
    value. ``opaque``: the equations that call what cannot be looked into.
    """

    equations: int
    primitives: Mapping[str, int]
    dtypes: Mapping[str, int]
    floats: tuple[Finding, ...]
    opaque: tuple[Finding, ...]

    @property
    def integer_only(self) -> bool:
        """No float anywhere, and nothing hidden."""
        return not self.floats and not self.opaque

    def nodes(self) -> tuple[str, ...]:
        """The nodes that are not integer-only, in order."""
        return tuple(dict.fromkeys(finding.node for finding in (*self.floats, *self.opaque)))

    def check(self) -> None:
        """``ArithmeticError``, with the first equations found, where the computation is not integer-only."""
        found = (*self.floats, *self.opaque)
        if found:
            shown = "; ".join(map(str, found[:3]))
            raise ArithmeticError(f"{len(found)} of {self.equations} equations are not of integers: {shown}")


def audit(
    subject: Network | Callable[..., Any], shape: tuple[int, ...] | None = None, dtype: DTypeLike | None = None
) -> Audit:
    """Every primitive and type between the input integers and the output integers of a network, or of any callable.

    The jaxpr is what JAX compiles: each operation with the types of its operands and results. It is walked with all
    that is nested in it (calls, branches, loops, custom derivatives, kernels). An equation belongs to the node in whose
    ``jax.named_scope`` it was traced. A rule that is defined in floats, such as ``onnx_qlinear``, is found like any
    other float.

    ``shape``, ``dtype``: of the argument of a callable; a network has its own, for a batch of one. Nothing is run.
    Raises ``TypeError`` for a callable without shape and dtype, or a network with them.

    >>> audit(lambda x: (x * 3) >> 1, (4,), "int32").integer_only
    True
    >>> print(audit(lambda x: x * 0.5, (4,), "int32").floats[0])
    no node: convert_element_type int32 -> float32
    """
    if isinstance(subject, Network):
        if shape is not None or dtype is not None:
            raise TypeError("a network states shape and dtype of its input; give them for a callable only")
        source = input_node(subject)
        return _report(executor(subject), (1, *source.shape), integer_dtype(source.out.format))
    if shape is None or dtype is None:
        raise TypeError("the audit of a callable needs the shape and the dtype of its argument")
    return _report(subject, shape, dtype)


def _report(function: Callable[..., Any], shape: tuple[int, ...], dtype: DTypeLike) -> Audit:
    trace: Callable[..., core.ClosedJaxpr] = jax.make_jaxpr(function)  # pyright: ignore[reportUnknownMemberType]
    closed = trace(jax.ShapeDtypeStruct(shape, dtype))
    primitives: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    floats: list[Finding] = []
    opaque: list[Finding] = []
    for node, equation in _equations(closed.jaxpr, ""):
        inputs, outputs = _types(equation.invars), _types(equation.outvars)
        finding = Finding(node, equation.primitive.name, inputs, outputs)
        primitives[finding.primitive] += 1
        dtypes.update(inputs + outputs)
        if not _is_integer(*inputs, *outputs):
            floats.append(finding)
        if finding.primitive in OPAQUE:
            opaque.append(finding)
    for what, variables in (("argument", closed.jaxpr.invars), ("result", closed.jaxpr.outvars)):
        ends = (Finding("", what, types, types) for types in map(_types, ([v] for v in variables)))
        floats += [end for end in ends if not _is_integer(*end.inputs)]
    return Audit(
        equations=primitives.total(),
        primitives=dict(primitives.most_common()),
        dtypes=dict(dtypes.most_common()),
        floats=tuple(floats),
        opaque=tuple(opaque),
    )


def _equations(jaxpr: core.Jaxpr, node: str) -> Iterator[tuple[str, Equation]]:
    """Each equation with its node, outer ones before what is nested in them."""
    for equation in jaxpr.eqns:
        own = node or _scope(equation)
        yield own, equation
        for value in equation.params.values():
            for inner in _jaxprs(value):
                yield from _equations(inner, own)


def _jaxprs(value: object) -> Iterator[core.Jaxpr]:
    """The jaxprs in a parameter of an equation, in lists and mappings too."""
    if isinstance(value, core.ClosedJaxpr):
        yield value.jaxpr
    elif isinstance(value, core.Jaxpr):
        yield value
    elif isinstance(value, list | tuple | Mapping):
        held = cast("Iterable[object]", value.values() if isinstance(value, Mapping) else value)
        for item in held:
            yield from _jaxprs(item)


def _scope(equation: Equation) -> str:
    """The outermost scope in which the equation was traced."""
    stack = equation.source_info.name_stack.stack
    return str(stack[0].name) if stack else ""


def _types(variables: list[Any]) -> tuple[str, ...]:
    return tuple(str(getattr(v.aval, "dtype", v.aval)) for v in variables)


def _is_integer(*names: str) -> bool:
    return all(name == "bool" or re.fullmatch(r"u?int\d+", name) for name in names)
