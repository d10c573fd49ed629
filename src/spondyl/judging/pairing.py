"""Which predicted measurement stands for which annotated one, and why is there none?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Int64

from spondyl.anatomy import is_level
from spondyl.data.sample import Sample
from spondyl.judging.metrics import match
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals, Measurement, Unit
from spondyl.spine.measurements import measure

Reason = Literal[
    "film not predicted",
    "film refused",
    "facing undetermined",
    "vertebra missed",
    "gap",
    "level undetermined",
    "other",
]
"""Why an annotated measurement has no predicted one; the first that holds."""

NAMED: Final = frozenset({"lordosis", "sacral slope"})
"""Measurements that exist only between vertebrae of certain names."""

BY_NAME: Final = NAMED | {"Cobb angle", "maximal Cobb angle"}
"""Measurements of a whole film, taken by name; all others are taken by their vertebrae."""


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """One measurement of an annotation, and what the prediction makes of it.

    ``levels`` are those of the annotation, ``called`` what the prediction calls them. ``predicted``
    is None for the ``reason``; ``low``, ``high``, ``coverage`` and ``probability`` are the
    prediction's (``Measurement``). ``misnamed``: measured on one vertebra and named as another.
    ``note`` is what the measurement says of itself.
    """

    film: str
    group: str
    name: str
    levels: tuple[str, ...]
    unit: Unit
    definition: str
    annotated: float
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    probability: float | None = None
    called: tuple[str, ...] = ()
    misnamed: bool = False
    reason: Reason | None = None
    note: str | None = None

    def to_row(self) -> dict[str, Any]:
        """One row of a table; levels are joined by a hyphen."""
        row = asdict(self)
        return {**row, "levels": "-".join(self.levels), "called": "-".join(self.called)}


def measured_pairs(
    predictions: Sequence[Sample],
    annotations: Sequence[Sample],
    *,
    intervals: Intervals | None = None,
) -> tuple[MeasuredPair, ...]:
    """Every measurement that the annotations give, with its predicted counterpart or the reason.

    What is measured on one vertebra or on two neighbours is held against the same bodies by the
    matching of the protocol ``all``, whatever the prediction calls them, so that a wrong name does
    not hide as an error in mm; it is counted as ``misnamed``. What belongs to the whole film
    (``BY_NAME``) is taken by its name, as a user gets it. Spacing, proportions and view are the
    annotation's, the facing each one's own.

    Args:
        predictions: paired with the annotations by ``key``.
        annotations: the films to judge on.
        intervals: how wide the intervals of the predictions must be.
    """
    found = {sample.key: sample for sample in predictions}
    return tuple(
        pair
        for annotation in annotations
        for pair in _Film.of(found.get(annotation.key), annotation, intervals).pairs()
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Film:
    """One film measured twice. ``partner`` (A,) is the matched prediction, -1 = missed."""

    annotated: Sample
    predicted: Landmarks | None
    partner: Int64[np.ndarray, " a"]
    truth: tuple[Measurement, ...]
    found: tuple[Measurement, ...]

    @classmethod
    def of(
        cls, prediction: Sample | None, annotation: Sample, intervals: Intervals | None
    ) -> _Film:
        geometry, landmarks = annotation.geometry, annotation.landmarks
        truth = measure(landmarks, geometry)
        if prediction is None:
            return cls(annotation, None, np.full(len(landmarks), -1), truth, ())
        partner = match(prediction.landmarks, landmarks).partner
        found = measure(prediction.landmarks, geometry, intervals=intervals)
        return cls(annotation, prediction.landmarks, partner, truth, found)

    def pairs(self) -> Iterator[MeasuredPair]:
        """Those that the annotation gives a number for."""
        known = _by_place(self.found)
        for each in self.truth:
            if each.value is not None:
                levels = None if each.name in BY_NAME else self._called(each.levels)
                yield self._pair(each, _counterpart(each, levels, known))

    def _pair(self, truth: Measurement, found: Measurement | None) -> MeasuredPair:
        what = (truth.name, truth.levels, truth.unit, truth.definition)
        place = (self.annotated.key, self.annotated.group, *what)
        value = truth.value if truth.value is not None else float("nan")
        if found is None or found.value is None:
            note = found.note if found else None
            return MeasuredPair(*place, value, reason=self._reason(truth, found), note=note)
        return MeasuredPair(
            *place, value, found.value, found.low, found.high, found.coverage, found.probability,
            found.levels, self._misnamed(truth), note=found.note,
        )  # fmt: skip

    def _called(self, levels: Sequence[str]) -> tuple[str, ...]:
        """What the prediction calls the annotated vertebrae; empty where one was missed."""
        if self.predicted is None:
            return ()
        names, own = _labels(self.predicted), _labels(self.annotated.landmarks)
        partners = [int(self.partner[own.index(level)]) for level in levels]
        return () if -1 in partners else tuple(names[i] for i in partners)

    def _misnamed(self, truth: Measurement) -> bool:
        """Whether a vertebra of the measurement bears another vertebra's name."""
        if truth.name in BY_NAME - NAMED:
            return False  # each curve has its own ends
        called = self._called(truth.levels)
        return any(
            is_level(name) and is_level(said) and name != said
            for name, said in zip(truth.levels, called, strict=False)
        )

    def _reason(self, truth: Measurement, found: Measurement | None) -> Reason:
        if self.predicted is None:
            return "film not predicted"
        if self.predicted.refusal:
            return "film refused"
        if self.annotated.landmarks.facing and not self.predicted.facing and len(self.predicted):
            return "facing undetermined"
        called = self._called(truth.levels)
        if truth.levels and not called:
            return "vertebra missed"
        if truth.name in NAMED and called != truth.levels:
            return "level undetermined"
        return "gap" if found is None else "other"


_Places = Mapping[tuple[str, Unit, tuple[str, ...] | None], Sequence[Measurement]]


def _by_place(found: Sequence[Measurement]) -> _Places:
    places: dict[tuple[str, Unit, tuple[str, ...] | None], list[Measurement]] = {}
    for each in found:
        levels = None if each.name in BY_NAME else each.levels
        places.setdefault((each.name, each.unit, levels), []).append(each)
    return places


def _counterpart(
    truth: Measurement, levels: tuple[str, ...] | None, known: _Places
) -> Measurement | None:
    """The one of the same definition; of a vertebra's, else the only one that there is."""
    same = known.get((truth.name, truth.unit, levels), ())
    alike = [each for each in same if each.definition == truth.definition]
    only = same if levels is not None and len(same) == 1 else []
    return next(iter([*alike, *only]), None)


def _labels(landmarks: Landmarks) -> list[str]:
    """What measurements call the vertebrae (``Measurement.levels``)."""
    return [name or f"V{place}" for place, name in enumerate(landmarks.names, start=1)]
