"""What is one annotated film: its pixels, its landmarks, and the group it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import View
from spondyl.errors import SpondylError
from spondyl.film.radiograph import FilmGeometry, PixelSpacing, Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in an annotation folder that could not be used: where, and why."""

    path: Path
    message: str

    @classmethod
    def of(cls, path: Path, error: SpondylError) -> Problem:
        """What ``error`` says of ``path``, the path itself not repeated."""
        return cls(path, str(error).removeprefix(f"{path}: "))

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A film's annotation as its source lists it, before anything was put in order.

    ``points`` (V, 4, 2) are in image px and in the order of the source's list; the corners are SL,
    SR, IL, IR by the order that the source states, or as listed where it states none
    (``order_stated``), NaN = not seen. ``boxes`` (V, 4) are x1, y1, x2, y2 in image px, NaN = none.
    ``levels`` are V names, None = not named.
    """

    points: Float64[np.ndarray, "v 4 2"]
    boxes: Float64[np.ndarray, "v 4"]
    levels: tuple[str | None, ...]
    order_stated: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One film and its annotation, or its prediction.

    ``height`` and ``width`` are the film's size in px as it is read, and ``landmarks`` is in its
    image px. ``key`` names the sample within its
    folder; ``group`` is the unit of splitting (patient, study or film); ``origin`` the source.
    ``complete_above`` / ``complete_below`` say that no vertebra in view was left unlabelled beyond
    the first / the last one; False means that nobody knows. ``spacing``, ``aspect`` and ``view``
    are what the annotation says, for films whose file does not. ``flags`` names what is unusual
    (``L6``, ``four lumbar``, ``corners repaired`` ...). ``listed`` is what a reader found before it
    put the vertebrae in order, None where nothing was read.
    """

    key: str
    path: Path
    height: int
    width: int
    landmarks: Landmarks
    group: str
    origin: str
    complete_above: bool = False
    complete_below: bool = False
    spacing: PixelSpacing | None = None
    aspect: float | None = 1.0
    view: View | None = None
    flags: frozenset[str] = field(default_factory=frozenset)
    listed: Listed | None = None

    @property
    def geometry(self) -> FilmGeometry:
        """What a measurement must know of the film."""
        return FilmGeometry(self.height, self.width, self.spacing, self.aspect, self.view)

    def radiograph(self) -> Radiograph:
        """Reads the film; what the annotation says fills in what the file does not.

        Raises:
            FilmError: the film cannot be read.
        """
        film = read_radiograph(self.path)
        spacing = film.spacing or self.spacing
        aspect = film.spacing.aspect if film.spacing else self.aspect
        return replace(film, spacing=spacing, aspect=aspect, view=film.view or self.view)


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """What a folder of annotations holds: usable samples, and what could not be used and why.

    ``made_by`` is the provenance that a predictions file carries; empty for annotations.
    ``intervals`` say how wide the intervals of what is measured on predictions are, None where
    that was never calibrated.
    """

    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)
    intervals: Intervals | None = None
