"""The published norms: by hand, and that they are only held against what they are norms of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from spondyl.film.radiograph import FilmGeometry, Person
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import measure
from spondyl.spine.normals import NORMS, Norm, reference_of

PAGE = Path(__file__).parents[2] / "docs" / "reference-values.md"


@pytest.mark.parametrize(
    ("name", "levels", "value", "z"),
    [("lordosis", ("L1", "S1"), 80.0, 2.0), ("lordosis", ("L1", "S1"), 57.4, 0.0),
     ("sacral slope", ("S1",), 31.4, -1.0), ("sacral slope", ("S1",), 51.4, 1.5)],
)  # fmt: skip
def test_z_is_how_many_sd_a_value_lies_above_the_mean(
    name: str, levels: tuple[str, ...], value: float, z: float
) -> None:
    """Of 57.4 +- 11.3 deg (MEANS 2022) and of 39.4 +- 8.0 deg (Yukawa 2018)."""
    found = reference_of(name, levels, value, unit="deg", person=Person())
    assert found is not None
    assert found.z == pytest.approx(z)
    assert "standing" in found.group
    assert "doi:10." in found.source


def test_another_measurement_level_or_unit_has_no_norm() -> None:
    def known(name: str, *levels: str, unit: str = "deg") -> bool:
        found = reference_of(name, levels, 40.0, unit=unit, person=Person())  # type: ignore[arg-type]
        return found is not None

    assert known("lordosis", "L1", "S1")
    assert not known("lordosis", "L1", "L5")
    assert not known("lordosis", "L4", "S1")
    assert not known("endplate angle", "L1", "S1")
    assert not known("sacral slope", "S1", unit="%")
    assert not known("sacral slope", "V6")


@pytest.mark.parametrize(
    ("age", "fits"), [(None, True), (17.9, False), (18, True), (80.9, True), (81, False)]
)
def test_who_is_younger_or_older_than_the_group_is_not_compared_with_it(
    age: float | None, fits: bool
) -> None:
    found = reference_of("lordosis", ("L1", "S1"), 50.0, unit="deg", person=Person(age=age))
    assert (found is not None) is fits


def test_a_norm_of_women_needs_a_woman() -> None:
    norm = Norm("lordosis", ("L1", "S1"), "deg", 50.0, 10.0, (20, 79), "F", "women", "nobody")
    assert norm.fits(Person(age=30, sex="F"))
    assert not norm.fits(Person(age=30, sex="M"))
    assert not norm.fits(Person(age=30))


def test_a_measured_film_carries_its_references() -> None:
    tilts = np.radians([-20.0, 0.0, 0.0, 0.0, 20.0, 37.4])
    along = 30 * np.stack([np.cos(tilts), np.sin(tilts)], axis=-1)
    centres = np.stack([np.full(6, 200.0), 60 + 45.0 * np.arange(6)], axis=-1)
    points = np.stack([centres + [0, half] + side * along for half in (-15, 15)
                       for side in (-1, 1)], axis=1)  # fmt: skip
    landmarks = Landmarks(points, levels=("L1", "L2", "L3", "L4", "L5", "S1"), facing="right")
    found = {each.levels: each.reference for each in measure(landmarks, FilmGeometry(400, 400))
             if each.name in ("lordosis", "sacral slope")}  # fmt: skip
    assert found["L1", "S1"] is not None
    assert found["L1", "S1"].z == pytest.approx(0.0)
    assert found["S1",] is not None
    assert found["S1",].z == pytest.approx(-0.25)
    assert found["L1", "L5"] is None
    child = measure(landmarks, FilmGeometry(400, 400, person=Person(age=9)))
    assert all(each.reference is None for each in child)


def test_the_page_on_reference_values_has_every_norm_and_its_source() -> None:
    """So that none is shipped without the words on how it was read."""
    page = PAGE.read_text()
    for norm in NORMS:
        assert f"{norm.mean} +- {norm.sd}" in page
        assert re.findall(r"doi:(\S+)", norm.source)[0] in page
    assert len({(norm.name, norm.levels, norm.ages, norm.sex) for norm in NORMS}) == len(NORMS)
