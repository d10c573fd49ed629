"""Which command takes a network out of torch?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spondyl.cli.arguments import Overwrite, Seed
from spondyl.errors import UsageError


def export(
    weights: Annotated[Path, typer.Argument(help="Checkpoint that training wrote.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="ONNX file to write.")],
    films: Annotated[
        int, typer.Option(min=1, help="Phantoms on which both must find the same.")
    ] = 50,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write a network as ONNX, which predicts without torch.

    Normalisation, network and decoding are in one graph: films go in, candidate vertebrae come out.
    Proves on phantoms that both find the same vertebrae with every corner within 0.01 px of the
    input, says so, and prints the file; exit code 1 where they differ.
    """
    from spondyl.cli.console import progress, say
    from spondyl.cli.inputs import check_free

    if out.suffix.lower() != ".onnx":
        raise UsageError(f"{out}: need a name that ends in .onnx")
    check_free(out, overwrite=overwrite)
    import numpy as np

    from spondyl.data.phantom import phantom
    from spondyl.film.letterbox import prepare
    from spondyl.learning import export as exporting
    from spondyl.session import load_session

    exporting.export(weights, out)
    size = load_session(out).detector.input_size
    inputs = []
    with progress("drawing", films) as done:
        for index in range(films):
            made = phantom(seed, index, long_side=max(size, 128))
            inputs.append(prepare(made.radiograph, size)[1])
            done(index + 1)
    proof = exporting.prove(weights, out, np.stack(inputs))
    say(
        f"{proof.films} films, {proof.vertebrae} vertebrae: "
        + (f"other ones on {proof.unequal} films, " if proof.unequal else "the same, ")
        + f"corners within {proof.corner_px:.2g} px of the input"
    )
    print(out)
    if not proof.equal:
        raise typer.Exit(1)
