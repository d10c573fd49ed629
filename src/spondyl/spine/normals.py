"""What do published groups of people measure, and how does a value compare with them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from spondyl.film.radiograph import Person
from spondyl.spine.measurement import Reference, Unit


@dataclass(frozen=True, slots=True)
class Norm:
    """Mean and SD of a measurement in a published group.

    ``ages`` are the youngest and the oldest of the group, in years; ``sex`` is None where men and
    women were measured together. ``group`` says who they were, ``source`` who published it.
    """

    name: str
    levels: tuple[str, ...]
    unit: Unit
    mean: float
    sd: float
    ages: tuple[float, float]
    sex: Literal["F", "M"] | None
    group: str
    source: str

    def fits(self, person: Person) -> bool:
        """Whether somebody may be compared with the group; an age not known does not forbid it."""
        youngest, oldest = self.ages
        of_age = person.age is None or youngest <= person.age < oldest + 1
        return of_age and self.sex in (None, person.sex)


NORMS: Final = (
    Norm(
        name="lordosis",
        levels=("L1", "S1"),
        unit="deg",
        mean=57.4,
        sd=11.3,
        ages=(18, 80),
        sex=None,
        group="468 asymptomatic adults of both sexes, 18 to 80 years, 5 countries, standing",
        source="MEANS study, Spine 2022;47(19):1372-1381, doi:10.1097/BRS.0000000000004413",
    ),
    Norm(
        name="sacral slope",
        levels=("S1",),
        unit="deg",
        mean=39.4,
        sd=8.0,
        ages=(20, 79),
        sex=None,
        group="626 asymptomatic Japanese adults of both sexes, 20 to 79 years, standing",
        source="Yukawa et al., Eur Spine J 2018;27(2):426-432, doi:10.1007/s00586-016-4807-7",
    ),
)
"""All that could be read in a published text with its definition: ``docs/reference-values.md``."""


def reference_of(
    name: str, levels: tuple[str, ...], value: float, *, unit: Unit, person: Person
) -> Reference | None:
    """The published mean and SD of a measurement, and its z score; None where nothing fits.

    A norm fits a measurement of its name, levels and unit, and a person of its ages and sex. All
    norms are of adults; who is of unknown age is compared with them, and ``group`` says with whom.
    """
    for norm in NORMS:
        if (norm.name, norm.levels, norm.unit) == (name, levels, unit) and norm.fits(person):
            z = (value - norm.mean) / norm.sd
            return Reference(norm.mean, norm.sd, z, norm.group, norm.source)
    return None
