"""Agreement of measurements and grades with known answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.data.aasce import read_aasce
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing
from spondyl.judging.agreement import (
    HUMAN_ERROR,
    MIN_LEVEL,
    Agreement,
    MeasurementScore,
    agreement,
    labels,
)
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.pairing import MeasuredPair, measured_pairs
from spondyl.judging.statistics import clustered_interval

from .spines import film, shifted, spine

values = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=12)


def pair(annotated: float, predicted: float | None, film: str = "a", **more) -> MeasuredPair:
    what = {"name": "slip", "levels": ("L4", "L5"), "unit": "mm", "definition": "ours", **more}
    group = what.pop("group", film)
    return MeasuredPair(film, group, annotated=annotated, predicted=predicted, **what)


def scored(pairs: list[MeasuredPair]) -> MeasurementScore:
    found = agreement(pairs)
    assert found is not None
    return found.measurements[0]


def test_one_measurement_a_film_by_hand() -> None:
    """Differences 1, -2, 3, 0 mm: bias 0.5, MAE 1.5, squares about the mean 13 over 3."""
    pairs = [pair(a, a + d, name) for name, a, d in zip("abcd", (2, 5, 9, 4), (1, -2, 3, 0),
                                                        strict=True)]  # fmt: skip
    score = scored([*pairs, pair(1.0, None, "e", reason="gap")])
    assert (score.measured, score.annotated, score.films, score.unmeasured) == (4, 5, 4, {"gap": 1})
    sd = (13 / 3) ** 0.5
    known = [score.mae, score.bias, score.sd, score.lower, score.upper, score.within_human]
    expected = [1.5, 0.5, sd, 0.5 - 1.96 * sd, 0.5 + 1.96 * sd, 50.0]  # 1 and 0 are within 1.3 mm
    assert [each.value for each in known] == pytest.approx(expected)
    assert score.mae.low < 1.5 < score.mae.high
    assert (score.title, score.human) == ("slip L4-L5, mm", 1.3)


def test_intervals_are_over_groups_as_everywhere() -> None:
    rng = np.random.default_rng(2)
    pairs = [pair(0.0, float(d), f"f{i}", group=f"g{i % 7}") for i, d in
             enumerate(rng.normal(size=30))]  # fmt: skip
    sizes = np.array([abs(p.predicted) for p in pairs])
    own = clustered_interval(sizes, [p.group for p in pairs], rng=np.random.default_rng(0))
    mae = scored(pairs).mae
    assert (mae.value, mae.low, mae.high) == pytest.approx((own.value, own.low, own.high))


@settings(deadline=None, max_examples=30)
@given(values, st.floats(-200, 200, allow_nan=False))
def test_a_constant_moves_the_bias_and_with_it_the_limits(
    numbers: list[tuple[int, int]], constant: float
) -> None:
    pairs = [pair(a, p, str(i), low=p - 3.0, high=p + 3.0, coverage=0.9) for i, (a, p) in
             enumerate(numbers)]  # fmt: skip
    moved = [replace(p, predicted=p.predicted + constant) for p in pairs]
    one, other = scored(pairs), scored(moved)
    assert other.bias.value == pytest.approx(one.bias.value + constant, abs=1e-9)
    assert other.sd.value == pytest.approx(one.sd.value, abs=1e-4)  # of squares of up to 300
    for end in ("lower", "upper"):
        shift = getattr(other, end).value - getattr(one, end).value
        assert shift == pytest.approx(constant, abs=3e-4)
    assert (other.coverage, other.width, other.measured) == (one.coverage, one.width, one.measured)


def test_the_share_of_intervals_that_hold_the_truth() -> None:
    """Four of five; another pair has none."""
    pairs = [pair(v, v + 1, str(v), low=v - 1.0, high=v + 2.0, coverage=0.9) for v in range(4)] + [
        pair(9, 3, "x", low=1.0, high=6.0, coverage=0.9),
        pair(5, 5, "y"),
    ]
    score = scored(pairs)
    assert (score.intervals, score.stated) == (5, 90.0)
    assert (score.coverage.value, score.width.value) == pytest.approx((80.0, (4 * 3 + 5) / 5))


def test_levels_are_pooled_and_those_with_enough_pairs_stand_alone() -> None:
    pairs = [
        pair(i, i + above, f"f{i}", levels=levels)
        for above, levels, count in ((1, ("L4", "L5"), MIN_LEVEL), (3, ("L5", "S1"), MIN_LEVEL - 1))
        for i in range(count)
    ]
    found = agreement(pairs)
    assert [(s.levels, s.measured) for s in found.measurements] == [((), 2 * MIN_LEVEL - 1)]
    assert [(s.levels, s.bias.value) for s in found.by_level] == [(("L4", "L5"), pytest.approx(1))]
    assert not agreement([replace(p, name="wedge") for p in pairs]).by_level


def test_grades_by_hand() -> None:
    """Nine of twelve equal; stated 0.9 and 0.5, of which one is right."""
    counts = {(0, 0): 6, (0, 1): 2, (1, 1): 2, (1, 2): 1, (2, 2): 1}
    grades = [(a, p) for (a, p), count in counts.items() for _ in range(count)]
    pairs = [
        pair(float(a), float(p), f"f{i}", name="Meyerding grade", unit="grade",
             probability={0: 0.9, 6: 0.5}.get(i))
        for i, (a, p) in enumerate(grades)
    ]  # fmt: skip
    [score] = agreement([*pairs, pair(1.0, None, "z", name="Meyerding grade", unit="grade",
                                      reason="vertebra missed")]).grades  # fmt: skip
    assert score.grades == ("0", "I", "II", "III", "IV", "V")
    assert [row[:3] for row in score.confusion[:3]] == [(6, 2, 0), (0, 2, 1), (0, 0, 1)]
    assert sum(map(sum, score.confusion)) == score.measured == score.annotated - 1 == 12
    assert score.exact.value == pytest.approx(75.0)
    chance = (8 * 4 + 8 * 2 * 2 + 3 * 6 + 3 * 2 + 1 * 6 * 2 + 1 * 4) / 12  # linear, margins 8, 3, 1
    assert score.linear.value == pytest.approx(1 - 3 / chance)
    squared = (8 * 4 + 8 * 2 * 4 + 3 * 6 + 3 * 2 + 1 * 6 * 4 + 1 * 4) / 12
    assert score.quadratic.value == pytest.approx(1 - 3 / squared)
    assert score.probabilities == 2
    assert (score.stated.value, score.right.value) == pytest.approx((70.0, 50.0))


def test_nothing_measured_is_no_agreement_and_nothing_predicted_is_all_unmeasured() -> None:
    assert agreement([]) is None
    score = scored([pair(3.0, None, "a", reason="film refused")])
    assert (score.measured, score.unmeasured) == (0, {"film refused": 1})
    assert {e.value for e in (score.mae, score.bias, score.sd, score.icc, score.coverage)} == {None}
    alone = scored([pair(3.0, 4.0)])
    assert (alone.bias.value, alone.sd.value, alone.icc.value, alone.mae.low) == (
        1,
        None,
        None,
        None,
    )


def test_measurements_of_the_same_title_are_told_apart_by_definition() -> None:
    angles = [pair(1.0, 2.0, name="Cobb angle", levels=(), unit="deg", definition=d) for d in "xy"]
    found = agreement([*angles, pair(1.0, 2.0)])
    assert labels(found.measurements) == ["Cobb angle, deg: x", "Cobb angle, deg: y",
                                          "slip L4-L5, mm"]  # fmt: skip


def test_every_human_error_names_its_source() -> None:
    for human in HUMAN_ERROR.values():
        assert human.limit > 0
        assert any(year in human.source for year in ("1990", "1994"))


def lateral() -> tuple[list[Sample], list[Sample]]:
    """Twelve films; each vertebra lies 1 px (0.5 mm) further forward on the next than annotated."""
    truth = replace(spine(6), facing="right")
    points = truth.points + np.arange(5, -1, -1)[:, None, None] * [1.0, 0.0]
    facts = {"view": "lateral", "spacing": PixelSpacing(0.5, 0.5, "patient")}
    names = [f"f{i:02d}" for i in range(12)]
    annotated = [film(n, shifted(truth, i, 0), group=n, **facts) for i, n in enumerate(names)]
    found = [film(n, shifted(replace(truth, points=points), i, 0)) for i, n in enumerate(names)]
    return found, annotated


def judged() -> Evaluation:
    found, annotated = lateral()
    found[0] = replace(found[0], landmarks=replace(found[0].landmarks, refusal="not a spine"))
    pairs = measured_pairs(found, annotated)
    return evaluate(found, annotated, thresholds=[4], measured=pairs)


def by_title(found: Agreement) -> dict[str, MeasurementScore]:
    return {score.title: score for score in (*found.measurements, *found.by_level)}


def test_a_known_slip_and_a_refused_film() -> None:
    result = judged().agreement
    scores = by_title(result)
    slip = scores["slip, mm"]
    assert (slip.bias.value, slip.mae.value) == pytest.approx((0.5, 0.5))
    assert (slip.measured, slip.annotated, slip.films) == (55, 60, 11)
    assert slip.unmeasured == {"film refused": 5}
    assert scores["slip L4-L5, %"].bias.value == pytest.approx(100 / 60)
    assert scores["mean disc height, mm"].mae.value == pytest.approx(0.0, abs=1e-9)
    assert result.grades[0].exact.value == 100.0


def test_an_evaluation_with_agreement_reads_back_exactly_and_one_without_is_read() -> None:
    evaluation = judged()
    data = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert Evaluation.from_json(data) == evaluation
    del data["agreement"]
    assert Evaluation.from_json(data) == replace(evaluation, agreement=None)


def test_real_frontal_films_agree_with_themselves_wherever_they_lie(shared_data: Path) -> None:
    """AASCE 2019: a prediction that is the annotation, or is moved whole."""
    annotated = list(read_aasce(shared_data / "aasce2019-train").samples[:24])
    same = measured_pairs(annotated, annotated)
    scores = agreement(same).measurements
    assert {s.name for s in scores} >= {"Cobb angle", "maximal Cobb angle", "lateral listhesis"}
    for score in scores:
        assert score.measured == score.annotated > 0
        assert (score.mae.value, score.sd.value) == (0.0, 0.0)
        assert score.icc.value == pytest.approx(1.0)
    moved = [replace(s, landmarks=shifted(s.landmarks, 2, 1)) for s in annotated]
    for score in agreement(measured_pairs(moved, annotated)).measurements:
        if score.name != "Cobb angle":  # where its ends lie on the film decides their names
            assert score.mae.value == pytest.approx(0.0, abs=1e-6)
    cobb = evaluate(annotated, annotated, thresholds=[4]).cobb
    assert [each.value for each in cobb.icc.values()] == pytest.approx([1.0] * 3)
