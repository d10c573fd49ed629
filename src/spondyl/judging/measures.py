"""Which figures does a comparison show, what are they called, and how are they rounded?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from spondyl.judging.comparison import Comparison, Cost, Difference
from spondyl.judging.evaluation import Evaluation, ProtocolName
from spondyl.judging.statistics import Estimate

SIGNIFICANT: Final = 0.05
"""Corrected p below which a difference is called one."""

MISSING: Final = "-"
"""Stands where there is no figure."""

MOST_COLUMNS: Final = 4
"""Models that stand in columns of a table; more stand in rows."""

_DETECTION: Final = ("precision", "recall", "f1")
_SHOWN_THRESHOLDS: Final = (6.0, 12.0, 18.0, 24.0)
_GIB: Final = 2**30
_TIME_UNITS: Final = ((3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a model: its name in files, its label, its unit, and whether more is better.

    ``rises`` is None where nobody says which is better.
    """

    name: str
    label: str
    unit: str
    rises: bool | None

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


_KNOWN: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        Measure("mre_512", "MRE of the found", "px at 512", rises=False),
        Measure("median_512", "median error", "px at 512", rises=False),
        Measure("penalised_mre_512", "MRE, misses charged", "px at 512", rises=False),
        Measure("f1", "detection F1", "%", rises=True),
        Measure("precision", "precision", "%", rises=True),
        Measure("recall", "recall", "%", rises=True),
        Measure("level_shift", "level shifts", "%", rises=False),
    )
}


def measure(name: str) -> Measure:
    """What is known of a metric; one that nobody knows goes by its own name."""
    if name.startswith("sdr@"):
        return Measure(name, name.replace("sdr", "SDR"), "%", rises=True)
    return _KNOWN.get(name, Measure(name, name, "", rises=None))


def shown_measures(comparison: Comparison) -> tuple[Measure, ...]:
    """The figures of the main table, in order.

    Of the thresholds that every evaluation has 6, 12, 18 and 24 px at 512 are shown, or all where
    none of these is there.
    """
    sets = [set(evaluation.thresholds) for evaluation in comparison.evaluations.values()]
    shared = sorted(set.intersection(*sets))
    limits = [limit for limit in shared if limit in _SHOWN_THRESHOLDS] or shared
    names = ["mre_512", "median_512", "penalised_mre_512", *(f"sdr@{t:g}" for t in limits)]
    return tuple(map(measure, [*names, "f1", "level_shift"]))


def estimate_of(evaluation: Evaluation, protocol: ProtocolName, name: str) -> Estimate:
    """A figure of an evaluation; without a value where the protocol has none.

    Detection is told under ``all``.
    """
    if name in _DETECTION:
        return getattr(evaluation.detection, name) if protocol == "all" else Estimate(None)
    if name == "level_shift":
        return evaluation.level_shift.get(protocol, Estimate(None))
    return evaluation.protocol(protocol).metrics.get(name, Estimate(None))


def comparison_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """One row a model, protocol and metric: the figure, and its difference from the baseline.

    Costs are rows of a protocol named "cost".
    """
    found = differences_of(comparison)
    for model, evaluation in comparison.evaluations.items():
        for protocol, name in _every_metric(evaluation):
            figure = asdict(estimate_of(evaluation, protocol, name))
            against = found.get((model, protocol, name))
            yield {"model": model, "protocol": protocol, "metric": name, **figure} | _against(
                against
            )
        for name, value in asdict(comparison.costs.get(model, Cost())).items():
            if isinstance(value, int | float):
                figure = asdict(Estimate(value))
                yield {"model": model, "protocol": "cost", "metric": name, **figure} | _against(
                    None
                )


def _every_metric(evaluation: Evaluation) -> Iterator[tuple[ProtocolName, str]]:
    for score in evaluation.protocols:
        yield from ((score.protocol, name) for name in score.metrics)
    yield from (("all", name) for name in _DETECTION)
    yield from ((protocol, "level_shift") for protocol in evaluation.level_shift)


def _against(difference: Difference | None) -> dict[str, float | None]:
    columns = ("difference", "difference_low", "difference_high", "p", "p_holm")
    if difference is None:
        return dict.fromkeys(columns)
    of = difference.difference
    return dict(
        zip(columns, (of.value, of.low, of.high, difference.p, difference.p_holm), strict=True)
    )


def differences_of(comparison: Comparison) -> dict[tuple[str, ProtocolName, str], Difference]:
    """Every difference by model, protocol and metric."""
    return {(d.model, d.protocol, d.metric): d for d in comparison.differences}


def untested(comparison: Comparison) -> str:
    """Which figures of the main table are held against no baseline, in a sentence."""
    tested = {difference.metric for difference in comparison.differences}
    labels = [each.label for each in shown_measures(comparison) if each.name not in tested]
    return f"Not tested: {', '.join(labels)}." if labels else ""


def verdict(difference: Difference | None) -> str:
    """What a difference says: ``better`` or ``worse`` than the baseline; empty where unsure."""
    if difference is None or difference.p_holm is None or difference.p_holm >= SIGNIFICANT:
        return ""
    value, rises = difference.difference.value, measure(difference.metric).rises
    if not value or rises is None:
        return "differs"
    return "better" if (value > 0) == rises else "worse"


def rounded(estimate: Estimate, *, sign: bool = False) -> tuple[str, str]:
    """A figure and its interval in brackets, empty where there is none.

    One or two decimals: half the width of the interval has two significant digits, as far as they
    show them. Without an interval, or where it has no width, the figure has three.

    Args:
        estimate: what is shown.
        sign: also of positive figures.
    """
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None:
        return MISSING, ""
    if low is None or high is None:
        return _fixed(value, _decimals(value, 3), sign=sign), ""
    half = (high - low) / 2
    digits = _decimals(half, 2) if half > 0 else _decimals(value, 3)
    digits = min(max(digits, 1), 2)
    ends = ", ".join(_fixed(end, digits, sign=sign) for end in (low, high))
    return _fixed(value, digits, sign=sign), f"[{ends}]"


def three_digits(value: float | None) -> str:
    """A figure without an interval: three significant digits; a count as it is."""
    if value is None:
        return MISSING
    return str(value) if isinstance(value, int) else _fixed(value, _decimals(value, 3))


def probability(p: float | None) -> str:
    """A p value with its relation: ``= 0.012`` or ``< 0.001``."""
    if p is None:
        return f"= {MISSING}"
    return "< 0.001" if p < 0.001 else f"= {_fixed(p, min(_decimals(p, 2), 3))}"


def _decimals(value: float, digits: int) -> int:
    """So many decimals show so many significant digits."""
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0


def _fixed(value: float, decimals: int, *, sign: bool = False) -> str:
    """With a typographic minus; nothing is minus nought."""
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    if not float(text):
        return text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True, slots=True)
class Expense:
    """One kind of cost: its label with the unit, and a text for each model."""

    label: str
    texts: tuple[str, ...]


def expenses(comparison: Comparison) -> tuple[Expense, ...]:
    """What each model costs, in the order of the evaluations; what is known of none is left out."""
    costs = costs_of(comparison)
    span, unit = _time_unit([cost.training_seconds for cost in costs])
    columns: dict[str, Callable[[Cost], float | None]] = {
        "Parameters, M": lambda c: _scaled(c.parameters, 1e6),
        "GMACs": lambda c: c.gmacs,
        "Best epoch": lambda c: c.best_epoch,
        f"Training, {unit}": lambda c: _scaled(c.training_seconds, span),
        "Peak memory, GiB": lambda c: _scaled(c.training_memory_bytes, _GIB),
        "CPU latency, ms": lambda c: c.latency_ms,
    }
    figures = {label: [of(cost) for cost in costs] for label, of in columns.items()}
    return tuple(
        Expense(label, tuple(map(three_digits, values)))
        for label, values in figures.items()
        if any(value is not None for value in values)
    )


def costs_of(comparison: Comparison) -> tuple[Cost, ...]:
    """The cost of each model, in the order of the evaluations; one that is not known is empty."""
    return tuple(comparison.costs.get(name, Cost()) for name in comparison.evaluations)


def hardware(comparison: Comparison) -> str:
    """Size of the inputs, and what the models were trained and timed on; empty where not known."""
    costs = dict(zip(comparison.evaluations, costs_of(comparison), strict=True))
    trained = _by_device({name: cost.training_device for name, cost in costs.items()})
    timed = _by_device({name: cost.latency_device for name, cost in costs.items()})
    sizes = sorted({cost.input_size for cost in costs.values() if cost.input_size})
    said = [f"Input {' and '.join(map(str, sizes))} px."] if sizes else []
    said += [f"Trained on {trained}."] if trained else []
    if timed:
        said.append(f"Latency: one film, network and decoding, median, on {timed}.")
    return " ".join(said)


def _by_device(devices: Mapping[str, str | None]) -> str:
    """The one device of all, or each with the models on it."""
    models: dict[str, list[str]] = {}
    for name, device in devices.items():
        if device:
            models.setdefault(device, []).append(name)
    if len(models) == 1:
        return next(iter(models))
    return "; ".join(f"{device} ({'; '.join(names)})" for device, names in models.items())


def _time_unit(seconds: Sequence[float | None]) -> tuple[float, str]:
    longest = max((span for span in seconds if span is not None), default=3600.0)
    return next((unit for unit in _TIME_UNITS if longest >= unit[0]), (1.0, "s"))


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
