"""What does one film say: its annotation and its prediction, compared by every protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from spondyl.data.sample import Sample
from spondyl.errors import UsageError
from spondyl.judging import taxonomy
from spondyl.judging.evaluation import FilmScore, FilmTally, ProtocolName
from spondyl.judging.metrics import (
    Anchor,
    Matching,
    Residuals,
    charged,
    match,
    matched_residuals,
    named_residuals,
    ordinal_partner,
    residuals,
)
from spondyl.spine.curvature import cobb_angles
from spondyl.spine.landmarks import Landmarks, reference_heights


@dataclass(frozen=True, slots=True, eq=False)
class ComparedFilm:
    """One film compared: the annotation, and the prediction by every protocol.

    ``kinds`` are the classes of error (``taxonomy.classify``) under ``all`` and ``ordinal``.
    """

    annotated: Sample
    predicted: Landmarks
    matching: Matching
    residuals: Mapping[ProtocolName, Residuals]
    kinds: Mapping[ProtocolName, Int64[np.ndarray, "a 4"]]

    @property
    def long_side(self) -> int:
        """In px."""
        return max(self.annotated.height, self.annotated.width)

    @property
    def names(self) -> list[tuple[str | None, str | None]]:
        """The annotated and the predicted name of each annotated vertebra."""
        given = (*self.predicted.names, None)  # partner -1 is the last, unnamed
        pairs = zip(self.annotated.landmarks.names, self.matching.partner, strict=True)
        return [(name, given[partner]) for name, partner in pairs]

    @property
    def right_names(self) -> Bool[np.ndarray, " a"]:
        """Whether each annotated vertebra has a name and its prediction the same."""
        return np.array([name is not None and name == said for name, said in self.names], bool)

    def errors(self, protocol: ProtocolName, unit: str) -> Float64[np.ndarray, "a 4"]:
        """Radial errors; inf = missed, NaN = not judged or not expressible in this unit."""
        compared = self.residuals[protocol]
        if unit == "mm":
            spacing = self.annotated.spacing
            scale = (np.nan, np.nan) if spacing is None else (spacing.column_mm, spacing.row_mm)
            known = compared.radial(np.array(scale))
            return known if spacing is not None else np.full_like(known, np.nan)
        if unit == "height":
            heights = reference_heights(self.annotated.landmarks)
            return compared.radial() * (100.0 / heights)[:, None]
        return compared.radial() * self._scale(unit)

    def level_shifts(self, protocol: ProtocolName) -> Bool[np.ndarray, " k"]:
        """Whether each annotated corner is of class "level shift" or "both"; all or ordinal."""
        kinds = self.kinds[protocol]
        return np.isin(kinds[kinds >= 0], [taxonomy.LEVEL_SHIFT, taxonomy.BOTH])

    def _scale(self, unit: str) -> float:
        diagonal = float(np.hypot(self.annotated.height, self.annotated.width))
        return {"px": 1.0, "512": 512.0 / self.long_side, "diagonal": 100.0 / diagonal}[unit]


def compare_films(
    predictions: Sequence[Sample], annotations: Sequence[Sample], anchor: Anchor
) -> list[ComparedFilm]:
    """Every annotated film against its prediction, paired by ``key``, in the annotations' order.

    Raises:
        UsageError: there is no film in common, a key occurs twice, or the sizes of a film differ.
    """
    by_key = _unique(predictions, "predictions")
    known = _unique(annotations, "annotations")
    if not by_key.keys() & known.keys():
        raise UsageError(
            f"predictions: none of {len(by_key)} films is among the {len(known)} annotated ones; "
            "need predictions of the annotated films"
        )
    return [_compare(by_key.get(sample.key), sample, anchor) for sample in annotations]


def _unique(samples: Sequence[Sample], what: str) -> dict[str, Sample]:
    by_key = {sample.key: sample for sample in samples}
    if len(by_key) < len(samples):
        keys = [sample.key for sample in samples]
        twice = next(key for key in by_key if keys.count(key) > 1)
        raise UsageError(f"{what}: {twice!r} occurs twice, need each film once")
    return by_key


def _compare(prediction: Sample | None, annotation: Sample, anchor: Anchor) -> ComparedFilm:
    size = annotation.height, annotation.width
    if prediction is not None and (prediction.height, prediction.width) != size:
        raise UsageError(
            f"{annotation.key}: predicted on {prediction.width} x {prediction.height} px but "
            f"annotated on {annotation.width} x {annotation.height} px, need the same film"
        )
    predicted = prediction.landmarks if prediction else Landmarks(np.zeros((0, 4, 2)))
    annotated = annotation.landmarks
    matching = match(
        predicted,
        annotated,
        size=size,
        complete_above=annotation.complete_above,
        complete_below=annotation.complete_below,
    )
    ordinal = ordinal_partner(len(predicted), len(annotated), anchor)
    compared: dict[ProtocolName, Residuals] = {
        "all": residuals(predicted, annotated, matching.partner),
        "ordinal": residuals(predicted, annotated, ordinal),
        "matched": matched_residuals(predicted, annotated),
        "named": named_residuals(predicted, annotated),
    }
    nearest = taxonomy.matched_or_nearest(predicted, annotated, matching)
    kinds: dict[ProtocolName, Int64[np.ndarray, "a 4"]] = {
        "all": taxonomy.classify(predicted, annotated, nearest),
        "ordinal": taxonomy.classify(predicted, annotated, ordinal),
    }
    return ComparedFilm(annotation, predicted, matching, compared, kinds)


def film_score(film: ComparedFilm, thresholds: Sequence[float]) -> FilmScore:
    """What an evaluation keeps of one film; ``thresholds`` in px at 512."""
    errors = film.errors("all", "512")
    judged = errors[~np.isnan(errors)]
    found = judged[np.isfinite(judged)]
    return FilmScore(
        key=film.annotated.key,
        group=film.annotated.group,
        source=film.annotated.origin,
        facing=film.annotated.landmarks.facing,
        vertebrae=len(film.annotated.landmarks),
        found=film.matching.found,
        false=film.matching.false,
        ignored=int(film.matching.ignored.sum()),
        named_right=int(film.right_names.sum()),
        mre=float(found.mean()) if len(found) else None,
        worst=float(found.max()) if len(found) else None,
        penalised=float(charged(judged).mean()) if len(judged) else None,
        cobb_predicted=_angles(film, film.predicted),
        cobb_annotated=_angles(film, film.annotated.landmarks),
        tallies={name: _tally(film, name, thresholds) for name in film.kinds},
    )


def _tally(film: ComparedFilm, protocol: ProtocolName, thresholds: Sequence[float]) -> FilmTally:
    errors = film.errors(protocol, "512")
    judged = errors[~np.isnan(errors)]
    found = judged[np.isfinite(judged)]
    return FilmTally(
        judged=len(judged),
        found=len(found),
        error_sum=float(found.sum()),
        penalised_sum=float(charged(judged).sum()),
        within=tuple(int((judged <= limit).sum()) for limit in thresholds),
        level_shift=int(film.level_shifts(protocol).sum()),
    )


def _angles(film: ComparedFilm, landmarks: Landmarks) -> tuple[float, ...] | None:
    if film.annotated.view != "ap":
        return None
    angles = cobb_angles(landmarks, height=film.annotated.height)
    return None if np.isnan(angles).any() else tuple(float(angle) for angle in angles)
