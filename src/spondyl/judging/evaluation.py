"""What does a judgement say: the figures of an evaluation, as JSON that reads back exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from spondyl.anatomy import Facing
from spondyl.atomic import write_json
from spondyl.errors import UsageError
from spondyl.judging.agreement import Agreement
from spondyl.judging.metrics import Anchor
from spondyl.judging.risk import RiskCurve
from spondyl.judging.statistics import Estimate

_T = TypeVar("_T")

ProtocolName = Literal["all", "ordinal", "matched", "named"]

CLASSIFIED: Final[tuple[ProtocolName, ...]] = ("all", "ordinal")
"""The protocols that judge every annotated corner: errors are classed and films tallied by them."""

UNITS: Final[tuple[str, ...]] = ("px", "512", "diagonal", "height", "mm")
"""Of radial errors: image px, px at 512 px long side, % of the film's diagonal, % of the annotated
vertebra's height, mm where the spacing is known."""


@dataclass(frozen=True, slots=True)
class ProtocolScore:
    """The radial errors under one protocol.

    ``corners`` are judged, ``found`` of them have a prediction. ``metrics`` holds ``mre_<unit>``
    and ``median_<unit>`` of the found (``UNITS``), ``penalised_mre_512`` (a missed corner costs
    48 px) and ``sdr@<T>``: % of all judged corners within T px at 512.
    """

    protocol: ProtocolName
    corners: int
    found: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Vertebrae found, missed and invented; ``ignored`` predictions are neither. Rates in %."""

    vertebrae: int
    found: int
    false: int
    ignored: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class NamingScore:
    """Annotated vertebrae with a name, by what their matched prediction is called.

    ``right`` is the same name, ``wrong`` another, ``unnamed`` none, ``missed`` has no prediction;
    ``share`` is right / all, in %.
    """

    films: int
    vertebrae: int
    right: int
    wrong: int
    unnamed: int
    missed: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class PartScore:
    """A part of the corners under the ``all`` protocol; px at 512, ``sdr`` (%) a threshold."""

    name: str
    corners: int
    found: int
    mre: float | None
    median: float | None
    sdr: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CobbScore:
    """Cobb angles of the predicted against those of the annotated corners, on AP films.

    ``mae`` in deg for PT, MT and TL, ``smape`` in %, both over the ``films`` where predicted and
    annotated corners give angles; ``unmeasured`` counts the films where only the annotated do.
    ``icc`` is ICC(2,1) of each; empty in evaluations written before it was.
    """

    films: int
    unmeasured: int
    mae: Mapping[str, Estimate]
    smape: Estimate
    icc: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilmTally:
    """The annotated corners of one film under one protocol, as sums that add up over films.

    ``judged`` corners are annotated, ``found`` of them have a prediction. ``error_sum`` is over the
    found, ``penalised_sum`` over all judged, a missed corner costing 48 px; both in px at 512.
    ``within`` counts the corners within each threshold of the evaluation, ``level_shift`` those of
    the classes "level shift" and "both" (``taxonomy.CLASSES``).
    """

    judged: int
    found: int
    error_sum: float
    penalised_sum: float
    within: tuple[int, ...]
    level_shift: int


@dataclass(frozen=True, slots=True)
class FilmScore:
    """One film under the ``all`` protocol; errors in px at 512.

    ``source`` is the annotation's origin, ``facing`` the annotated one. ``mre`` and ``worst`` are
    None where nothing was found; ``penalised`` is the mean in which a missed corner costs 48 px;
    Cobb angles are PT, MT, TL in deg. ``tallies`` are under ``all`` and ``ordinal``.
    """

    key: str
    group: str
    source: str
    facing: Facing | None
    vertebrae: int
    found: int
    false: int
    ignored: int
    named_right: int
    mre: float | None
    worst: float | None
    penalised: float | None
    cobb_predicted: tuple[float, ...] | None
    cobb_annotated: tuple[float, ...] | None
    tallies: Mapping[ProtocolName, FilmTally]


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of judged corners (%) within each radius (px at 512), a list a protocol."""

    radii: tuple[float, ...]
    shares: Mapping[ProtocolName, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a set of predictions is, by three protocols and for named levels.

    ``thresholds`` are in px at 512. ``taxonomy`` counts the corners of each class
    (``taxonomy.CLASSES``) under ``all`` and ``ordinal``; ``level_shift`` is the share (%) of them
    that is of class "level shift" or "both". ``naming_with_s1`` is over the films on which S1 is
    annotated, ``naming_five_lumbar`` over those of them that do not contradict the numbering
    (``anatomy.counts_five_lumbar``). ``per_source`` is by origin, ``per_facing`` by annotated
    facing ("left", "right", "unknown"), ``per_count`` by the number of annotated vertebrae of the
    film; a part without a corner is left out. ``worst`` names the films with the largest
    penalised error. ``unpredicted`` films have no prediction and count as missed; ``unannotated``
    ones have only a prediction and count for nothing. ``made_by`` says what made the predictions.
    ``agreement`` is of what was measured; None where nothing was, or in files written before.
    ``risk`` is None where no prediction states a doubt, or in such files.
    Intervals are 95 %, by bootstrap over ``groups`` with ``seed``.
    """

    films: int
    groups: int
    thresholds: tuple[float, ...]
    ordinal_anchor: Anchor
    seed: int
    protocols: tuple[ProtocolScore, ...]
    detection: DetectionScore
    naming: NamingScore
    naming_with_s1: NamingScore
    naming_five_lumbar: NamingScore
    taxonomy: Mapping[str, Mapping[str, int]]
    level_shift: Mapping[ProtocolName, Estimate]
    per_level: tuple[PartScore, ...]
    per_corner: tuple[PartScore, ...]
    per_source: tuple[PartScore, ...]
    per_facing: tuple[PartScore, ...]
    per_count: tuple[PartScore, ...]
    curve: Curve
    cobb: CobbScore | None
    per_film: tuple[FilmScore, ...]
    worst: tuple[str, ...]
    unpredicted: tuple[str, ...]
    unannotated: tuple[str, ...]
    made_by: Mapping[str, str]
    agreement: Agreement | None = None
    risk: RiskCurve | None = None

    def protocol(self, name: ProtocolName) -> ProtocolScore:
        """The score under one protocol."""
        return next(score for score in self.protocols if score.protocol == name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is missing is null. Exact round trip."""
        return _EVALUATION.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: Any) -> Evaluation:
        """What ``to_json`` wrote.

        Raises:
            UsageError: a value is missing or impossible.
        """
        return validated(_EVALUATION, data, "evaluation")

    def write(self, path: Path) -> None:
        """Writes the JSON file."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Reads the JSON file that ``write`` wrote.

        Raises:
            UsageError: the file cannot be read or is not an evaluation.
        """
        return read_validated(_EVALUATION, path, "evaluation")


def validated(adapter: TypeAdapter[_T], data: Any, what: str) -> _T:
    """Plain JSON values as what they stand for; ``what`` names it.

    Raises:
        UsageError: a value is missing or impossible.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or what
        raise UsageError(f"{where}: {first['msg'].lower()}; need {_article(what)}") from error


def read_validated(adapter: TypeAdapter[_T], path: Path, what: str) -> _T:
    """A JSON file as what it stands for.

    Raises:
        UsageError: the file cannot be read or a value is missing or impossible.
    """
    try:
        return validated(adapter, _parsed(path, what), what)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _parsed(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read ({error}); need {_article(what)}") from error


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


_EVALUATION: Final = TypeAdapter(Evaluation)
