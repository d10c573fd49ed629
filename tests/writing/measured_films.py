"""Films with landmarks and what is measured on them, for the tests of what is written."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from spondyl.anatomy import View
from spondyl.data.phantom import phantom
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals, Measurement
from spondyl.spine.measurements import measure
from spondyl.writing.measured import MeasuredFilm

HOSTILE = '<script>alert("x")</script>=1+1&\'"'
MADE_BY = {"weights_digest": "ab" * 32, "version": "0.1.0", "date": "2026-01-02"}


@cache
def film(
    seed: int = 0, *, key: str = "", view: View = "lateral", mm: float | None = 0.3
) -> tuple[MeasuredFilm, Radiograph]:
    """A phantom with the landmarks that it is drawn from, in whichever view it is said to be."""
    made = phantom(seed, 0, long_side=400)
    spacing = None if mm is None else PixelSpacing(mm, mm, "patient")
    pixels = Radiograph(made.radiograph.pixels, spacing, view=view)
    found = made.landmarks if view == "lateral" else replace(made.landmarks, facing=None)
    sample = Sample(
        key or f"film-{seed}", Path("film.png"), pixels.height, pixels.width, found,
        "g", "prediction", spacing=spacing, view=view,
    )  # fmt: skip
    return MeasuredFilm(sample, measure(found, sample.geometry)), pixels


def film_of(*measured: Measurement, key: str = "a", **facts) -> MeasuredFilm:
    """A film with two vertebrae and measurements of choice."""
    corners = np.array([[20, 20], [60, 20], [20, 50], [60, 50]], float)
    known = {"levels": ("L4", "L5"), "facing": "left", **facts}
    points = np.stack([corners, corners + [0, 40]])
    sample = Sample(key, Path("a.png"), 120, 100, Landmarks(points, **known), "a", "prediction")
    return MeasuredFilm(sample, measured)


def slip(value: float | None = 12.34, **known) -> Measurement:
    """A slip of L4 on L5 in %."""
    facts = {"lines": (((20.0, 60.0), (60.0, 60.0)),), **known}
    return Measurement("slip", ("L4", "L5"), value, "%", "posterior corner", **facts)


def grade(value: float = 1.0, **known) -> Measurement:
    """The grade of that slip."""
    facts = {"lines": (((20.0, 60.0), (60.0, 60.0)),), **known}
    return Measurement("Meyerding grade", ("L4", "L5"), value, "grade", "Meyerding 1932", **facts)


INTERVALS = Intervals(0.9, 40, {"slip": 1.6})
