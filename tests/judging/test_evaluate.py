"""Whole evaluations with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spondyl.errors import UsageError
from spondyl.film.radiograph import PixelSpacing
from spondyl.judging.evaluate import evaluate
from spondyl.judging.statistics import Estimate
from spondyl.spine.landmarks import Landmarks

from .spines import HEIGHT, LEVELS, STEP, film, nobody, shifted, spine

SPACING = PixelSpacing(row_mm=0.5, column_mm=0.25)


def judge(predictions, annotations, **more):
    return evaluate(predictions, annotations, thresholds=[2, 4], **more)


def test_a_known_displacement_in_every_unit() -> None:
    """(6, 8) px on a film of 1024 x 512 px."""
    annotations = [film(k, spine(6), group=k, spacing=SPACING) for k in "abc"]
    predictions = [film(k, shifted(spine(6), 6, 8)) for k in "abc"]
    metrics = judge(predictions, annotations).protocol("all").metrics
    found = {
        unit: metrics[f"mre_{unit}"].value for unit in ("px", "512", "diagonal", "height", "mm")
    }
    assert found == pytest.approx(
        {
            "px": 10,
            "512": 5,
            "diagonal": 1000 / np.hypot(1024, 512),
            "height": 1000 / HEIGHT,
            "mm": np.hypot(6 * 0.25, 8 * 0.5),
        }
    )
    assert metrics["mre_px"] == replace(metrics["median_px"])  # all errors are equal
    assert (metrics["sdr@2"].value, metrics["sdr@4"].value) == (0.0, 0.0)


def test_millimetres_are_over_the_films_whose_spacing_is_known() -> None:
    annotations = [film("a", spine(6), spacing=SPACING), film("b", spine(6), group="h")]
    predictions = [film("a", shifted(spine(6), 4, 0)), film("b", shifted(spine(6), 8, 0))]
    metrics = judge(predictions, annotations).protocol("all").metrics
    assert metrics["mre_mm"].value == pytest.approx(1.0)
    assert metrics["mre_px"].value == pytest.approx(6.0)
    alone = judge(predictions[1:], annotations[1:]).protocol("all").metrics
    assert alone["mre_mm"].value is None


def test_one_vertebra_more_on_top_is_perfect_but_for_the_ordinal_protocol() -> None:
    annotations = [film(k, spine(6), group=k) for k in "abcd"]
    predictions = [film(k, spine(7, top=100 - STEP)) for k in "abcd"]
    result = judge(predictions, annotations)
    for name in ("all", "matched", "named"):
        assert result.protocol(name).metrics["sdr@2"].value == 100.0, name
    assert result.protocol("ordinal").metrics["sdr@4"].value == 0.0
    assert result.protocol("ordinal").metrics["mre_px"].value == pytest.approx(STEP)
    assert result.detection.precision.value == result.detection.recall.value == 100.0
    assert (result.detection.ignored, result.detection.false) == (4, 0)
    assert result.naming.share.value == 100.0
    assert result.taxonomy["ordinal"]["level shift"] == 4 * 20
    upwards = judge(predictions, annotations, ordinal_anchor="bottom")
    assert upwards.protocol("ordinal").metrics["sdr@2"].value == 100.0


def test_a_film_without_prediction_counts_as_missed_and_one_without_annotation_not_at_all() -> None:
    annotations = [film("a", spine(6)), film("b", spine(6), group="h")]
    predictions = [film("a", spine(6)), film("c", spine(3))]
    result = judge(predictions, annotations)
    assert (result.unpredicted, result.unannotated) == (("b",), ("c",))
    assert (result.detection.found, result.detection.vertebrae) == (6, 12)
    assert result.protocol("all").metrics["sdr@2"].value == 50.0
    assert result.protocol("matched").metrics["sdr@2"].value == 100.0
    assert result.worst[0] == "b"
    assert result.taxonomy["all"]["missed"] == 24


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    doubled = np.concatenate([spine(4).points, shifted(spine(1), 3, -8).points])
    annotations = [film("a", spine(6, top=100)), film("b", spine(4), group="h")]
    predictions = [film("a", spine(5)), film("b", Landmarks(doubled))]
    found = judge(predictions, annotations).detection
    precision, recall = 9 / 10, 9 / 10
    assert found.precision.value == pytest.approx(100 * precision)
    assert found.recall.value == pytest.approx(100 * recall)
    assert found.f1.value == pytest.approx(200 * precision * recall / (precision + recall))


def test_names_are_right_wrong_absent_or_missed() -> None:
    names = ("L1", "L3", None, "L5", "S1")
    predicted = Landmarks(spine(6).points[:5], levels=names)
    annotated = Landmarks(spine(6).points, levels=("L1", "L2", "L3", "L4", "L5", None))
    result = judge([film("a", predicted)], [film("a", annotated)])
    naming = result.naming
    assert (naming.right, naming.wrong, naming.unnamed, naming.missed) == (1, 3, 1, 0)
    assert naming.share.value == pytest.approx(20.0)
    assert result.naming_with_s1.films == 0
    assert result.naming_with_s1.share.value is None
    assert result.per_film[0].named_right == 1


def test_levels_and_corners_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    annotations = [film(k, spine(n), group=k) for k, n in zip("abc", (5, 6, 7), strict=True)]
    predictions = [
        film(
            s.key,
            s.landmarks.moved(s.landmarks.points + rng.normal(0, 3, (len(s.landmarks), 4, 2))),
        )
        for s in annotations
    ]
    result = judge(predictions, annotations)
    whole = result.protocol("all")
    for parts in (result.per_level, result.per_corner):
        assert sum(part.corners for part in parts) == whole.corners == 4 * 18
        mean = sum(part.mre * part.found for part in parts) / whole.found
        assert mean == pytest.approx(whole.metrics["mre_512"].value)
    assert [part.name for part in result.per_level] == list(LEVELS[1:])
    assert result.curve.radii[-1] == 4.0
    assert result.curve.shares["all"][8] == pytest.approx(whole.metrics["sdr@2"].value)
    assert (np.diff(result.curve.shares["all"]) >= 0).all()


def test_intervals_hold_the_figure_and_follow_the_groups() -> None:
    rng = np.random.default_rng(1)
    errors = np.repeat(rng.gamma(2, 3, 12), 3)

    def width(group_size):
        annotations = [film(str(i), spine(3), group=str(i // group_size)) for i in range(36)]
        predictions = [film(str(i), shifted(spine(3), e, 0)) for i, e in enumerate(errors)]
        estimate = judge(predictions, annotations).protocol("all").metrics["mre_px"]
        assert estimate.low < estimate.value < estimate.high
        return estimate.high - estimate.low

    assert width(3) > 1.4 * width(1)


def bent(count: int = 17, amplitude: float = 20.0) -> Landmarks:
    """An S of vertebrae, each turned by its own angle."""
    turn = np.radians(amplitude * np.sin(np.linspace(0, 2 * np.pi, count)))
    centre = np.stack([np.full(count, 250.0), 60 + 55.0 * np.arange(count)], axis=-1)
    along = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    down = np.stack([-np.sin(turn), np.cos(turn)], axis=-1)
    corners = [s * 20 * down + t * 30 * along for s in (-1, 1) for t in (-1, 1)]
    return Landmarks(centre[:, None] + np.stack(corners, axis=1))


def test_cobb_angles_are_judged_on_ap_films_only() -> None:
    annotations = [film(k, bent(), group=k, view="ap") for k in "abc"]
    predictions = [film("a", bent()), film("b", bent(amplitude=30.0)), film("c", nobody())]
    cobb = judge(predictions, annotations).cobb
    assert (cobb.films, cobb.unmeasured) == (2, 1)
    first, second = (
        np.array(f.cobb_predicted) for f in judge(predictions, annotations).per_film[:2]
    )
    assert [cobb.mae[n].value for n in ("PT", "MT", "TL")] == pytest.approx(abs(second - first) / 2)
    score = 100 * abs(second - first).sum() / (second + first).sum()
    assert cobb.smape.value == pytest.approx(score / 2)
    assert judge(predictions, [replace(s, view="lateral") for s in annotations]).cobb is None


def test_what_does_not_fit_is_said_in_one_line() -> None:
    one = [film("a", spine(3))]
    cases = [
        ([film("b", spine(3))], one, "none of 1 films"),
        (one * 2, one, "predictions: 'a' occurs twice"),
        (one, one * 2, "annotations: 'a' occurs twice"),
        ([film("a", spine(3), height=900)], one, "a: predicted on 512 x 900 px"),
    ]
    for predictions, known, message in cases:
        with pytest.raises(UsageError, match=message):
            judge(predictions, known)
    with pytest.raises(UsageError, match="thresholds"):
        evaluate(one, one, thresholds=[])


def test_films_without_annotated_vertebrae_or_names_do_no_harm() -> None:
    annotations = [film("a", nobody()), film("b", spine(3, named=False))]
    result = judge([film("a", spine(2)), film("b", nobody())], annotations)
    assert result.per_film[0].penalised is None
    assert result.naming.vertebrae == 0
    assert result.protocol("named").metrics["sdr@2"].value is None
    assert [part.name for part in result.per_level] == ["no name"]


def test_an_error_of_just_the_threshold_is_within_it() -> None:
    annotations = [film("a", spine(3))]
    for move, expected in ((8.0, 100.0), (8.001, 0.0)):  # 4 px at 512
        metrics = judge([film("a", shifted(spine(3), move, 0))], annotations)
        assert metrics.protocol("all").metrics["sdr@4"].value == expected


def test_512_goes_by_the_long_side_of_a_film_that_lies_on_its_side() -> None:
    wide = {"height": 512, "width": 2048}
    annotations, predictions = (
        [film("a", landmarks, **wide)] for landmarks in (spine(3), shifted(spine(3), 0, 8))
    )
    assert judge(predictions, annotations).protocol("all").metrics["mre_512"].value == 2.0


def test_a_crushed_vertebra_weighs_more_in_percent_of_its_height() -> None:
    points = spine(2).points.copy()
    points[0, 2:, 1] -= HEIGHT / 2
    annotated = Landmarks(points)
    metrics = judge([film("a", shifted(annotated, 2, 0))], [film("a", annotated)])
    metrics = metrics.protocol("all").metrics
    assert metrics["mre_height"].value == pytest.approx((100 * 2 / 20 + 100 * 2 / 40) / 2)


def test_the_named_protocol_asks_for_the_name_and_the_others_do_not() -> None:
    """The whole chain is called one level too high, everything else is perfect."""
    annotated = spine(5)  # L2 to S1
    called = Landmarks(annotated.points, levels=("L1", "L2", "L3", "L4", "L5"))
    result = judge([film("a", called)], [film("a", annotated)])
    assert result.protocol("all").metrics["sdr@2"].value == 100.0
    assert result.protocol("ordinal").metrics["sdr@2"].value == 100.0
    named = result.protocol("named")
    assert (named.corners, named.found) == (20, 16)  # nothing is called S1
    assert named.metrics["mre_px"].value == pytest.approx(STEP)
    assert named.metrics["sdr@4"].value == 0.0
    assert (result.naming.right, result.naming.wrong) == (0, 5)


def test_naming_with_s1_is_over_the_films_that_show_it() -> None:
    without = Landmarks(spine(4).points, levels=("L1", "L2", "L3", "L4"))
    wrong = Landmarks(spine(4).points, levels=("T12", "L1", "L2", "L3"))
    annotations = [film("a", spine(4)), film("b", without, group="h")]
    result = judge([film("a", spine(4)), film("b", wrong)], annotations)
    assert (result.naming.films, result.naming.share.value) == (2, 50.0)
    assert (result.naming_with_s1.films, result.naming_with_s1.share.value) == (1, 100.0)


def test_the_films_to_look_at_first_are_the_twelve_worst() -> None:
    keys = [f"{i:02d}" for i in range(15)]
    annotations = [film(k, spine(2), group=k) for k in keys]
    predictions = [film(k, shifted(spine(2), i, 0)) for i, k in enumerate(keys) if i != 3]
    assert (
        judge(predictions, annotations).worst
        == (
            "03",
            *keys[:3:-1],
        )[:12]
    )


def test_ap_films_too_short_for_an_angle_are_not_counted_among_them() -> None:
    annotations = [film("a", bent(), view="ap"), film("b", spine(2), group="h", view="ap")]
    cobb = judge([film("a", bent()), film("b", spine(2))], annotations).cobb
    assert (cobb.films, cobb.unmeasured) == (1, 0)
    assert [cobb.mae[name].value for name in ("PT", "MT", "TL")] == [0, 0, 0]
    assert cobb.smape.value == 0


def test_parts_are_by_origin_annotated_facing_and_number_of_vertebrae() -> None:
    """Each film is off by its own distance, so that each part says which films it holds."""
    sides = ["right", "left", None, "left"]
    annotated = [
        replace(spine(n), facing=side) for n, side in zip((3, 8, 3, 5), sides, strict=True)
    ]
    settings = zip("abcd", annotated, ("z", "y", "z", "y"), strict=True)
    annotations = [film(k, marks, group=k, origin=source) for k, marks, source in settings]
    predictions = [
        film(s.key, replace(shifted(s.landmarks, 2.0 * i, 0), facing=None), origin="model")
        for i, s in enumerate(annotations, start=1)
    ]
    result = judge(predictions, [*annotations, film("e", nobody(), group="e", origin="nothing")])

    def told(parts):
        return {part.name: (part.corners, part.mre) for part in parts}

    assert told(result.per_source) == {"y": (52, (2 * 32 + 4 * 20) / 52), "z": (24, 2.0)}
    assert told(result.per_facing) == {
        "left": (52, (2 * 32 + 4 * 20) / 52),
        "right": (12, 1.0),
        "unknown": (12, 3.0),
    }
    assert told(result.per_count) == {"3": (24, 2.0), "5": (20, 4.0), "8": (32, 2.0)}
    assert [part.sdr for part in result.per_count] == [(50.0, 100.0), (0.0, 100.0), (100.0, 100.0)]
    assert [list(told(parts)) for parts in (result.per_source, result.per_count)] == [
        ["y", "z"],
        ["3", "5", "8"],
    ]
    rows = [(row.source, row.facing) for row in result.per_film]
    assert rows == [*zip("zyzy", sides, strict=True), ("nothing", None)]


def test_counts_of_vertebrae_are_in_order_as_numbers() -> None:
    annotations = [film(str(n), spine(n, named=False), group=str(n)) for n in (11, 9, 2)]
    assert [part.name for part in judge(annotations, annotations).per_count] == ["2", "9", "11"]


def test_a_film_keeps_what_it_adds_to_the_figures() -> None:
    """One vertebra missed, the others 3 px off at 512; the ordinal protocol is one level off."""
    annotated, found = spine(6), shifted(spine(6), 6, 0).select(range(1, 6))
    row = judge([film("a", found)], [film("a", annotated)]).per_film[0]
    every, ordinal = row.tallies["all"], row.tallies["ordinal"]
    assert (every.judged, every.found, every.within, every.level_shift) == (24, 20, (0, 20), 0)
    assert (every.error_sum, every.penalised_sum) == (20 * 3.0, 20 * 3.0 + 4 * 48.0)
    assert (ordinal.judged, ordinal.found, ordinal.within) == (24, 20, (0, 0))
    assert ordinal.level_shift == 20
    assert ordinal.error_sum == pytest.approx(20 * np.hypot(3, STEP / 2))
    assert ordinal.penalised_sum == pytest.approx(ordinal.error_sum + 4 * 48.0)


def test_the_share_of_level_shifts_counts_those_with_another_corner_too() -> None:
    """A mirrored spine one level too low: nearly every corner is the opposite one of another."""
    points = shifted(spine(6), 0, STEP).points
    crossed = Landmarks(points[:, [1, 0, 3, 2]])
    annotations = [film(k, spine(6), group=k) for k in "abc"]
    result = judge([film(k, crossed) for k in "abc"], annotations)
    assert result.taxonomy["ordinal"]["both"] == 3 * 20
    assert result.level_shift["ordinal"] == Estimate(*[pytest.approx(100 * 20 / 24)] * 3)
    assert list(result.level_shift) == ["all", "ordinal"]
