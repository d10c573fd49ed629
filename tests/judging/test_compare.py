"""Whole comparisons with known answers, and against plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from spondyl.data.sample import Sample
from spondyl.errors import UsageError
from spondyl.judging.compare import compare, worst_films
from spondyl.judging.comparison import Comparison, Cost, Difference
from spondyl.judging.evaluation import Evaluation, ProtocolName
from spondyl.judging.statistics import Estimate

from . import plain
from .spines import STEP, film, nobody, shifted, spine
from .test_evaluate import judge
from .test_invariance import noisy

FILMS = 12  # of six groups: exchanges are enumerated


def worse(predictions: Sequence[Sample], seed: int) -> list[Sample]:
    """Another model: shaken once more, and with its top vertebra left out now and then."""
    rng = np.random.default_rng(seed)
    changed = []
    for sample in predictions:
        found = sample.landmarks
        moved = found.moved(found.points + rng.normal(0, 8, found.points.shape))
        keep = range(int(rng.random() < 0.3 and len(found) > 1), len(found))
        changed.append(replace(sample, landmarks=moved.select(list(keep))))
    return changed


@cache
def three(seed: int = 0) -> dict[str, Evaluation]:
    predictions, annotations = noisy(seed, films=FILMS)
    models = {"a": predictions, "b": worse(predictions, 1), "c": worse(predictions, 2)}
    return {name: judge(found, annotations) for name, found in models.items()}


@cache
def compared() -> Comparison:
    return compare(three(), baseline="a")


def told(comparison: Comparison) -> dict[tuple[str, ProtocolName, str], Difference]:
    return {(d.model, d.protocol, d.metric): d for d in comparison.differences}


def test_every_other_model_is_tested_in_every_figure() -> None:
    metrics = ["penalised_mre_512", "sdr@2", "sdr@4", "level_shift"]
    tests = [("all", name) for name in metrics] + [("ordinal", name) for name in metrics]
    tests.append(("all", "recall"))
    assert set(told(compared())) == {(model, *test) for model in "bc" for test in tests}
    assert len(compared().differences) == 2 * 9


def test_a_difference_is_that_of_the_tables_columns() -> None:
    for (model, protocol, metric), found in told(compared()).items():
        figures = [three()[name] for name in (model, "a")]
        column = [shown(each, protocol, metric) for each in figures]
        assert found.difference.value == pytest.approx(column[0] - column[1], abs=1e-9)


def shown(evaluation: Evaluation, protocol: ProtocolName, metric: str) -> float:
    if metric == "recall":
        return evaluation.detection.recall.value
    if metric == "level_shift":
        return evaluation.level_shift[protocol].value
    return evaluation.protocol(protocol).metrics[metric].value


def corners(
    model: Sequence[Sample], annotations: Sequence[Sample], protocol: str, metric: str
) -> list[np.ndarray]:
    """What every annotated corner adds to a figure, an array a group, by plain Python."""
    by_group: dict[str, list[float]] = {}
    for found, annotated in zip(model, annotations, strict=True):
        for error, _ in plain.errors(found, annotated, protocol):
            charged = 48.0 if error == math.inf else error
            share = 100.0 * (error <= 4)
            part = by_group.setdefault(annotated.group, [])
            part.append(charged if metric == "penalised_mre_512" else share)
    return [np.array(by_group[name]) for name in sorted(by_group)]


def mean_of(groups: Sequence[np.ndarray], drawn: np.ndarray) -> float:
    """The mean of the groups' values laid side by side, each as often as it is drawn."""
    return float(np.concatenate([np.tile(g, n) for g, n in zip(groups, drawn, strict=True)]).mean())


@pytest.mark.parametrize("protocol", ["all", "ordinal"])
@pytest.mark.parametrize("metric", ["penalised_mre_512", "sdr@4"])
def test_intervals_and_p_are_what_plain_python_makes_of_the_films(
    protocol: ProtocolName, metric: str
) -> None:
    """Every resample laid out, and all 64 exchanges."""
    predictions, annotations = noisy(0, films=FILMS)
    first, second = (
        corners(model, annotations, protocol, metric)
        for model in (worse(predictions, 1), predictions)
    )
    draws = np.random.default_rng(3).multinomial(6, np.full(6, 1 / 6), size=1000)
    gaps = [mean_of(first, drawn) - mean_of(second, drawn) for drawn in draws]
    found = told(compare(three(), baseline="a", seed=3))["b", protocol, metric]
    low, high = np.percentile(gaps, [2.5, 97.5])
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    sums = np.array([f.sum() - s.sum() for f, s in zip(first, second, strict=True)])
    ways = [abs(np.array(signs) @ sums) for signs in product((1, -1), repeat=6)]
    assert found.p == pytest.approx(np.mean([way >= abs(sums.sum()) - 1e-9 for way in ways]))


def test_holm_is_over_all_tests_of_the_comparison() -> None:
    tests = sorted(compared().differences, key=lambda d: d.p)
    floor = 0.0
    for step, found in enumerate(tests):
        floor = max(floor, min(1.0, found.p * (len(tests) - step)))
        assert found.p_holm == pytest.approx(floor)


def test_a_model_against_itself_differs_in_nothing() -> None:
    twice = {"a": three()["a"], "again": three()["a"]}
    for found in compare(twice, baseline="a").differences:
        assert found.difference == Estimate(0.0, 0.0, 0.0)
        assert (found.p, found.p_holm) == (1.0, 1.0)


def test_a_known_displacement_is_the_difference_without_doubt() -> None:
    """6 and 2 px on films of 1024 px: 2 px at 512 in every corner of all eight patients."""
    annotations = [film(k, spine(4), group=k) for k in "abcdefgh"]
    near, far = ([film(k, shifted(spine(4), dx, 0)) for k in "abcdefgh"] for dx in (2, 6))
    pair = {"near": judge(near, annotations), "far": judge(far, annotations)}
    found = told(compare(pair, baseline="near"))
    assert found["far", "all", "penalised_mre_512"].difference == Estimate(2.0, 2.0, 2.0)
    assert found["far", "ordinal", "sdr@2"].difference == Estimate(-100.0, -100.0, -100.0)
    assert found["far", "all", "sdr@4"].difference == Estimate(0.0, 0.0, 0.0)
    assert found["far", "all", "recall"].p == 1.0
    assert found["far", "all", "penalised_mre_512"].p == 2 / 2**8
    assert found["far", "all", "penalised_mre_512"].p_holm == 9 * 2 / 2**8 < 0.08


def test_one_vertebra_more_on_top_is_a_level_shift_under_the_ordinal_protocol_alone() -> None:
    annotations = [film(k, spine(6), group=k) for k in "abcd"]
    whole = [film(k, spine(7, top=100 - STEP)) for k in "abcd"]
    pair = {"six": judge(annotations, annotations), "seven": judge(whole, annotations)}
    found = told(compare(pair, baseline="six"))
    assert found["seven", "ordinal", "level_shift"].difference.value == pytest.approx(100 * 5 / 6)
    assert found["seven", "all", "level_shift"].difference.value == 0.0
    assert found["seven", "all", "penalised_mre_512"].difference.value == 0.0


def test_the_baseline_and_the_other_exchanged_turn_every_sign() -> None:
    pair = {name: three()[name] for name in "ab"}
    there, back = (told(compare(pair, baseline=name)) for name in "ab")
    for (_, protocol, metric), found in there.items():
        mirror = back["a", protocol, metric].difference
        assert found.difference.value == -mirror.value
        assert (found.difference.low, found.difference.high) == pytest.approx(
            (-mirror.high, -mirror.low)
        )
        assert found.p == back["a", protocol, metric].p


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_of_films_and_of_models_plays_no_part(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def shuffled(evaluation: Evaluation) -> Evaluation:
        order = rng.permutation(FILMS)
        return replace(evaluation, per_film=tuple(evaluation.per_film[i] for i in order))

    first = compare(three(), baseline="b", seed=seed)
    second = compare({n: shuffled(three()[n]) for n in "cab"}, baseline="b", seed=seed)
    assert told(second) == told(first)
    assert worst_films(second, 5) == worst_films(first, 5)


def test_the_same_seed_gives_the_same_intervals_and_another_only_other_intervals() -> None:
    again, other = (compare(three(), baseline="a", seed=seed) for seed in (0, 1))
    assert again == compared()
    for test, found in told(other).items():
        assert found.difference.value == told(compared())[test].difference.value
        assert found.p == told(compared())[test].p  # enumerated
    ranges = [told(each)["b", "all", "sdr@4"].difference for each in (compared(), other)]
    assert ranges[0] != ranges[1]


def test_one_group_has_differences_without_interval_or_p() -> None:
    predictions, annotations = noisy(1)
    together = [replace(a, group="one patient") for a in annotations]
    pair = {"a": judge(predictions, together), "b": judge(worse(predictions, 1), together)}
    for found in compare(pair, baseline="a").differences:
        assert found.difference.value is not None
        assert (found.difference.low, found.difference.high) == (None, None)
        assert (found.p, found.p_holm) == (None, None)


def test_films_without_an_annotated_corner_change_nothing() -> None:
    predictions, annotations = noisy(0, films=FILMS)
    empty = [*annotations, film("empty", nobody(), group="a patient without labels")]
    models = {"a": predictions, "b": worse(predictions, 1), "c": worse(predictions, 2)}
    found = compare({n: judge(m, empty) for n, m in models.items()}, baseline="a")
    assert told(found) == told(compared())
    assert "empty" not in worst_films(found, 20)
    alone = [film("empty", nobody())]
    nothing = compare({n: judge(alone, alone) for n in "ab"}, baseline="a")
    assert {(d.difference, d.p) for d in nothing.differences} == {(Estimate(None), None)}


def test_the_worst_films_are_those_of_the_largest_mean_error() -> None:
    keys = "abcd"
    annotations = [film(k, spine(3), group=k) for k in keys]

    def model(*moves: float) -> Evaluation:
        found = [film(k, shifted(spine(3), dx, 0)) for k, dx in zip(keys, moves, strict=True)]
        return judge(found, annotations)

    both = compare({"x": model(8, 0, 0, 3), "y": model(0, 2, 2, 6)}, baseline="x")
    assert worst_films(both) == ["d", "a", "b", "c"]  # 4.5, 4, 1, 1 px of the film
    assert worst_films(both, 2) == ["d", "a"]


def test_costs_and_origin_are_kept_and_a_model_without_cost_has_an_unknown_one() -> None:
    cost = Cost(network="unet", parameters=3)
    found = compare(three(), baseline="a", costs={"b": cost}, made_by={"version": "0.1"})
    assert found.costs == {"a": Cost(), "b": cost, "c": Cost()}
    assert (found.made_by, found.baseline, found.seed) == ({"version": "0.1"}, "a", 0)
    assert list(found.evaluations) == ["a", "b", "c"]


def spoiled(**changes: Any) -> Evaluation:
    """Model b, its first film changed."""
    first, *others = three()["b"].per_film
    return replace(three()["b"], per_film=(replace(first, **changes), *others))


def shorter(evaluation: Evaluation) -> Evaluation:
    tallies = {name: replace(t, judged=4) for name, t in evaluation.per_film[0].tallies.items()}
    return spoiled(tallies=tallies)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (spoiled(key="other"), "^b: not of the same films as a: 2 are judged in only one of them, "
                               "such as 'f0'; need the same films$"),
        (spoiled(group="other"), "^b: film 'f0' has group 'other', .* but with a group 'g0', "),
        (spoiled(vertebrae=99), "^b: film 'f0' has group 'g0', 99 vertebrae"),
        (shorter(three()["b"]), "^b: film 'f0' has .* and 4 corners, but with a "),
        (spoiled(key="f1"), "^b: tells of 11 of its 12 films, need an evaluation with every film$"),
        (spoiled(tallies={}), "^b: tells of 11 of its 12 films"),
        (replace(three()["b"], per_film=()), "^b: tells of 0 of its 12 films"),
        (replace(three()["b"], per_film=three()["b"].per_film * 2), "^b: tells of 12 of its 12"),
        (replace(three()["b"], thresholds=(2.0, 3.0)),
         "^b: thresholds 2, 3, need those of a: 2, 4 px$"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_same_films_is_refused_by_name(model: Evaluation, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        compare({"a": three()["a"], "b": model}, baseline="a")
    assert "\n" not in str(caught.value)


def test_too_few_models_and_unknown_names_are_refused() -> None:
    cases = [
        ({"a": three()["a"]}, {"baseline": "a"}, "^a: the only evaluation, need at least two"),
        ({}, {"baseline": "a"}, "^compare: no evaluation, need at least two"),
        (three(), {"baseline": "d"}, "^d: names the baseline but no evaluation; need one of a, b"),
        (three(), {"baseline": "a", "costs": {"d": Cost()}}, "^d: names a cost but no evaluation"),
    ]
    for evaluations, asked, message in cases:
        with pytest.raises(UsageError, match=message):
            compare(evaluations, **asked)
