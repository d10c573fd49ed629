"""The page of faults says what was found, and shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spondyl.checking.check import Checked
from spondyl.checking.faults import Fault
from spondyl.data.sample import Listed, Sample
from spondyl.judging.check_page import check_page, draw_faults
from spondyl.spine.landmarks import Landmarks

SPINE = np.array([[[30, y], [60, y], [30, y + 14], [60, y + 14]] for y in range(10, 90, 20)], float)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Four films, the last of which is not there."""
    made = []
    for name in "abcd":
        path = tmp_path / f"{name}.png"
        if name != "d":
            Image.fromarray(
                np.arange(9600, dtype=np.uint16).reshape(100, 96).astype(np.uint8)
            ).save(path)
        listed = Listed(SPINE[:, [2, 3, 0, 1]], np.full((4, 4), np.nan), (None,) * 4)
        made.append(Sample(name, path, 100, 96, Landmarks(SPINE), name, "coco", listed=listed))
    return made


def outcome(*faults: Fault) -> Checked:
    return Checked("my films", 4, 16, {"coco": 4}, faults)


def test_the_page_has_the_counts_and_every_fault() -> None:
    faults = (
        Fault("gap", "a", "64 px", 3, "L2"),
        Fault("gap", "b", "70 px", 4),
        Fault("stretched aspect", "", "coco: 4 films"),
    )
    page = check_page(outcome(*faults))
    for words in ("Labels in my films", "4 films, 16 vertebrae: 4 coco", "64 px", "L2", "V4"):
        assert words in page
    assert "errors, on 2 of 4 films" in page
    assert "whole source" in page


def test_what_a_label_says_is_never_markup() -> None:
    page = check_page(outcome(Fault("gap", "<script>alert(1)</script>", "<b>x</b>")))
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page


def test_films_with_faults_are_drawn_the_worst_first(samples: list[Sample]) -> None:
    faults = (
        Fault("gap", "b", ""), Fault("gap", "b", "", 2), Fault("gap", "a", "", 3, "L2"),
        Fault("unlabelled above", "c", ""), Fault("gap", "d", ""),
    )  # fmt: skip
    steps: list[int] = []
    pictures, left_out = draw_faults(outcome(*faults), samples, on_done=steps.append)
    assert [p.caption for p in pictures] == ["b: gap, V2 gap", "a: L2 gap"]
    assert left_out == 0
    assert steps == [1, 2, 3]
    assert all(p.uri.startswith("data:image/jpeg;base64,") for p in pictures)


def test_the_page_says_how_many_films_it_does_not_draw(samples: list[Sample]) -> None:
    checked = outcome(*(Fault("gap", name, "") for name in "abc"))
    pictures, left_out = draw_faults(checked, samples, most=1)
    assert (len(pictures), left_out) == (1, 2)
    assert "2 more films with faults are not drawn" in check_page(
        checked, pictures, left_out=left_out
    )


def test_a_clean_folder_has_a_page_without_films() -> None:
    page = check_page(outcome())
    assert "Films to look at first" not in page
    assert "errors, on 0 of 4 films" in page
