"""Which films does a user mean, and what is each one called in the results?"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from spondyl.anatomy import LEVELS
from spondyl.cli.console import say
from spondyl.errors import AnnotationError, UsageError

if TYPE_CHECKING:
    from spondyl.cli.batch import Batch
    from spondyl.data.sample import Sample
    from spondyl.data.splitting import Part, Split


def read_samples(
    folder: Path, *, format: str | None, skip_bad: bool, batch: Batch | None = None
) -> list[Sample]:
    """The samples of a folder; each problem is said in one line, and counted in a ``batch``.

    Raises:
        AnnotationError: there is a problem and ``skip_bad`` was not asked for, or nothing is left.
    """
    from spondyl.data.folder import read_annotations

    annotated = read_annotations(folder, format=format)
    for problem in annotated.problems:
        if batch is None:
            say(str(problem))
        else:
            batch.refuse(str(problem))
            batch.refused.add(problem.path.stem)
    if annotated.problems and not skip_bad:
        raise AnnotationError(
            f"{folder}: {len(annotated.problems)} annotations cannot be used; "
            "repair them, or give --skip-bad"
        )
    if not annotated.samples:
        raise AnnotationError(f"{folder}: holds no annotated film that can be used")
    return list(annotated.samples)


def select_part(
    samples: Sequence[Sample], split: Path | None, part: Part | None, *, refused: Collection[str]
) -> list[Sample]:
    """The samples of one part of a split; all where neither is given.

    Raises:
        UsageError: only one of the two is given, the part has no film, or one of its films is
            neither there nor among the ``refused``.
    """
    if split is None and part is None:
        return list(samples)
    if split is None or part is None:
        raise UsageError("--split and --part: only one was given; need both, or neither")
    from spondyl.data.splitting import read_split

    return films_of(read_split(split), part, samples, name=str(split), refused=refused)


def films_of(
    split: Split, part: Part, samples: Sequence[Sample], *, name: str, refused: Collection[str]
) -> list[Sample]:
    """The samples of one part, in its order, without those whose names were ``refused`` before.

    Raises:
        UsageError: the part has no film, or one of its films is neither there nor refused.
    """
    there = {sample.key: sample for sample in samples}
    keys = split.keys(part)
    if absent := [k for k in keys if k not in there and PurePosixPath(k).name not in refused]:
        raise UsageError(f"{name}: film {absent[0]} of part {part!r} is not among the films")
    if not (found := [there[key] for key in keys if key in there]):
        raise UsageError(f"{name}: part {part!r} has no film")
    return found


def parse_anchor(text: str | None) -> tuple[str, int] | None:
    """``L5=3`` as a level and a place from the top.

    Raises:
        UsageError: it is not of that form, or there is no such level or place.
    """
    if text is None:
        return None
    level, _, place = text.partition("=")
    if not (level and place.isdecimal()):
        raise UsageError(f"--anchor {text}: need LEVEL=PLACE, such as L5=3 (third from the top)")
    if level.upper() not in LEVELS or int(place) < 1:
        raise UsageError(f"--anchor {text}: need T1 to T12, L1 to L5 or S1, and a place from 1")
    return level.upper(), int(place)


def name_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """A name for each folder: its own, with those above it as far as they are needed.

    Raises:
        UsageError: one is given twice.
    """
    whole = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, whole)) + 1):
        names = ["/".join(parts[-depth:]) for parts in whole]
        if len(set(names)) == len(names):
            return dict(zip(names, folders, strict=True))
    twice = next(
        folder for folder, parts in zip(folders, whole, strict=True) if whole.count(parts) > 1
    )
    raise UsageError(f"{twice}: given twice; need each folder once")


def read_history(run: Path) -> list[dict[str, float | None]]:
    """One row an epoch of a training.

    Raises:
        UsageError: the folder holds no training.
    """
    path = run / "history.json"
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read; need the folder of a training run") from error
    return [dict(row) for row in rows]


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuses to write over a file of results.

    Raises:
        UsageError: it is there, and ``overwrite`` was not asked for.
    """
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: is there already; need another --out, or --overwrite")
