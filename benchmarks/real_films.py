"""What does a predictor do on films of people: found and near where they are labelled, else steady?

Labels judge, and nothing is chosen by them. Without labels there are signs alone: how many
vertebrae make a chain, how regular it is, and whether it stays where it is when the film is shifted
or turned a little. None of them can tell that a steady, regular chain lies on the wrong bones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from counting import Counts
from scipy import ndimage

from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.film.letterbox import prepare
from spondyl.film.radiograph import Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.judging.films import ComparedFilm, compare_films
from spondyl.predict import Predictor, on_film
from spondyl.spine.landmarks import Landmarks

NEAR = (1.0, 2.0)  # % of the film's diagonal
UNEVEN = 0.35  # share by which a height or a distance departs from its neighbours' median
NEIGHBOURS = 2  # on either side
STEADY = 1.0  # % of the diagonal by which a corner may move when the film changes a little
SHIFT, ZOOM, TURN = 0.005, 1.03, 3.0  # of the long side; times; deg
GAMMAS = (0.8, 1.25)


def labelled_films(folder: Path, films: int | None = None) -> list[Sample]:
    """The annotated films of a folder, or so many spread over it."""
    samples = read_annotations(folder).samples
    count = min(films or len(samples), len(samples))
    return [samples[k] for k in np.linspace(0, len(samples) - 1, count).astype(int)]


def compared(predictor: Predictor, samples: Sequence[Sample]) -> list[ComparedFilm]:
    """What is found on labelled films whose view nobody states, against their labels."""
    films = (replace(sample.radiograph(), view=None) for sample in samples)
    found = list(predictor.many(films))
    predicted = [replace(s, landmarks=own) for s, own in zip(samples, found, strict=True)]
    return compare_films(predicted, samples, "top")


def labelled_counts(film: ComparedFilm) -> Counts:
    """What one labelled film adds to recall, precision and nearness, all in %."""
    matching, errors = film.matching, film.errors("all", "diagonal")
    corners = errors[~np.isnan(errors)]
    return {
        "recall": (100 * matching.found, matching.found + matching.missed),
        "precision": (100 * matching.found, matching.found + matching.false),
        **{f"within {t:g} %": (100 * float((corners <= t).sum()), len(corners)) for t in NEAR},
    }


def unlabelled_films(folder: Path, films: int | None = None) -> dict[str, Radiograph]:
    """The lateral films of a folder by name."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg"))
    return {path.stem: replace(read_radiograph(path), view="lateral") for path in paths[:films]}


def unlabelled_counts(predictor: Predictor, film: Radiograph) -> Counts:
    """What one film without labels adds to each sign."""
    found = predictor(film)
    scores = found.confidence[~np.isnan(found.confidence)]
    steady = [_kept(predictor, found, each) for each in _changed(film)]
    return {
        "vertebrae a film": (len(found), 1),
        "candidates in the chain": (100 * len(found), _candidates(predictor, film)),
        "corner score": (100 * float(scores.sum()), len(scores)),
        "uneven": (100 * float(uneven(found).sum()), len(found)),
        "steady": (100 * sum(a for a, _ in steady), sum(b for _, b in steady)),
        "S1 named": (100 * ("S1" in found.names), 1),
    }


def _candidates(predictor: Predictor, film: Radiograph) -> int:
    letterbox, pixels = prepare(film, predictor.detector.input_size)
    seen = on_film(predictor.detector(pixels[None])[0], letterbox, uncertainty=None)
    return int((seen.score >= predictor.calibration.score_threshold).sum())


def uneven(found: Landmarks) -> np.ndarray:
    """Whether the height of each vertebra, or its distance to the one above, is out of line."""
    steps = np.linalg.norm(np.diff(found.centres, axis=0), axis=1)
    distances = np.concatenate([[np.nan], steps])[: len(found)]
    return _departs(found.heights) | _departs(distances)


def _departs(values: np.ndarray) -> np.ndarray:
    """NaN departs from nothing, and nothing departs where no neighbour is known."""
    departs = np.zeros(len(values), dtype=bool)
    for k, value in enumerate(values):
        around = np.delete(np.arange(k - NEIGHBOURS, k + NEIGHBOURS + 1), NEIGHBOURS)
        known = values[around[(around >= 0) & (around < len(values))]]
        known = known[~np.isnan(known)]
        if len(known):
            departs[k] = abs(value / np.median(known) - 1) > UNEVEN
    return departs


def _kept(
    predictor: Predictor, found: Landmarks, changed: tuple[Radiograph, np.ndarray]
) -> tuple[int, int]:
    """How many corners are found where they were, back on the film as it was; and of how many."""
    film, back = changed
    again = predictor(film)
    points = again.points @ back[:2, :2].T + back[:2, 2]
    first = Sample(
        "film", Path("film"), film.height, film.width, found, "film", "predicted",
        complete_above=True, complete_below=True, view=film.view,
    )  # fmt: skip
    [both] = compare_films([replace(first, landmarks=again.moved(points))], [first], "top")
    errors = both.errors("all", "diagonal")
    return int((errors <= STEADY).sum()), int((~np.isnan(errors)).sum())


def _changed(film: Radiograph) -> Iterator[tuple[Radiograph, np.ndarray]]:
    """The film changed a little, and the 3 x 3 map of x, y back to the film as it was."""
    for gamma in GAMMAS:
        yield replace(film, pixels=film.pixels**gamma), np.eye(3)
    far = SHIFT * max(film.height, film.width)
    shifts = [_about_middle(film, np.eye(2), [far * x, far * y]) for x, y in ((1, 1), (-1, 1))]
    zooms = [_about_middle(film, scale * np.eye(2)) for scale in (ZOOM, 1 / ZOOM)]
    turns = [_about_middle(film, turned(TURN * sign)) for sign in (-1, 1)]
    for back in (*shifts, *zooms, *turns):
        yield replace(film, pixels=_resampled(film.pixels, back)), back


def turned(degrees: float) -> np.ndarray:
    """Turns x, y clockwise as seen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


def _about_middle(
    film: Radiograph, linear: np.ndarray, shift: Sequence[float] = (0.0, 0.0)
) -> np.ndarray:
    middle = np.array([film.width - 1, film.height - 1]) / 2
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = middle - linear @ middle + shift
    return matrix


def _resampled(pixels: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The pixels of the changed film; beyond the edge its last ones go on."""
    rows_columns = back[:2, :2][::-1, ::-1]
    changed = ndimage.affine_transform(
        pixels, rows_columns, back[:2, 2][::-1], order=1, mode="nearest"
    )
    return np.ascontiguousarray(changed, dtype=np.float32)
