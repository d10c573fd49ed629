"""Which command divides films into parts, and proves that nothing crosses?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spondyl.cli.arguments import Format, Overwrite, Seed
from spondyl.errors import UsageError

if TYPE_CHECKING:
    from spondyl.data.duplicates import Fingerprint
    from spondyl.data.sample import Sample
    from spondyl.data.splitting import Split


def split(
    data: Annotated[
        Path | None,
        typer.Argument(help="Folder of annotated films; may be left away with --verify."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Split file to write.", show_default=False)
    ] = None,
    val: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of films that choose the checkpoint.")
    ] = 0.15,
    test: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of films that only judge.")
    ] = 0.1,
    seed: Seed = 0,
    verify: Annotated[
        Path | None,
        typer.Option(
            help="Prove that nothing crosses this split file; with DATA, that no exposure does.",
            show_default=False,
        ),
    ] = None,
    format: Format = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Split without what cannot be used.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Divide films so that no patient is in two parts, or prove it.

    Whole groups (patient, study or film) and films that show one exposure stay together, in equal
    shares of source, count of vertebrae and facing. With --verify: exit code 1 where something
    crosses, one line a leak on stdout.
    """
    from spondyl.cli.inputs import check_free, read_samples

    if (verify is None) == (out is None):
        raise UsageError("need --out to make a split, or --verify to prove one")
    if verify is None and data is None:
        raise UsageError("no DATA was given, need the folder of annotated films")
    if out is not None:
        check_free(out, overwrite=overwrite)
    samples = read_samples(data, format=format, skip_bad=skip_bad) if data else []
    if out is not None:
        _make(samples, out, shares=(val, test), seed=seed)
    elif verify is not None and not _proved(verify, samples):
        raise typer.Exit(1)


def _make(samples: Sequence[Sample], out: Path, *, shares: tuple[float, float], seed: int) -> None:
    """Writes the split, prints its table and says which groups were tied."""
    from spondyl.cli.console import say
    from spondyl.data.splitting import split_by_group, write_split

    made = split_by_group(
        samples, val=shares[0], test=shares[1], seed=seed, fingerprints=_fingerprints(samples)
    )
    write_split(made, out)
    for link in made.links:
        ends = f"{made.groups[link.one]} and {made.groups[link.other]}"
        say(f"groups {ends} stay together: {link.one} and {link.other}: {link.why}")
    _print_table(made, samples)


def _proved(path: Path, samples: Sequence[Sample]) -> bool:
    """Whether nothing crosses the split; prints what was proved, or each leak."""
    from spondyl.data.leaks import find_leaks
    from spondyl.data.splitting import PARTS, read_split

    known = read_split(path, strict=False)
    fingerprints = _fingerprints(samples)
    _say_differences(known, path, fingerprints)
    leaks = find_leaks(known, samples, fingerprints)
    for leak in leaks:
        print(leak)
    if not leaks:
        counts = ", ".join(f"{len(known.keys(part))} {part}" for part in PARTS)
        looked = "no group, name or near-duplicate" if fingerprints else "no group or name"
        seen = "" if fingerprints else " (give DATA to compare the films themselves)"
        print(f"{path}: {looked} crosses {counts}{seen}")
    return not leaks


def _fingerprints(samples: Sequence[Sample]) -> dict[str, Fingerprint]:
    from spondyl.cli.console import progress
    from spondyl.data.duplicates import fingerprint_all

    with progress("comparing films", len(samples)) as done:
        return fingerprint_all(samples, progress=done)


def _say_differences(known: Split, path: Path, fingerprints: dict[str, Fingerprint]) -> None:
    """Films that only the split or only the data hold, and those that have changed since."""
    from spondyl.cli.console import say

    if not fingerprints:
        return
    for key in sorted(known.groups.keys() - fingerprints.keys()):
        say(f"{key}: in {path}, but not among the films")
    for key in sorted(fingerprints.keys() - known.groups.keys()):
        say(f"{key}: among the films, but not in {path}")
    for key in sorted(known.pixels.keys() & fingerprints.keys()):
        if known.pixels[key] != fingerprints[key].pixels:
            say(f"{key}: its pixels have changed since {path} was made")


def _print_table(made: Split, samples: Sequence[Sample]) -> None:
    """Films of each part by source, count of vertebrae and facing, and their groups."""
    from rich.console import Console
    from rich.table import Table

    from spondyl.data.splitting import PARTS, stratum_of

    stratum = {sample.key: stratum_of(sample) for sample in samples}
    table = Table("", *PARTS, box=None, pad_edge=False)
    table.add_row("films", *(str(len(made.keys(part))) for part in PARTS))
    table.add_row("groups", *(str(len({made.groups[k] for k in made.keys(p)})) for p in PARTS))
    for place, title in enumerate(("source", "vertebrae", "facing")):
        counts = {part: Counter(stratum[k][place] for k in made.keys(part)) for part in PARTS}
        for name in sorted({each[place] for each in stratum.values()}):
            table.add_row(f"{title}: {name}", *(_share(counts[p], name) for p in PARTS))
    Console(highlight=False, soft_wrap=True).print(table)


def _share(counts: Counter[str], name: str) -> str:
    total = counts.total()
    return f"{counts[name]} ({counts[name] / total:.0%})" if total else "0"
