"""What does a comparison say: evaluations of the same films, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spondyl.judging.evaluation import Evaluation, ProtocolName
from spondyl.judging.statistics import Estimate


@dataclass(frozen=True, slots=True)
class Cost:
    """What a trained network costs; None where it is not known.

    ``parameters`` and ``gmacs`` (10^9 multiply-adds of one film forward) at ``input_size`` px;
    ``best_epoch`` counts from 1; ``training_seconds`` on ``training_device``;
    ``training_memory_bytes`` is the peak of the training process, or of the device where that has
    memory of its own; ``latency_ms`` is the median for one film, network and decoding, on
    ``latency_device``.
    """

    network: str | None = None
    codec: str | None = None
    input_size: int | None = None
    parameters: int | None = None
    gmacs: float | None = None
    best_epoch: int | None = None
    training_seconds: float | None = None
    training_memory_bytes: int | None = None
    training_device: str | None = None
    latency_ms: float | None = None
    latency_device: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better or worse one model is than the baseline on the same films.

    ``difference`` is the model minus the baseline, with a 95 % interval by bootstrap over the same
    resamples of groups. ``p`` is two-sided, by permutation of the two models within groups;
    ``p_holm`` is corrected for all tests of the comparison (Holm 1979).
    """

    model: str
    protocol: ProtocolName
    metric: str
    difference: Estimate
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models by name, judged on the same films, each against the ``baseline``.

    ``differences`` has every other model and every tested metric; ``seed`` draws the resamples.
    """

    baseline: str
    seed: int
    evaluations: Mapping[str, Evaluation]
    costs: Mapping[str, Cost]
    differences: tuple[Difference, ...]
    made_by: Mapping[str, str]
