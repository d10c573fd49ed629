"""Measurements of a film, annotated and predicted, and why one is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from spondyl.judging.pairing import MeasuredPair, measured_pairs
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import measure

from .spines import film, nobody, shifted, spine

TRUTH = replace(spine(6), facing="right")  # L1 to S1


def paired(predicted: Landmarks | None, truth: Landmarks = TRUTH) -> tuple[MeasuredPair, ...]:
    annotation = film("a", truth, view="lateral")
    found = [film("a", predicted, view="lateral")] if predicted is not None else []
    return measured_pairs(found, [annotation])


def reasons(pairs: tuple[MeasuredPair, ...], name: str) -> dict[str, str | None]:
    return {"-".join(pair.levels): pair.reason for pair in pairs if pair.name == name}


def differences(pairs: tuple[MeasuredPair, ...], name: str, unit: str) -> list[float]:
    return [
        pair.predicted - pair.annotated
        for pair in pairs
        if (pair.name, pair.unit) == (name, unit) and pair.predicted is not None
    ]


def test_every_annotated_measurement_is_paired_once() -> None:
    pairs = paired(shifted(TRUTH, 3, 1))
    known = measure(TRUTH, film("a", TRUTH, view="lateral").geometry)
    told = [(m.name, m.levels, m.unit, m.definition) for m in known if m.value is not None]
    assert [(p.name, p.levels, p.unit, p.definition) for p in pairs] == told
    assert len(told) > 40
    assert all(p.predicted == pytest.approx(p.annotated) for p in pairs)
    assert not any(p.misnamed or p.reason for p in pairs)


def test_a_level_shift_does_not_spoil_slips_but_is_counted() -> None:
    named = ("T12", "L1", "L2", "L3", "L4", "L5")
    pairs = paired(replace(TRUTH, levels=named))
    assert differences(pairs, "slip", "%") == pytest.approx([0.0] * 5, abs=1e-9)
    slips = [pair for pair in pairs if (pair.name, pair.unit) == ("slip", "%")]
    assert slips[0].called == ("T12", "L1")
    assert all(pair.misnamed for pair in slips)
    lordosis = reasons(pairs, "lordosis")
    assert lordosis["L1-S1"] == lordosis["L4-S1"] == "level undetermined"
    [other] = [p for p in pairs if p.name == "lordosis" and p.levels == ("L1", "L5")]
    assert (other.reason, other.misnamed) == (None, True)  # measured, as a user gets it


def test_a_film_without_names_is_measured_where_no_name_is_needed() -> None:
    pairs = paired(replace(TRUTH, levels=None))
    assert len(differences(pairs, "slip", "%")) == 5
    assert not any(pair.misnamed for pair in pairs)
    assert set(reasons(pairs, "lordosis").values()) == {"level undetermined"}
    assert reasons(pairs, "sacral slope") == {"S1": "level undetermined"}


def test_a_missed_vertebra_is_the_reason_for_all_that_needs_it() -> None:
    pairs = paired(TRUTH.select([0, 1, 3, 4, 5]))  # without L3
    slips = reasons(pairs, "slip")
    assert [levels for levels, reason in slips.items() if reason] == ["L2-L3", "L3-L4"]
    assert slips["L2-L3"] == "vertebra missed"
    assert reasons(pairs, "superior endplate")["L3"] == "vertebra missed"
    assert reasons(pairs, "lordosis")["L1-S1"] is None


def test_neighbours_that_the_prediction_names_apart_have_a_gap() -> None:
    pairs = paired(replace(TRUTH, levels=("T12", "L1", "L2", "L3", "L5", "S1")))
    assert reasons(pairs, "slip")["L4-L5"] == "gap"
    assert reasons(pairs, "slip")["L5-S1"] is None


@pytest.mark.parametrize(
    ("predicted", "reason"),
    [
        (None, "film not predicted"),
        (replace(TRUTH, refusal="not a spine"), "film refused"),
        (replace(TRUTH, facing=None), "facing undetermined"),
        (nobody(), "vertebra missed"),
    ],
)
def test_a_film_on_which_nothing_is_measured_counts_whole(
    predicted: Landmarks | None, reason: str
) -> None:
    pairs = paired(predicted)
    assert len(pairs) == len(paired(TRUTH))
    assert Counter(pair.reason for pair in pairs) == {reason: len(pairs)}
    assert all(pair.predicted is None for pair in pairs)


def test_a_corner_that_was_not_found_is_told_in_the_note() -> None:
    points = TRUTH.points.copy()
    points[4, 2:] = np.nan  # L5's inferior endplate
    pairs = paired(replace(TRUTH, points=points))
    [lost] = [p for p in pairs if (p.name, p.unit, p.levels) == ("slip", "px", ("L5", "S1"))]
    assert (lost.reason, lost.note) == ("other", "a corner was not seen")
    assert reasons(pairs, "slip")["L4-L5"] is None


def test_what_the_annotation_lacks_is_not_asked_for() -> None:
    pairs = paired(TRUTH, TRUTH.select([2, 3]))
    assert {level for pair in pairs for level in pair.levels} == {"L3", "L4"}


def test_a_cobb_angle_is_paired_whichever_vertebrae_end_it() -> None:
    bend = replace(spine(6, named=False), facing=None)
    turned = bend.points.copy()
    turned[3:, 1::2, 1] += 20.0  # three vertebrae inclined
    truth = film("a", replace(bend, points=turned), view="ap")
    longer = turned.copy()
    longer[2, 1::2, 1] += 21.0
    found = film("a", replace(bend, points=longer), view="ap")
    pairs = {p.definition: p for p in measured_pairs([found], [truth]) if "Cobb" in p.name}
    assert len(pairs) == 4
    largest = pairs["Cobb 1948, largest of all pairs"]
    assert largest.levels != largest.called
    assert largest.annotated == pytest.approx(np.degrees(np.arctan(20 / 60)))
    assert largest.predicted == pytest.approx(np.degrees(np.arctan(21 / 60)))
    assert not any(pair.reason or pair.misnamed for pair in pairs.values())


def test_a_row_of_a_table_has_plain_texts() -> None:
    row = paired(TRUTH)[0].to_row()
    assert (row["levels"], row["called"], row["unit"]) == ("L1-L2", "L1-L2", "px")
