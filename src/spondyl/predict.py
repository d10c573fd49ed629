"""Where are the vertebrae of a film: letterbox, detector and chain in one call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from spondyl.anatomy import View
from spondyl.errors import CheckpointError, FilmError, UsageError
from spondyl.film.letterbox import Letterbox, prepare
from spondyl.film.radiograph import FilmGeometry, Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.spine.calibration import Calibration
from spondyl.spine.chain import Anchor, anchored, seen_view, to_landmarks
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks, corner_mean
from spondyl.spine.measurement import Intervals
from spondyl.spine.uncertainty import Uncertainty

_MARGIN: Final = 0.01  # of the longer side: how far beyond the film a corner is still believed


@runtime_checkable
class Detector(Protocol):
    """Finds candidate vertebrae in letterboxed films; where it runs is its own affair."""

    @property
    def input_size(self) -> int:
        """Side of the inputs, px."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether detections come superior to inferior and are to be kept so."""
        ...

    def __call__(self, inputs: UInt8[np.ndarray, "b s s"]) -> list[Detections]:
        """The candidates of each film, in input px."""
        ...


class _Fitted(NamedTuple):
    """What is kept of a film while the detector looks at it."""

    pixels: UInt8[np.ndarray, "s s"]
    letterbox: Letterbox
    view: View | None
    stated: bool


@dataclass(frozen=True)
class Predictor:
    """A detector, how far it can be believed, and what it was made by."""

    detector: Detector
    calibration: Calibration
    made_by: Mapping[str, str]

    @property
    def intervals(self) -> Intervals | None:
        """How wide intervals of what is measured must be; None where nobody calibrated them."""
        known = self.calibration.uncertainty
        return known.intervals if known else None

    def __call__(self, film: Radiograph, *, anchor: Anchor | None = None) -> Landmarks:
        """The landmarks of one film, in image px; ``anchor`` as in ``chain.anchored``.

        Raises:
            UsageError: the anchor is impossible for this film.
        """
        landmarks = next(self.many([film]))
        return landmarks if anchor is None else anchored(landmarks, anchor)

    def many(self, films: Iterable[Radiograph], *, batch_size: int = 8) -> Iterator[Landmarks]:
        """The landmarks of each film, in image px and in the order of the films.

        Films are taken as they are needed, at most ``batch_size`` at a time.
        """
        remaining = iter(films)
        while batch := [self._fit(film) for film in islice(remaining, batch_size)]:
            found = self.detector(np.stack([fitted.pixels for fitted in batch]))
            for fitted, detections in zip(batch, found, strict=True):
                yield self._landmarks(fitted, detections)

    def _fit(self, film: Radiograph) -> _Fitted:
        letterbox, pixels = prepare(film, self.detector.input_size)
        return _Fitted(pixels, letterbox, film.view, film.view_stated)

    def _landmarks(self, fitted: _Fitted, detections: Detections) -> Landmarks:
        seen = on_film(detections, fitted.letterbox, uncertainty=self.calibration.uncertainty)
        return to_landmarks(
            seen,
            ordered=self.detector.ordered,
            calibration=self.calibration,
            view=fitted.view,
            stated=fitted.stated,
        )


def calibration_of(stored: Mapping[str, Any] | None, *, path: Path) -> Calibration:
    """What a file of weights says of how far it can be believed; the usual where it says nothing.

    Raises:
        CheckpointError: it was fitted by another version, or is damaged; ``path`` is named.
    """
    try:
        return Calibration.from_json(stored or {})
    except ValueError as error:
        raise CheckpointError(
            f"{path}: its calibration cannot be used ({error}); "
            "need one of this version, from spondyl calibrate"
        ) from error


class FoundFilm(NamedTuple):
    """One film of many: its landmarks in image px, what was known of it, its reader's remarks."""

    path: Path
    landmarks: Landmarks
    geometry: FilmGeometry
    notes: tuple[str, ...] = ()


class RefusedFilm(NamedTuple):
    """A film without landmarks, and the one line that says why."""

    path: Path
    reason: str


def predict_films(
    predictor: Predictor,
    paths: Sequence[Path],
    *,
    anchor: Anchor | None = None,
    read: Callable[[Path], Radiograph] = read_radiograph,
) -> Iterator[FoundFilm | RefusedFilm]:
    """The landmarks of many films as they come, and why others have none; nothing stops the rest.

    A film that the ``anchor`` cannot fit is refused. ``read`` reads a film, where somebody knows
    more of it than its file. Each film is answered once, in order but for refusals, which may come
    up to a batch early; no more than one film's pixels are kept at a time.
    """
    reading = _Reading(paths, read)
    for unnamed in predictor.many(reading.films()):
        yield from reading.drain()
        path, geometry, notes = reading.waiting.popleft()
        try:
            landmarks = unnamed if anchor is None else anchored(unnamed, anchor)
        except UsageError as error:
            yield RefusedFilm(path, f"{path}: {error}")
        else:
            view = geometry.view or seen_view(landmarks, predictor.calibration)
            yield FoundFilm(path, landmarks, replace(geometry, view=view), notes)
    yield from reading.drain()


@dataclass(slots=True)
class _Reading:
    """Films read one at a time: their facts wait for the landmarks, their pixels need not."""

    paths: Sequence[Path]
    read: Callable[[Path], Radiograph]
    waiting: deque[tuple[Path, FilmGeometry, tuple[str, ...]]] = field(default_factory=deque)
    refused: list[RefusedFilm] = field(default_factory=list)

    def films(self) -> Iterator[Radiograph]:
        for path in self.paths:
            try:
                film = self.read(path)
            except FilmError as error:
                self.refused.append(RefusedFilm(path, str(error)))
            else:
                self.waiting.append((path, film.geometry, film.notes))
                yield film

    def drain(self) -> Iterator[RefusedFilm]:
        """Those refused since the last call."""
        yield from self.refused
        self.refused.clear()


def on_film(
    found: Detections, letterbox: Letterbox, *, uncertainty: Uncertainty | None
) -> Detections:
    """Candidates in input px as those that lie on the film, in image px.

    Their covariance is that of their error, NaN without an ``uncertainty``: the width of a peak is
    no error that anybody measured.
    """
    if uncertainty:
        known = uncertainty.applied(found)
    else:
        known = replace(found, covariance=np.full_like(found.covariance, np.nan))
    in_image = known.scaled(letterbox.to_image(known.corners), 1 / letterbox.scale)
    return within_film(in_image, letterbox.height, width=letterbox.width)


def within_film(detections: Detections, height: int, *, width: int) -> Detections:
    """The detections, in image px, that lie on a film of (height, width) px.

    A corner beyond the edge by more than 1 % of the longer side was not seen: it becomes NaN. A
    vertebra with its centre off the film, or with fewer than two corners on it, is left out.
    """
    size = np.array([width, height], dtype=np.float64)
    margin = _MARGIN * size.max()
    beyond = (detections.corners < -0.5 - margin) | (detections.corners > size - 0.5 + margin)
    seen = ~(beyond | np.isnan(detections.corners)).any(axis=-1)
    centres = corner_mean(detections.corners)
    on_film = ((centres >= -0.5) & (centres <= size - 0.5)).all(axis=-1)
    corners = np.where(seen[..., None], detections.corners, np.nan)
    return replace(detections, corners=corners).select(on_film & (seen.sum(axis=1) >= 2))
