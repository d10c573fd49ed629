"""What does a comparison say: evaluations of the same films, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from spondyl.atomic import write_json
from spondyl.judging.evaluation import Evaluation, ProtocolName, read_validated, validated
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

    ``metric`` is ``penalised_mre_512`` or ``sdr@<T>`` as in ``ProtocolScore.metrics``,
    ``level_shift`` or ``recall`` (%). ``difference`` is the model minus the baseline, with a 95 %
    interval by bootstrap over the same resamples of groups. ``p`` is two-sided, by permutation of
    the two models within groups; ``p_holm`` is corrected for all tests of the comparison
    (Holm 1979). All three are None where there is nothing to compute them from; an interval and p
    need two groups.
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is missing is null. Exact round trip."""
        return _COMPARISON.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: Any) -> Comparison:
        """What ``to_json`` wrote.

        Raises:
            UsageError: a value is missing or impossible.
        """
        return validated(_COMPARISON, data, "comparison")

    def write(self, path: Path) -> None:
        """Writes the JSON file."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Comparison:
        """Reads the JSON file that ``write`` wrote.

        Raises:
            UsageError: the file cannot be read or is not a comparison.
        """
        return read_validated(_COMPARISON, path, "comparison")


_COMPARISON: Final = TypeAdapter(Comparison)
