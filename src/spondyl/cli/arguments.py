"""Which arguments mean the same in every command?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the network runs.")
]
Format = Annotated[
    str | None,
    typer.Option(help="Annotation format, where it is not to be recognised.", show_default=False),
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier call has written.")
]
Part = Annotated[
    Literal["train", "val", "test"] | None,
    typer.Option(help="Part of the split to take.", show_default=False),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]
SplitFile = Annotated[
    Path | None,
    typer.Option("--split", help="Split file, as training writes it.", show_default=False),
]
