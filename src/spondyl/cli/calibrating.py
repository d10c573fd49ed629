"""Which command fits what a checkpoint says of its errors to a user's own films?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spondyl.cli.arguments import Device, Format, Overwrite, Part, SplitFile
from spondyl.errors import UsageError

if TYPE_CHECKING:
    from spondyl.spine.uncertainty import Uncertainty

_FEW = 50


def calibrate(
    weights: Annotated[Path, typer.Argument(help="Checkpoint that training wrote.")],
    data: Annotated[Path, typer.Argument(help="Folder of annotated films.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Checkpoint to write.")],
    coverage: Annotated[
        float, typer.Option(help="How often an interval holds the true value, such as 0.9.")
    ] = 0.9,
    half: Annotated[
        bool, typer.Option("--half", help="Round kernels to half precision: half the file.")
    ] = False,
    format: Format = None,
    split: SplitFile = None,
    part: Part = None,
    device: Device = "auto",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Calibrate without what cannot be used.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Learn from films with known corners how far off a network is on films like them.

    Writes the same network with intervals, names and trust fitted to these films, and prints the
    file. The films must have played no part in training, nor chosen the checkpoint. With --half the
    kernels are rounded first, so that all is fitted to the network that the file then holds.
    """
    from spondyl.cli.console import say
    from spondyl.cli.inputs import check_free, read_samples, select_part

    if out.suffix.lower() != ".safetensors":
        raise UsageError(f"{out}: is a checkpoint; need a name that ends in .safetensors")
    if not 0.5 <= coverage <= 0.99:
        raise UsageError(f"--coverage {coverage:g}: need a share from 0.5 to 0.99, such as 0.9")
    check_free(out, overwrite=overwrite)
    known = read_samples(data, format=format, skip_bad=skip_bad)
    samples = select_part(known, split, part, refused=())
    from spondyl.learning.batches import cache_films
    from spondyl.learning.calibrating import calibrate_checkpoint
    from spondyl.learning.checkpoint import load_model
    from spondyl.learning.detector import pick_device

    where, size = pick_device(device), load_model(weights).recipe.data.image_size
    say(f"reading {len(samples)} films")
    films = cache_films(samples, size)
    fitted = calibrate_checkpoint(
        weights, films, out=out, device=where, coverage=coverage, half=half
    )
    for line in _remarks(fitted.uncertainty, len({sample.group for sample in samples})):
        say(line)
    print(out)


def _remarks(errors: Uncertainty | None, groups: int) -> list[str]:
    """What a user must know of the calibration."""
    from spondyl.spine.conformal import FEWEST

    if errors is None:
        return [
            f"{groups} films or patients with vertebrae that were found: too few, no measurement "
            f"will have an interval; need {2 * FEWEST}"
        ]
    names = [name for name in errors.intervals.factors if ", " not in name]
    lines = [f"intervals for {len(names)} measurements: {', '.join(names)}"]
    if groups < _FEW:
        share = f"{100 * errors.intervals.coverage:g}"
        lines.append(
            f"only {groups} films or patients: intervals that say {share} % may hold in some 10 in "
            f"100 more or fewer; need {_FEW} or more"
        )
    return lines
