"""Which model is better, and is it chance: evaluations of the same films, held side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from spondyl.errors import UsageError
from spondyl.judging.comparison import Comparison, Cost, Difference
from spondyl.judging.evaluation import CLASSIFIED, Evaluation, FilmScore, ProtocolName
from spondyl.judging.statistics import holm, paired_p_values, ratio_interval

_Test = tuple[ProtocolName, str]
"""A protocol and a metric: what two models are compared in."""

_Sums = Mapping[_Test, Float64[np.ndarray, "g 2"]]
"""Numerator and denominator of each figure, one row a group, by the groups' names."""


def compare(
    evaluations: Mapping[str, Evaluation],
    *,
    baseline: str,
    seed: int = 0,
    costs: Mapping[str, Cost] | None = None,
    made_by: Mapping[str, str] | None = None,
) -> Comparison:
    """Every other model's paired difference from the baseline, with intervals and p values.

    Under ``all`` and ``ordinal``: the penalised MRE, the SDR at every threshold and the level-shift
    rate; under ``all`` the recall of vertebrae too. The denominators of these figures depend on the
    annotation only, so that a difference is a sum over groups; the MRE of the found is not tested,
    because every model finds other corners. The order of films and models plays no part. Under
    ``ordinal`` each model counts from the end from which its evaluation does.

    Args:
        evaluations: by name, at least two, of the same films.
        baseline: the name of the one that the others are held against.
        seed: of the resamples.
        costs: of the networks by name, where they are known.
        made_by: what made the comparison; kept with the result.

    Raises:
        UsageError: there are fewer than two, no baseline of that name, a cost of no evaluation, or
            one is not of the baseline's films, groups, corners and thresholds.
    """
    given = costs or {}
    _check(evaluations, baseline, given)
    sums = {name: _by_group(evaluation) for name, evaluation in evaluations.items()}
    return Comparison(
        baseline=baseline,
        seed=seed,
        evaluations=dict(evaluations),
        costs={name: given.get(name, Cost()) for name in evaluations},
        differences=tuple(_differences(sums, baseline, seed)),
        made_by=dict(made_by or {}),
    )


def worst_films(comparison: Comparison, count: int = 10) -> list[str]:
    """The keys of the films with the largest penalised error, by its mean over the models."""
    errors: dict[str, float] = {}
    for name in sorted(comparison.evaluations):
        for row in comparison.evaluations[name].per_film:
            if row.penalised is not None:
                errors[row.key] = errors.get(row.key, 0.0) + row.penalised
    return sorted(errors, key=lambda key: (-errors[key], key))[:count]


def _check(evaluations: Mapping[str, Evaluation], baseline: str, costs: Mapping[str, Cost]) -> None:
    if len(evaluations) < 2:
        told = next(
            (f"{name}: the only evaluation" for name in evaluations), "compare: no evaluation"
        )
        raise UsageError(f"{told}, need at least two of the same films")
    for name, what in ((baseline, "the baseline"), *((cost, "a cost") for cost in costs)):
        if name not in evaluations:
            known = ", ".join(evaluations)
            raise UsageError(f"{name}: names {what} but no evaluation; need one of {known}")
    for name, evaluation in evaluations.items():
        _check_whole(name, evaluation)
    for name, evaluation in evaluations.items():
        _check_alike(name, evaluation, baseline, evaluations[baseline])


def _check_whole(name: str, evaluation: Evaluation) -> None:
    limits = len(evaluation.thresholds)
    whole = {
        row.key
        for row in evaluation.per_film
        if all(p in row.tallies and len(row.tallies[p].within) == limits for p in CLASSIFIED)
    }
    if not len(whole) == len(evaluation.per_film) == evaluation.films > 0:
        raise UsageError(
            f"{name}: tells of {len(whole)} of its {evaluation.films} films, "
            "need an evaluation with every film"
        )


def _check_alike(name: str, model: Evaluation, baseline: str, reference: Evaluation) -> None:
    if model.thresholds != reference.thresholds:
        limits, others = (_listed(each.thresholds) for each in (model, reference))
        raise UsageError(f"{name}: thresholds {limits}, need those of {baseline}: {others} px")
    films = {row.key: row for row in model.per_film}
    known = {row.key: row for row in reference.per_film}
    if differing := sorted(films.keys() ^ known.keys()):
        raise UsageError(
            f"{name}: not of the same films as {baseline}: {len(differing)} are judged in only one "
            f"of them, such as {differing[0]!r}; need the same films"
        )
    for key in sorted(films):
        own, other = _annotation(films[key]), _annotation(known[key])
        if own != other:
            raise UsageError(
                f"{name}: film {key!r} has {_said(own)}, but with {baseline} {_said(other)}; "
                "need the same annotation"
            )


def _listed(thresholds: Sequence[float]) -> str:
    return ", ".join(f"{limit:g}" for limit in thresholds)


def _annotation(row: FilmScore) -> tuple[str, int, tuple[int, ...]]:
    """What must be the same of a film for every model."""
    return row.group, row.vertebrae, tuple(row.tallies[p].judged for p in CLASSIFIED)


def _said(annotation: tuple[str, int, tuple[int, ...]]) -> str:
    group, vertebrae, corners = annotation
    return f"group {group!r}, {vertebrae} vertebrae and {corners[0]} corners"


def _by_group(evaluation: Evaluation) -> _Sums:
    """The sums of every figure; group and film are taken in the order of their names."""
    rows = sorted(evaluation.per_film, key=lambda row: row.key)
    _, index = np.unique([row.group for row in rows], return_inverse=True)
    counted = [list(_figures(row, evaluation.thresholds)) for row in rows]
    sums = {test: np.zeros((int(index.max()) + 1, 2)) for test, _ in counted[0]}
    for group, figures in zip(index, counted, strict=True):
        for test, parts in figures:
            sums[test][group] += parts
    return sums


def _figures(
    row: FilmScore, thresholds: Sequence[float]
) -> Iterator[tuple[_Test, tuple[float, int]]]:
    """Every compared figure of one film as numerator and denominator; rates in %."""
    for protocol in CLASSIFIED:
        tally = row.tallies[protocol]
        yield (protocol, "penalised_mre_512"), (tally.penalised_sum, tally.judged)
        for limit, within in zip(thresholds, tally.within, strict=True):
            yield (protocol, f"sdr@{limit:g}"), (100.0 * within, tally.judged)
        yield (protocol, "level_shift"), (100.0 * tally.level_shift, tally.judged)
    yield ("all", "recall"), (100.0 * row.found, row.vertebrae)


def _differences(sums: Mapping[str, _Sums], baseline: str, seed: int) -> Iterator[Difference]:
    """Every other model against the baseline; every interval and every test draws alike."""
    reference = sums[baseline]
    totals = {
        (name, test): own[test][:, 0] - reference[test][:, 0]
        for name, own in sums.items()
        for test in reference
        if name != baseline
    }
    p_values = _p_values(np.stack(list(totals.values()), axis=1), reference, seed)
    for ((name, test), total), tested in zip(totals.items(), p_values, strict=True):
        rng = np.random.default_rng(seed)
        difference = ratio_interval(total, reference[test][:, 1], rng=rng)
        yield Difference(name, *test, difference, *tested)


def _p_values(
    totals: Float64[np.ndarray, "g m"], reference: _Sums, seed: int
) -> list[tuple[float | None, float | None]]:
    """Each p and what Holm makes of it; None where fewer than two groups have a corner."""
    judged = reference["all", "recall"][:, 1] > 0
    if judged.sum() < 2:
        return [(None, None)] * totals.shape[1]
    p = paired_p_values(totals[judged], rng=np.random.default_rng(seed))
    return list(zip(p.tolist(), holm(p).tolist(), strict=True))
