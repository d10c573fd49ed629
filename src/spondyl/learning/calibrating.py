"""How far can a checkpoint be believed? Its calibration, from films that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from spondyl.learning.batches import FilmCache
from spondyl.learning.checkpoint import LoadedModel, load_model, rounded, save_model
from spondyl.learning.detector import TorchDetector
from spondyl.predict import on_film
from spondyl.spine.calibration import (
    Calibration,
    fit_calibration,
    fit_score_threshold,
    fit_temperatures,
)
from spondyl.spine.chain import facing_evidence, to_landmarks
from spondyl.spine.conformal import CalibrationFilm, fit_uncertainty
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.trust import fit_trust

COVERAGE: Final = 0.9
"""How often an interval holds the true value, where nothing else is asked for."""

_BATCH: Final = 8


def calibrate_checkpoint(
    path: Path,
    films: FilmCache,
    *,
    out: Path | None = None,
    device: str = "cpu",
    coverage: float = COVERAGE,
    half: bool = False,
) -> Calibration:
    """Fits the calibration of a checkpoint on ``films`` and writes it, weights unchanged.

    The digest stays: it is of weights and recipe. What the checkpoint says about itself then has
    the number and the digest of these films. With ``half`` the kernels are rounded to half
    precision before anything is fitted, and written so: another digest, and half the file.

    Args:
        path: the checkpoint.
        films: letterboxed to the input size of its network.
        out: where to write; the same file where None.
        device: where the network runs.
        coverage: of the intervals, between 0 and 1.
        half: whether to round the kernels; those of a file that has them so stay as they are.

    Raises:
        CheckpointError: the file is missing, damaged, or cannot be written, or a kernel reaches
            beyond half precision.
    """
    model = load_model(path, device=device)
    if half and not model.half:
        model = rounded(model, name=str(path))
    calibration = calibrate(model, films, device=device, coverage=coverage)
    about = {**model.about, "calibrated_on": {"films": len(films), "digest": films.digest}}
    told: dict[str, Any] = calibration.to_json()
    save_model(out or path, model.tensors, model.recipe, calibration=told, about=about)
    return calibration


def calibrate(
    model: LoadedModel, films: FilmCache, *, device: str = "cpu", coverage: float = COVERAGE
) -> Calibration:
    """What films with known corners say about a network: names, errors, and when to trust it.

    ``spine.calibration``, ``spine.conformal`` and ``spine.trust`` say what is fitted. Codecs that
    keep an order know no names: only their errors are fitted.
    """
    detector = TorchDetector(model.network, model.recipe, device=device)
    found = list(_found(detector, films))
    calibration = Calibration(score_threshold=model.recipe.codec.score_threshold)
    if not detector.ordered:
        pairs = list(zip(found, films.landmarks, strict=True))
        calibration = _named(calibration, pairs, films)
    calibration = replace(calibration, facing_limit=_facing_limit(found, films, calibration))
    known = [
        CalibrationFilm(own, truth, sample.view, sample.group, detector.input_size)
        for own, truth, sample in zip(found, films.landmarks, films.samples, strict=True)
    ]
    errors = fit_uncertainty(known, calibration, ordered=detector.ordered, coverage=coverage)
    calibration = replace(calibration, uncertainty=errors)
    return _with_trust(calibration, list(_spines(found, films, calibration, detector)), films)


def _named(
    calibration: Calibration, pairs: Sequence[tuple[Detections, Landmarks]], films: FilmCache
) -> Calibration:
    """How names are believed, in each view apart where both are there: one is harder to name."""
    lateral, frontal = _by_view(pairs, films)
    if not (lateral and frontal):
        return fit_calibration(pairs, start=calibration)
    threshold = fit_score_threshold(pairs, calibration)
    calibration = replace(calibration, score_threshold=threshold)
    own = fit_temperatures(lateral, calibration)
    other = fit_temperatures(frontal, replace(calibration, sacrum_temperature=own.sacrum))
    return replace(
        calibration,
        temperature=own.levels,
        sacrum_temperature=own.sacrum,
        frontal_temperature=other.levels,
    )


def _by_view(
    each: Sequence[tuple[Detections, Landmarks]], films: FilmCache
) -> tuple[list[tuple[Detections, Landmarks]], ...]:
    """What belongs to lateral films (or to a view that nobody knows), and what to AP films."""
    frontal = [sample.view == "ap" for sample in films.samples]
    return tuple(
        [pair for pair, ap in zip(each, frontal, strict=True) if ap == own] for own in (False, True)
    )


def _with_trust(
    calibration: Calibration, spines: Sequence[tuple[Detections, Landmarks]], films: FilmCache
) -> Calibration:
    """Trust in each view apart, where there are films enough of both; else in all films alike."""
    lateral_trust, frontal_trust = map(fit_trust, _by_view(spines, films))
    if lateral_trust and frontal_trust:
        return replace(calibration, trust=lateral_trust, frontal=frontal_trust)
    return replace(calibration, trust=fit_trust(spines))


def _facing_limit(found: Sequence[Detections], films: FilmCache, calibration: Calibration) -> float:
    """Half way between the views: how near 0 the facing's logit is on AP and on lateral films.

    Between what 98 % of the AP films stay below and 98 % of the lateral ones above. The limit stays
    where one of the views is missing.
    """
    evidence: dict[bool, list[float]] = {True: [], False: []}
    for own, sample in zip(found, films.samples, strict=True):
        usable = own.select(own.score >= calibration.score_threshold)
        if len(usable) and sample.view:
            evidence[sample.view == "ap"].append(abs(facing_evidence(usable)))
    if not (evidence[True] and evidence[False]):
        return calibration.facing_limit
    ends = np.quantile(evidence[True], 0.98), np.quantile(evidence[False], 0.02)
    return max(calibration.facing_limit, float(np.mean(ends)))


def _spines(
    found: Sequence[Detections], films: FilmCache, calibration: Calibration, detector: TorchDetector
) -> Iterator[tuple[Detections, Landmarks]]:
    """The candidates and the chain of each film as they would be predicted, in image px."""
    for own, letterbox, sample in zip(found, films.letterboxes, films.samples, strict=True):
        seen = on_film(own, letterbox, uncertainty=calibration.uncertainty)
        yield (
            seen,
            to_landmarks(seen, ordered=detector.ordered, calibration=calibration, view=sample.view),
        )


def _found(detector: TorchDetector, films: FilmCache) -> Iterator[Detections]:
    for start in range(0, len(films), _BATCH):
        yield from detector(films.inputs[start : start + _BATCH])
