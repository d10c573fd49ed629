"""Whole evaluations against plain Python, and under changes that must not matter."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing
from spondyl.judging.evaluate import PROTOCOLS, Evaluation, evaluate
from spondyl.judging.evaluation import ProtocolName
from spondyl.spine.landmarks import Landmarks

from . import plain
from .spines import film, spine
from .test_evaluate import SPACING, judge


def noisy(seed: int, *, films: int = 5) -> tuple[list[Sample], list[Sample]]:
    """Predictions that are shaken, left out, invented and misnamed, and the annotations."""
    rng = np.random.default_rng(seed)
    predictions, annotations = [], []
    for i in range(films):
        count = int(rng.integers(2, 5))
        annotated = spine(count, top=float(rng.uniform(60, 400)))
        points = (
            annotated.points + rng.normal(0, 5, (count, 4, 2)) + rng.normal(0, 7, (count, 1, 2))
        )
        points[rng.random((count, 4)) < 0.1] = np.nan
        points[:, 0] = np.where(np.isnan(points[:, 0]), annotated.points[:, 0], points[:, 0])
        names = np.array(["L1", "L2", "L3", "L4", "L5", "S1"], dtype=object)[-count:]
        if rng.random() < 0.4:
            names = np.array([None, *names[:-1]], dtype=object)
        keep = np.flatnonzero(rng.random(count) < 0.8).tolist()
        predicted = Landmarks(points, levels=tuple(names)).select(keep)
        size = {"height": int(rng.integers(700, 1500)), "width": int(rng.integers(500, 1600))}
        group = f"g{i // 2}"
        annotations.append(film(f"f{i}", annotated, group=group, spacing=SPACING, **size))
        predictions.append(film(f"f{i}", predicted, group=group, **size))
    return predictions, annotations


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("protocol", ["all", "ordinal", "named"])
def test_every_figure_is_what_plain_python_makes_of_it(seed: int, protocol: str) -> None:
    predictions, annotations = noisy(seed)
    score = judge(predictions, annotations).protocol(protocol)
    rows = [
        row
        for p, a in zip(predictions, annotations, strict=True)
        for row in plain.errors(p, a, protocol)
    ]
    errors = [error for error, _ in rows]
    found = [error for error in errors if error < math.inf]
    assert (score.corners, score.found) == (len(errors), len(found))
    value = {name: estimate.value for name, estimate in score.metrics.items()}
    assert value["mre_512"] == pytest.approx(statistics.fmean(found))
    assert value["median_512"] == pytest.approx(statistics.median(found))
    charged = [min(error, 48.0) if error == math.inf else error for error in errors]
    assert value["penalised_mre_512"] == pytest.approx(statistics.fmean(charged))
    of_height = [100 * error / tall for error, tall in rows if error < math.inf]
    assert value["mre_height"] == pytest.approx(statistics.fmean(of_height))
    assert value["median_height"] == pytest.approx(statistics.median(of_height))
    for limit in (2, 4):
        within = 100 * sum(error <= limit for error in errors) / len(errors)
        assert value[f"sdr@{limit}"] == pytest.approx(within)


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_a_page_hang_together(seed: int) -> None:
    """Levels, corners, other parts, films, classes and the curve are sums of the same corners."""
    result = judge(*noisy(seed, films=8))
    whole = result.protocol("all")
    value = {name: estimate.value for name, estimate in whole.metrics.items()}
    films = (result.per_source, result.per_facing, result.per_count)
    for parts in (result.per_level, result.per_corner, *films):
        assert sum(part.corners for part in parts) == whole.corners
        assert sum(part.found for part in parts) == whole.found
        for i, limit in enumerate(result.thresholds):
            share = sum(part.sdr[i] * part.corners for part in parts) / whole.corners
            assert share == pytest.approx(value[f"sdr@{limit:g}"])
    missed = whole.corners - whole.found
    charged = (whole.found * value["mre_512"] + 48 * missed) / whole.corners
    assert value["penalised_mre_512"] == pytest.approx(charged)
    for counts in result.taxonomy.values():
        assert sum(counts.values()) == whole.corners
    rows = result.per_film
    assert sum(4 * row.vertebrae * row.penalised for row in rows) / whole.corners == pytest.approx(
        value["penalised_mre_512"]
    )
    detection, naming = result.detection, result.naming
    assert sum(row.vertebrae for row in rows) == detection.vertebrae
    assert sum(row.found for row in rows) == detection.found
    assert sum(row.false for row in rows) == detection.false
    assert sum(row.ignored for row in rows) == detection.ignored
    assert sum(row.named_right for row in rows) == naming.right
    tally = naming.right + naming.wrong + naming.unnamed + naming.missed
    assert tally == naming.vertebrae == detection.vertebrae
    assert naming.missed == detection.vertebrae - detection.found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("protocol", ["all", "ordinal"])
def test_what_the_films_keep_adds_up_to_every_figure(seed: int, protocol: ProtocolName) -> None:
    result = judge(*noisy(seed, films=8))
    whole, tallies = result.protocol(protocol), [row.tallies[protocol] for row in result.per_film]
    judged, found = sum(t.judged for t in tallies), sum(t.found for t in tallies)
    assert (judged, found) == (whole.corners, whole.found)
    sums = {
        "mre_512": sum(t.error_sum for t in tallies) / found,
        "penalised_mre_512": sum(t.penalised_sum for t in tallies) / judged,
        "sdr@2": 100 * sum(t.within[0] for t in tallies) / judged,
        "sdr@4": 100 * sum(t.within[1] for t in tallies) / judged,
    }
    assert {name: whole.metrics[name].value for name in sums} == pytest.approx(sums)
    shifts, kinds = sum(t.level_shift for t in tallies), result.taxonomy[protocol]
    assert shifts == kinds["level shift"] + kinds["both"]
    assert result.level_shift[protocol].value == pytest.approx(100 * shifts / judged)


@pytest.mark.parametrize("seed", range(4))
def test_level_shifts_are_what_plain_python_calls_so(seed: int) -> None:
    predictions, annotations = noisy(seed, films=8)
    rows = judge(predictions, annotations).per_film
    for prediction, annotation, row in zip(predictions, annotations, rows, strict=True):
        given, known = plain.bodies(prediction.landmarks), plain.bodies(annotation.landmarks)
        kinds = [
            plain.kind(None if partner is None else given[partner], corner, known, own)
            for own, partner in enumerate(plain.ordinal(given, known))
            for corner in range(4)
        ]
        expected = kinds.count("level shift") + kinds.count("both")
        assert row.tallies["ordinal"].level_shift == expected


@pytest.mark.parametrize("seed", range(3))
def test_each_curve_rises_through_the_success_rates(seed: int) -> None:
    predictions, annotations = noisy(seed)
    result = evaluate(predictions, annotations, thresholds=[2, 3.25, 30])
    radii = result.curve.radii
    assert radii == tuple(0.25 * i for i in range(121))
    assert list(result.curve.shares) == list(PROTOCOLS)
    for name in PROTOCOLS:
        share = result.curve.shares[name]
        assert (np.diff(share) >= 0).all()
        assert 0 <= share[0] <= share[-1] <= 100
        for limit in result.thresholds:
            expected = result.protocol(name).metrics[f"sdr@{limit:g}"].value or 0.0
            assert share[radii.index(limit)] == pytest.approx(expected)


def figures(result: Evaluation, *, without: tuple[str, ...] = ()) -> list[float | int | None]:
    """Every point figure, in a fixed order."""
    values: list[float | int | None] = []
    for score in result.protocols:
        values += [score.corners, score.found]
        values += [e.value for name, e in score.metrics.items() if name not in without]
    detection, naming = result.detection, result.naming
    values += [detection.found, detection.false, detection.ignored, detection.f1.value]
    values += [naming.right, naming.wrong, naming.unnamed, naming.missed]
    values += [share.value for share in result.level_shift.values()]
    for parts in (result.per_source, result.per_facing, result.per_count):
        values += [figure for part in parts for figure in (part.mre, part.median, *part.sdr)]
    return values + [n for counts in result.taxonomy.values() for n in counts.values()]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_the_films_plays_no_part(seed: int) -> None:
    predictions, annotations = noisy(seed)
    rng = np.random.default_rng(seed)
    first = judge(predictions, annotations)
    second = judge(
        [predictions[i] for i in rng.permutation(5)], [annotations[i] for i in rng.permutation(5)]
    )
    assert figures(second) == pytest.approx(figures(first), nan_ok=True)
    assert second.worst == first.worst
    assert {row.key: row for row in second.per_film} == {row.key: row for row in first.per_film}


def redrawn(sample: Sample, move: Callable[[Sample], Landmarks]) -> Sample:
    return replace(sample, landmarks=move(sample))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_mirrored_films_are_judged_alike_with_left_and_right_exchanged(seed: int) -> None:
    pair = noisy(seed)
    first = judge(*pair)
    second = judge(
        *([redrawn(s, lambda s: s.landmarks.mirrored(s.width)) for s in side] for side in pair)
    )
    assert figures(second) == pytest.approx(figures(first))
    sl, sr, il, ir = (part.mre for part in first.per_corner)
    assert [part.mre for part in second.per_corner] == pytest.approx([sr, sl, ir, il])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_films_scanned_at_twice_the_resolution_differ_in_image_px_alone(seed: int) -> None:
    def finer(sample: Sample) -> Sample:
        points = sample.landmarks.points * 2
        spacing = PixelSpacing(SPACING.row_mm / 2, SPACING.column_mm / 2)
        return replace(
            sample, landmarks=sample.landmarks.moved(points), height=2 * sample.height,
            width=2 * sample.width, spacing=spacing,
        )  # fmt: skip

    pair = noisy(seed)
    first, second = judge(*pair), judge(*([finer(s) for s in side] for side in pair))
    px = ("mre_px", "median_px")
    assert figures(second, without=px) == pytest.approx(figures(first, without=px))
    for coarse, fine in zip(first.protocols, second.protocols, strict=True):
        for name in px:
            if coarse.metrics[name].value is not None:
                assert fine.metrics[name].value == pytest.approx(2 * coarse.metrics[name].value)


def test_the_same_seed_gives_the_same_intervals_and_another_only_other_intervals() -> None:
    predictions, annotations = noisy(0, films=8)
    pair = predictions, [replace(a, group=a.key) for a in annotations]
    first, again, other = (judge(*pair, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert figures(first) == figures(other)
    estimates = [r.protocol("all").metrics["mre_512"] for r in (first, other)]
    assert (estimates[0].low, estimates[0].high) != (estimates[1].low, estimates[1].high)
    assert (first.seed, other.seed) == (4, 5)


def test_a_single_group_has_figures_without_intervals() -> None:
    predictions, annotations = noisy(1)
    result = judge(predictions, [replace(a, group="one patient") for a in annotations])
    assert result.groups == 1
    for score in result.protocols:
        assert all((e.low, e.high) == (None, None) for e in score.metrics.values())
