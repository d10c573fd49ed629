"""Which commands make films and networks?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spondyl.cli.arguments import Device, Format, OutFolder, Seed, SplitFile
from spondyl.errors import UsageError

if TYPE_CHECKING:
    from spondyl.data.sample import Sample
    from spondyl.data.splitting import Split
    from spondyl.learning.starting import Start
    from spondyl.recipe import Recipe


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    films: Annotated[int, typer.Option(min=1, help="Number of films.")] = 300,
    seed: Seed = 0,
    long_side: Annotated[int, typer.Option(min=128, help="Longer side of a film, px.")] = 1024,
    habits: Annotated[
        bool,
        typer.Option(
            "--habits",
            help="Annotate in two formats with their own corner orders, some disordered.",
        ),
    ] = False,
    style: Annotated[
        Literal["plain", "rich"],
        typer.Option(help="Crisp bones in even tissue, or the clutter of real films and more."),
    ] = "plain",
    view: Annotated[
        Literal["lateral", "ap", "both"],
        typer.Option(help="Lateral lumbar films, frontal ones of the whole spine, or in turn."),
    ] = "lateral",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder in use.")] = False,
) -> None:
    """Make procedural radiographs with exact corners.

    Films as PNG, and their corners, levels and facing; prints the folder.
    """
    from spondyl.cli.console import progress
    from spondyl.data.phantom import write_phantoms

    if not force and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty; need a new folder, or --force")
    if habits and view != "lateral":
        raise UsageError(f"--habits --view {view}: those are faults of lateral films; need one")
    if habits and style == "rich":
        raise UsageError("--habits --style rich: those formats cannot state an aspect; need one")
    with progress("drawing", films) as done:
        write_phantoms(
            out,
            films=films,
            seed=seed,
            long_side=long_side,
            habits=habits,
            style=style,
            view=view,
            progress=done,
        )
    print(out)


def train(
    data: Annotated[Path, typer.Argument(help="Folder of annotated films.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe file, or the name of one that comes along, such as demo.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Fine-tune a trained network: its .safetensors file, or a name; "
            "then the recipe may be left away.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable."),
    ] = None,
    format: Format = None,
    split: SplitFile = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights to start from.", show_default=False)
    ] = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed, instead of the recipe's.", show_default=False)
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Train without what cannot be used.")
    ] = False,
    allow_leak: Annotated[
        bool,
        typer.Option("--allow-leak", help="Train although parts of the split share a patient."),
    ] = False,
) -> None:
    """Train a network on annotated films.

    Prints the checkpoint with the best radial error. The folder of the run also holds the recipe,
    the split, the history and what a resume needs.
    """
    from spondyl.cli.inputs import read_samples

    if resume and not (out / "last.ckpt").exists():
        raise UsageError(f"{out}: holds no run to resume; leave --resume away to begin one")
    if init and weights:
        raise UsageError("--init and --weights: need one of the two")
    start = _start(init)
    begun = out / "recipe.yaml" if resume else None
    chosen = _recipe(recipe, settings or [], weights=weights, seed=seed, begun=begun, start=start)
    samples = read_samples(data, format=format, skip_bad=skip_bad)
    parts = _split(split, samples, chosen, allow_leak=allow_leak)
    from spondyl.learning.train import fit  # after all that can be refused without torch

    result = fit(samples, chosen, out, split=parts, device=device, resume=resume, start=start)
    print(result.best)


def demo(
    out: OutFolder = Path("spondyl-demo"),
    seed: Seed = 0,
    films: Annotated[int, typer.Option(min=20, help="Number of phantoms to train on.")] = 240,
) -> None:
    """Show the whole way on phantoms, in minutes.

    The same films through two encodings; prints the page to open.
    """
    from spondyl.demo import run_demo

    print(run_demo(out, seed=seed, films=films))


def _split(
    path: Path | None, samples: list[Sample], recipe: Recipe, *, allow_leak: bool
) -> Split | None:
    """The split that a user asked for, refused where it leaks by name or group."""
    from spondyl.data.leaks import permit
    from spondyl.data.splitting import read_split

    if path is None:
        if allow_leak:
            raise UsageError("--allow-leak: a split made for the run has no leak; need --split too")
        return None
    parts = replace(read_split(path, strict=False), leaks_allowed=allow_leak)
    parts = parts.without(recipe.data.exclude_groups)
    permit(parts, samples)
    return parts


def _start(name: str | None) -> Start | None:
    """The checkpoint to go on from; only that needs torch before the films are read."""
    if name is None:
        return None
    from spondyl.learning.starting import find_start

    return find_start(name)


def _base(name: str | None, begun: Path | None, start: Start | None) -> Recipe:
    """The recipe named, or that of the run begun, or the one for going on from a checkpoint."""
    from spondyl.recipe import read_recipe, shipped_recipe

    if name is not None:
        is_file = Path(name).suffix in (".yaml", ".yml") or Path(name).is_file()
        return read_recipe(Path(name) if is_file else shipped_recipe(name))
    if begun is not None:
        return read_recipe(begun)
    if start is None:
        raise UsageError("--recipe and --init: need one of the two, or both")
    return start.recipe()


def _recipe(
    name: str | None,
    settings: list[str],
    *,
    weights: Path | None,
    seed: int | None,
    begun: Path | None = None,
    start: Start | None = None,
) -> Recipe:
    """The recipe that a user asked for, then what was said beside it."""
    from spondyl.recipe import override

    recipe = override(_base(name, begun, start), settings)
    if weights is not None:
        recipe = recipe.model_copy(
            update={"model": recipe.model.model_copy(update={"weights": weights})}
        )
    return recipe if seed is None else recipe.model_copy(update={"seed": seed})
