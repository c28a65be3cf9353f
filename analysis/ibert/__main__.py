"""``python -m analysis.ibert``: I-BERT's integer functions on the activations of a real BERT."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analysis.ibert.comparison import FORMS, SENTENCES, compare_functions, compare_models
from analysis.ibert.integer_functions import unfit_channels
from analysis.ibert.minilm import minilm


def main(*, forms: Annotated[str, typer.Option(help=f"Comma-separated, of {', '.join(FORMS)}.")] = "code,safe") -> None:
    """MiniLM on eight sentences: integer softmax, GELU and LayerNorm beside the float ones.

    Matrix products stay in binary32. First each function on what the float model gives it; then sentence vectors of
    the model with functions replaced in all layers, and how many nearest sentences stay the same.

    Example: python -m analysis.ibert --forms safe
    """
    chosen = forms.split(",")
    if any(form not in FORMS for form in chosen):
        print(f"forms={forms}; accepted: {', '.join(FORMS)}", file=sys.stderr)
        raise typer.Exit(2)
    try:
        model = minilm()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    unfit, channels = unfit_channels(model)
    print(f"beta / gamma is no int32 in {unfit} of {channels} channels of LayerNorm: beta is added in floats")
    for form in chosen:
        print(f"{form}: function by function, on the float model's activations")
        for row in compare_functions(model, form):
            print(
                f"  {row.function:10} {row.calls:3} calls  least cosine {row.least_cosine:.6f}  "
                f"greatest error {row.greatest_error:.4f}"
            )
        print(f"{form}: vectors of {len(SENTENCES)} sentences, replaced in all layers")
        for found in compare_models(model, form):
            print(
                f"  {found.replaced:10} cosine mean {found.mean_cosine:.6f} least {found.least_cosine:.6f}  "
                f"nearest sentences kept {found.neighbours} of {len(SENTENCES)}"
            )


if __name__ == "__main__":
    typer.run(main)
