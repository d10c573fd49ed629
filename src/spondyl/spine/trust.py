"""Should a prediction be believed: is the spine that was found one at all, and like those known?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spondyl.spine.landmarks import Landmarks


@dataclass(frozen=True, slots=True)
class Trust:
    """What spines look like on films that the network knows."""

    def judged(self, landmarks: Landmarks) -> Landmarks:
        """The landmarks with their ``doubt`` and, above 1, the reason for a ``refusal``."""
        return landmarks

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        return {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trust:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible.
        """
        return cls()


def fit_trust(found: Sequence[Landmarks]) -> Trust | None:
    """What the predictions on good films look like; None with too few films to say."""
    return None
