"""Which films does a run train on, which choose its checkpoint, and do the two share anything?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from spondyl.data.duplicates import Fingerprint, fingerprint, fingerprint_all
from spondyl.data.leaks import permit
from spondyl.data.sample import Sample
from spondyl.data.splitting import Split, read_split, split_by_group
from spondyl.errors import TrainingError, UsageError
from spondyl.film.radiograph import Radiograph
from spondyl.learning.batches import FilmCache
from spondyl.recipe import Recipe


def choose_split(
    samples: Sequence[Sample], recipe: Recipe, *, given: Split | None, console: Console
) -> Split:
    """The split given, or a new one that no exposure crosses; less what the recipe excludes.

    Raises:
        TrainingError: a group, a name or what the given split has tied crosses it.
        FilmError: a film cannot be read.
        UsageError: a part would be empty, or a group to exclude is not there.
    """
    data = recipe.data
    known = {sample.group for sample in samples}
    if unknown := [group for group in data.exclude_groups if group not in known]:
        raise UsageError(f"data.exclude_groups: no film is of group {unknown[0]!r}")
    if given is not None:
        split = given.without(data.exclude_groups)
        permit(split, samples)  # before the films are read
        return split
    kept = [sample for sample in samples if sample.group not in data.exclude_groups]
    console.print(f"looking for copies among {len(kept)} films", highlight=False)
    return split_by_group(
        kept,
        val=data.val_split,
        test=data.test_split,
        seed=recipe.seed,
        fingerprints=fingerprint_all(kept),
    )


def split_begun(folder: Path, recipe: Recipe, *, given: Split | None) -> Split:
    """The split of the run that is resumed.

    It is never drawn again: with one film more, films that the run has trained on would be judged.

    Raises:
        TrainingError: another split is given.
    """
    begun = read_split(folder / "split.json")
    if given is not None:
        asked = replace(given, leaks_allowed=begun.leaks_allowed)
        if asked.without(recipe.data.exclude_groups) != begun:
            raise TrainingError(f"{folder}: was started from another split; leave --split away")
    return begun


def prove(split: Split, samples: Sequence[Sample], caches: Sequence[FilmCache]) -> list[str]:
    """The leaks that were allowed, in words; the pixels are those of the cached inputs.

    Raises:
        TrainingError: something crosses the split, and nobody allowed it.
    """
    known = {key: each for cache in caches for key, each in _fingerprints(cache)}
    return [str(leak) for leak in permit(split, samples, known)]


def _fingerprints(cache: FilmCache) -> Iterator[tuple[str, Fingerprint]]:
    """Each film's key and fingerprint, the padding cut away."""
    for sample, letterbox, pixels in zip(
        cache.samples, cache.letterboxes, cache.inputs, strict=True
    ):
        (x, y), (rows, columns) = letterbox.offset.astype(int), letterbox.fitted
        fitted = pixels[y : y + rows, x : x + columns].astype(np.float32) / 255
        yield sample.key, fingerprint(Radiograph(fitted))
