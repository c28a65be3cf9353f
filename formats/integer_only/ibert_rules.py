"""I-BERT's rules by name: the paper's form, the code's form, and a safe one that fits 32 bits."""

from __future__ import annotations

from formats.integer_only.ibert import ClipRule, ExpRule, GeluRule, LayerNormRule, SoftmaxRule
from formats.integer_only.polynomials import Coefficients, Polynomial
from formats.look_up import find_record

_PAPER = "I-BERT, arXiv 2101.01321, "
_CODE = "kssteven418/I-BERT @ 1b09c75, "
_OURS = "this project's, from the paper's constants"

#: to 50 decimals
LN2 = "0.69314718055994530941723212145817656807550013436026"
SQRT2 = "1.41421356237309504880168872420969807856967187537695"

_SQUARE = Polynomial(a="0.3585", b="1.353", c="0.344")
_ERF = Polynomial(a="-0.2888", b="-1.769", c="1")
_EXP = {
    rule.name: rule
    for rule in (
        ExpRule(
            name="paper",
            polynomial=_SQUARE,
            ln2=LN2,
            ceiling=False,
            octaves=None,
            coefficients=Coefficients.EXACT,
            source=_PAPER + "algorithm 3",
        ),
        ExpRule(
            name="code",
            polynomial=Polynomial(a="0.35815147", b="0.96963238", c="1.0", expanded=True),
            ln2="0.6931",
            ceiling=True,
            octaves=30,
            coefficients=Coefficients.BINARY32,
            source=_CODE + "IntSoftmax.int_exp of quant_modules.py, with integers where it has binary32 numbers",
        ),
        ExpRule(
            name="safe",
            polynomial=_SQUARE,
            ln2=LN2,
            ceiling=False,
            octaves=None,
            coefficients=Coefficients.EXACT,
            word_bits=32,
            source=_OURS + ": algorithm 3 after a shift of the input",
        ),
    )
}
_SOFTMAX = {
    rule.name: rule
    for rule in (
        SoftmaxRule(
            name="paper",
            exp=_EXP["paper"],
            requantised_bits=None,
            reciprocal_bits=None,
            source=_PAPER + "algorithm 3; how it divides is not stated: the floor and 8 bits are this project's",
        ),
        SoftmaxRule(
            name="code",
            exp=_EXP["code"],
            requantised_bits=16,
            reciprocal_bits=32,
            source=_CODE + "IntSoftmax of quant_modules.py, with integers where it has binary32 numbers",
        ),
        SoftmaxRule(
            name="safe",
            exp=_EXP["safe"],
            requantised_bits=None,
            reciprocal_bits=None,
            word_bits=32,
            source=_OURS + ": exponentials shifted right until their sum fits",
        ),
    )
}
_GELU = {
    rule.name: rule
    for rule in (
        GeluRule(
            name="paper",
            polynomial=_ERF,
            root=SQRT2,
            shift=0,
            coefficients=Coefficients.EXACT,
            source=_PAPER + "algorithm 2",
        ),
        GeluRule(
            name="code",
            polynomial=_ERF,
            root="1.4142",
            shift=14,
            coefficients=Coefficients.BINARY32,
            source=_CODE + "IntGELU of quant_modules.py, with integers where it has binary32 numbers",
        ),
        GeluRule(
            name="safe",
            polynomial=_ERF,
            root=SQRT2,
            shift=14,
            coefficients=Coefficients.EXACT,
            word_bits=32,
            source=_OURS + ": the code's shift by 14, after a shift of the input",
        ),
    )
}
_LAYER_NORM = {
    rule.name: rule
    for rule in (
        LayerNormRule(
            name="code",
            row_shifts=False,
            coefficients=Coefficients.BINARY32,
            source=_CODE + "IntLayerNorm of quant_modules.py, with integers, and the paper's square root, for floats",
        ),
        LayerNormRule(
            name="safe",
            row_shifts=True,
            coefficients=Coefficients.EXACT,
            source="this project's: the code's form with a shift for each row, so that nothing is calibrated",
        ),
    )
}
_CLIP = {
    rule.name: rule
    for rule in (
        ClipRule(name="paper", low=1, high=0, source=_PAPER + "section 3.1"),
        ClipRule(name="code_weights", low=0, high=1, source=_CODE + "SymmetricQuantFunction of quant_utils.py"),
        ClipRule(name="code_activations", low=1, high=0, source=_CODE + "fixedpoint_mul of quant_utils.py"),
    )
}


def exp_rule(rule: str | ExpRule) -> ExpRule:
    """``paper``, ``code`` or ``safe``, or the record itself; ``KeyError`` lists the names.

    >>> exp_rule("paper").octaves is None
    True
    """
    return rule if isinstance(rule, ExpRule) else find_record(rule, _EXP, "i-exp")


def softmax_rule(rule: str | SoftmaxRule) -> SoftmaxRule:
    """``paper``, ``code`` or ``safe``, or the record itself; ``KeyError`` lists the names.

    >>> softmax_rule("code").requantised_bits
    16
    """
    return rule if isinstance(rule, SoftmaxRule) else find_record(rule, _SOFTMAX, "i-softmax")


def gelu_rule(rule: str | GeluRule) -> GeluRule:
    """``paper``, ``code`` or ``safe``, or the record itself; ``KeyError`` lists the names.

    >>> gelu_rule("code").shift
    14
    """
    return rule if isinstance(rule, GeluRule) else find_record(rule, _GELU, "i-GELU")


def layer_norm_rule(rule: str | LayerNormRule) -> LayerNormRule:
    """``code`` or ``safe``, or the record itself; ``KeyError`` lists the names.

    >>> layer_norm_rule("code").row_shifts
    False
    """
    return rule if isinstance(rule, LayerNormRule) else find_record(rule, _LAYER_NORM, "integer LayerNorm")


def clip_rule(rule: str | ClipRule) -> ClipRule:
    """``paper``, ``code_weights`` or ``code_activations``, or the record itself; ``KeyError`` lists the names.

    >>> clip_rule("code_weights").limits(32)
    (-2147483647, 2147483646)
    """
    return rule if isinstance(rule, ClipRule) else find_record(rule, _CLIP, "clip rule")
