"""How is the error of corners and measurements learnt from films with known corners?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spondyl.anatomy import View
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.uncertainty import Uncertainty


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationFilm:
    """What a network found on a film, as its codec decodes it, and the truth, both in input px."""

    found: Detections
    truth: Landmarks
    view: View | None


def fit_uncertainty(
    films: Sequence[CalibrationFilm],
    calibration: Calibration,
    *,
    ordered: bool,
    coverage: float = 0.9,
) -> Uncertainty | None:
    """How far off corners and measurements are; None with too few films to say."""
    return None
