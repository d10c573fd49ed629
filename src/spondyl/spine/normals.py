"""What do published groups of people measure, and how does a value compare with them?"""

from __future__ import annotations

from spondyl.film.radiograph import Person
from spondyl.spine.measurement import Reference, Unit


def reference_of(
    name: str, levels: tuple[str, ...], value: float, *, unit: Unit, person: Person
) -> Reference | None:
    """The published mean and SD of a measurement, and its z score; None where nothing fits."""
    return None
