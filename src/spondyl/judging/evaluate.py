"""How good are these predictions: from films and their annotations to one ``Evaluation``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import CORNERS, LEVELS, VARIANT_LEVELS, counts_five_lumbar
from spondyl.data.sample import Sample
from spondyl.errors import UsageError
from spondyl.judging import taxonomy
from spondyl.judging.agreement import agreement
from spondyl.judging.evaluation import (
    CLASSIFIED,
    UNITS,
    CobbScore,
    Curve,
    DetectionScore,
    Evaluation,
    FilmScore,
    NamingScore,
    PartScore,
    ProtocolName,
    ProtocolScore,
)
from spondyl.judging.films import ComparedFilm, compare_films, film_score
from spondyl.judging.metrics import Anchor, charged
from spondyl.judging.pairing import MeasuredPair
from spondyl.judging.reliability import icc
from spondyl.judging.risk import risk_curve
from spondyl.judging.statistics import Estimate, Statistic, clustered_interval, smape
from spondyl.spine.curvature import COBB_ANGLES

__all__ = ["PROTOCOLS", "Evaluation", "evaluate"]

PROTOCOLS: Final[tuple[ProtocolName, ...]] = ("all", "ordinal", "matched", "named")

_WORST = 12  # films named in an evaluation
_CURVE_STEP = 0.25  # px at 512


def evaluate(
    predictions: Sequence[Sample],
    annotations: Sequence[Sample],
    *,
    thresholds: Sequence[float],
    seed: int = 0,
    made_by: Mapping[str, str] | None = None,
    ordinal_anchor: Anchor | None = None,
    measured: Sequence[MeasuredPair] = (),
) -> Evaluation:
    """Judges predictions against annotations, paired by ``key``.

    An annotation without a prediction counts as missed; a prediction without an annotation is only
    listed. Spacing, view and group are the annotation's.

    Args:
        predictions: image px of the same films.
        annotations: the films to judge on.
        thresholds: of the success detection rate, px at 512, at least one.
        seed: of the bootstrap.
        made_by: what made the predictions; kept with the result.
        ordinal_anchor: the end from which the ordinal protocol counts; None is the end from which
            the predictions were, as ``made_by`` says, or else the top.
        measured: what was measured on the same films (``measured_pairs``), for the agreement.

    Raises:
        UsageError: there is no film in common, a key occurs twice, the sizes of a film differ, or
            there is no threshold.
    """
    if not thresholds:
        raise UsageError("thresholds: none given, need at least one in px at 512")
    origin = dict(made_by or {})
    anchor = ordinal_anchor or ("bottom" if origin.get("anchor") == "bottom" else "top")
    films = compare_films(predictions, annotations, anchor)
    judge = _Judge(films, tuple(float(t) for t in thresholds), seed)
    known, given = {s.key for s in annotations}, {s.key for s in predictions}
    rows = tuple(film_score(film, judge.thresholds) for film in films)
    with_s1 = [film for film in films if "S1" in film.annotated.landmarks.names]
    usual = [film for film in with_s1 if counts_five_lumbar(film.annotated.landmarks.names)]
    worst = sorted((r for r in rows if r.penalised is not None), key=_by_penalised)
    return Evaluation(
        films=len(films),
        groups=len({film.annotated.group for film in films}),
        thresholds=judge.thresholds,
        ordinal_anchor=anchor,
        seed=seed,
        protocols=tuple(judge.protocol(name) for name in PROTOCOLS),
        detection=judge.detection(),
        naming=judge.naming(films),
        naming_with_s1=judge.naming(with_s1),
        naming_five_lumbar=judge.naming(usual),
        taxonomy={name: judge.taxonomy(name) for name in CLASSIFIED},
        level_shift={name: judge.level_shift(name) for name in CLASSIFIED},
        per_level=judge.per_level(),
        per_corner=judge.per_corner(),
        per_source=judge.per_source(),
        per_facing=judge.per_facing(),
        per_count=judge.per_count(),
        curve=judge.curve(),
        cobb=judge.cobb(rows),
        per_film=rows,
        worst=tuple(row.key for row in worst[:_WORST]),
        unpredicted=tuple(s.key for s in annotations if s.key not in given),
        unannotated=tuple(s.key for s in predictions if s.key not in known),
        made_by=origin,
        agreement=agreement(measured, seed=seed),
        risk=risk_curve([f.predicted.doubt for f in films], [row.penalised for row in rows]),
    )


def _by_penalised(row: FilmScore) -> tuple[float, str]:
    return -(row.penalised or 0.0), row.key


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """Pools films into figures with intervals; every interval draws the same resamples."""

    films: Sequence[ComparedFilm]
    thresholds: tuple[float, ...]
    seed: int

    def estimate(
        self, parts: Iterable[tuple[ComparedFilm, np.ndarray]], statistic: Statistic = "mean"
    ) -> Estimate:
        """The statistic over the values that each film contributes."""
        values, groups = [np.zeros(0)], list[str]()
        for film, part in parts:
            values.append(np.asarray(part, dtype=np.float64).ravel())
            groups += [film.annotated.group] * part.size
        rng = np.random.default_rng(self.seed)
        return clustered_interval(np.concatenate(values), groups, rng=rng, statistic=statistic)

    def protocol(self, name: ProtocolName) -> ProtocolScore:
        metrics: dict[str, Estimate] = {}
        for unit in UNITS:
            errors = self._errors(name, unit)
            found = [(film, part[np.isfinite(part)]) for film, part in errors]
            metrics[f"mre_{unit}"] = self.estimate(found)
            metrics[f"median_{unit}"] = self.estimate(found, "median")
        errors = self._errors(name, "512")
        metrics["penalised_mre_512"] = self.estimate([(f, charged(part)) for f, part in errors])
        for limit in self.thresholds:
            within = [(film, 100.0 * (part <= limit)) for film, part in errors]
            metrics[f"sdr@{limit:g}"] = self.estimate(within)
        pooled = self._pool(name)
        return ProtocolScore(name, len(pooled), int(np.isfinite(pooled).sum()), metrics)

    def _errors(
        self, name: ProtocolName, unit: str
    ) -> list[tuple[ComparedFilm, Float64[np.ndarray, " k"]]]:
        errors = [(film, film.errors(name, unit)) for film in self.films]
        return [(film, part[~np.isnan(part)]) for film, part in errors]

    def _pool(self, name: ProtocolName) -> Float64[np.ndarray, " n"]:
        return np.concatenate([np.zeros(0), *(part for _, part in self._errors(name, "512"))])

    def detection(self) -> DetectionScore:
        vertebrae = sum(len(film.annotated.landmarks) for film in self.films)
        return DetectionScore(
            vertebrae=vertebrae,
            found=sum(film.matching.found for film in self.films),
            false=sum(film.matching.false for film in self.films),
            ignored=sum(int(film.matching.ignored.sum()) for film in self.films),
            precision=self._rate(hits=1, false=1, missed=0),
            recall=self._rate(hits=1, false=0, missed=1),
            f1=self._rate(hits=2, false=1, missed=1),
        )

    def _rate(self, *, hits: int, false: int, missed: int) -> Estimate:
        """A ratio of counts as a mean of 100s and 0s; F1 counts a hit twice."""
        parts = []
        for film in self.films:
            wrong = false * film.matching.false + missed * film.matching.missed
            parts.append((film, np.repeat([100.0, 0.0], [hits * film.matching.found, wrong])))
        return self.estimate(parts)

    def naming(self, films: Sequence[ComparedFilm]) -> NamingScore:
        tally, parts = np.zeros(4, dtype=np.int64), []
        for film in films:
            named = np.array([name is not None for name, _ in film.names], dtype=bool)
            called = np.array([said is not None for _, said in film.names], dtype=bool)
            found, right = film.matching.partner >= 0, film.right_names
            kinds = [right, called & ~right, found & ~called, ~found]
            tally += [int((kind & named).sum()) for kind in kinds]
            parts.append((film, 100.0 * right[named]))
        good, wrong, unnamed, missed = (int(n) for n in tally)
        share = self.estimate(parts)
        return NamingScore(len(films), int(tally.sum()), good, wrong, unnamed, missed, share)

    def taxonomy(self, name: ProtocolName) -> dict[str, int]:
        return taxonomy.counts(np.concatenate([film.kinds[name] for film in self.films]))

    def level_shift(self, name: ProtocolName) -> Estimate:
        return self.estimate((film, 100.0 * film.level_shifts(name)) for film in self.films)

    def per_level(self) -> tuple[PartScore, ...]:
        order = [*LEVELS, *VARIANT_LEVELS]
        by_level: dict[str, list[np.ndarray]] = {}
        for film in self.films:
            names = film.annotated.landmarks.names
            for name, errors in zip(names, film.errors("all", "512"), strict=True):
                by_level.setdefault(name or "no name", []).append(errors)
        ranked = sorted(by_level, key=lambda n: order.index(n) if n in order else len(order))
        return tuple(self._part(name, np.concatenate(by_level[name])) for name in ranked)

    def per_corner(self) -> tuple[PartScore, ...]:
        errors = np.concatenate([film.errors("all", "512") for film in self.films])
        return tuple(self._part(name, errors[:, i]) for i, name in enumerate(CORNERS))

    def per_source(self) -> tuple[PartScore, ...]:
        return self._by_film(lambda annotated: annotated.origin)

    def per_facing(self) -> tuple[PartScore, ...]:
        return self._by_film(lambda annotated: annotated.landmarks.facing or "unknown")

    def per_count(self) -> tuple[PartScore, ...]:
        return self._by_film(lambda annotated: str(len(annotated.landmarks)), rank=int)

    def _by_film(
        self, name: Callable[[Sample], str], rank: Callable[[str], str | int] = str
    ) -> tuple[PartScore, ...]:
        by_name: dict[str, list[np.ndarray]] = {}
        for film in self.films:
            if len(film.annotated.landmarks):
                by_name.setdefault(name(film.annotated), []).append(film.errors("all", "512"))
        ranked = sorted(by_name, key=rank)
        return tuple(self._part(each, np.concatenate(by_name[each])) for each in ranked)

    def _part(self, name: str, errors: Float64[np.ndarray, "*n"]) -> PartScore:
        judged = errors[~np.isnan(errors)]
        found = judged[np.isfinite(judged)]
        mre, median = (float(found.mean()), float(np.median(found))) if len(found) else (None, None)
        sdr = _shares(judged, self.thresholds)
        return PartScore(name, len(judged), len(found), mre, median, sdr)

    def curve(self) -> Curve:
        radii = np.arange(0.0, max(self.thresholds) + _CURVE_STEP / 2, _CURVE_STEP)
        limits = tuple(float(radius) for radius in radii)
        return Curve(limits, {name: _shares(self._pool(name), limits) for name in PROTOCOLS})

    def cobb(self, rows: Sequence[FilmScore]) -> CobbScore | None:
        pairs = [
            (film, np.array(row.cobb_predicted), np.array(row.cobb_annotated))
            for film, row in zip(self.films, rows, strict=True)
            if row.cobb_predicted and row.cobb_annotated
        ]
        annotated = sum(row.cobb_annotated is not None for row in rows)
        if not annotated:
            return None
        mae = {
            name: self.estimate((film, np.abs(p - a)[i : i + 1]) for film, p, a in pairs)
            for i, name in enumerate(COBB_ANGLES)
        }
        score = self.estimate((film, smape(p[None], a[None])) for film, p, a in pairs)
        groups = [film.annotated.group for film, _, _ in pairs]
        ratings = np.array([(a, p) for _, p, a in pairs]).reshape(-1, 2, len(COBB_ANGLES))
        alike = {
            name: icc(ratings[..., i], groups, seed=self.seed) for i, name in enumerate(COBB_ANGLES)
        }
        return CobbScore(len(pairs), annotated - len(pairs), mae, score, alike)


def _shares(errors: Float64[np.ndarray, " n"], limits: Sequence[float]) -> tuple[float, ...]:
    """% of the errors within each limit; 0 where there is no error at all."""
    ordered = np.sort(errors)
    within = np.searchsorted(ordered, limits, side="right")
    return tuple(float(100.0 * n / max(len(ordered), 1)) for n in within)
