"""What can be put right for certain in a folder of labels, and what exactly was changed?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.checking.faults import Fault
from spondyl.checking.order import Chain, described
from spondyl.checking.shape import check_shape
from spondyl.data.ordering import CANONICAL
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.errors import UsageError
from spondyl.spine.landmarks import Landmarks

_DOUBTS: Final = frozenset({"corners coincide", "non-convex quadrilateral", "corner out of place"})
_TIGHT: Final = 0.75  # px: boxes nearer than this to the corners are the same after rounding


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the repaired copy says otherwise than its source.

    ``film`` is the key of the sample; ``vertebra`` counts from 1 at the top along the spine as it
    was listed, None for the film as a whole. ``before`` and ``after`` are plain JSON values:
    corners in image px (SL, SR, IL, IR), places in the list, or boxes; null = left out.
    """

    film: str
    vertebra: int | None
    kind: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def check_target(out: Path, data: Path) -> None:
    """Refuses a place for the repaired copy that would touch the source.

    Raises:
        UsageError: ``out`` is the folder of the labels or lies in it, is that of the one file, or
            holds something already.
    """
    place = out.resolve()
    if data.is_file():
        touches = place == data.resolve().parent
    else:
        touches = place.is_relative_to(data.resolve())
    if touches:
        raise UsageError(f"{out}: lies within {data}; need a folder outside of the source")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty; need a new folder")


def repair(found: AnnotationSet) -> tuple[list[Sample], list[Change]]:
    """The samples with what is certain put right, and every difference from the source.

    Corners are exchanged where that makes a vertebra convex, along the spine and shaped as its
    neighbours; vertebrae are listed from top to bottom; one that is there twice, to within 1 % of
    its height, is left out once. What is in doubt stays as the source has it. Labels that could
    not be read are left out.
    """
    pairs = [repair_sample(sample) for sample in found.samples]
    changes = [change for _, own in pairs for change in own]
    unread = [_left_out(problem) for problem in found.problems]
    return [sample for sample, _ in pairs], [*changes, *unread]


def repair_sample(sample: Sample) -> tuple[Sample, list[Change]]:
    """One sample with what is certain put right, and what was changed."""
    chain = Chain.of(sample)
    if not len(chain):
        return sample, []
    faults = check_shape(chain)
    points = _points(chain, faults)
    twice = _twice(faults)
    kept = [at for at in range(len(chain)) if at not in twice]
    changes = [
        *_order_changes(chain),
        *_corner_changes(chain, points),
        *(_dropped(chain, at) for at in sorted(twice)),
        *_box_changes(chain, points),
        *_name_changes(sample, dropped=bool(twice)),
    ]
    whole = _ordered(sample, chain).moved(points)
    landmarks = whole if not twice else _without_names_by_place(sample, whole.select(kept))
    return replace(sample, landmarks=landmarks, listed=None), changes


def _points(chain: Chain, faults: Sequence[Fault]) -> Float64[np.ndarray, "v 4 2"]:
    """The corners put right, or as listed where the result would be in doubt."""
    doubtful = {fault.vertebra for fault in faults if fault.kind in _DOUBTS}
    certain = [
        own == chain.usual or at + 1 not in doubtful for at, own in enumerate(chain.permutations)
    ]
    listed = chain.listed[:, list(chain.usual)]
    return np.where(np.array(certain)[:, None, None], chain.points, listed)


def _twice(faults: Sequence[Fault]) -> set[int]:
    """The places of vertebrae that are exact duplicates."""
    exact = [f for f in faults if f.kind == "duplicate vertebra" and f.repair is not None]
    return {fault.vertebra - 1 for fault in exact if fault.vertebra is not None}


def _ordered(sample: Sample, chain: Chain) -> Landmarks:
    """The sample's vertebrae along the spine; a reader may have put them there already."""
    source = sample.listed
    read_as_listed = source is None or np.array_equal(
        sample.landmarks.points, source.points, equal_nan=True
    )
    return sample.landmarks.select(chain.indices.tolist()) if read_as_listed else sample.landmarks


def _order_changes(chain: Chain) -> Iterator[Change]:
    places = (chain.indices + 1).tolist()
    if places != sorted(places):
        kind = "list reversed" if places == sorted(places, reverse=True) else "out of order"
        yield Change(chain.sample.key, None, kind, places, sorted(places))


def _corner_changes(chain: Chain, points: Float64[np.ndarray, "v 4 2"]) -> Iterator[Change]:
    for at, (before, after) in enumerate(zip(chain.listed, points, strict=True)):
        if np.array_equal(before, after, equal_nan=True):
            continue
        own = chain.permutations[at]
        kind = "corner order" if own == chain.usual else described(own)[0]
        kind = "corners mirrored" if own == CANONICAL else kind
        yield Change(chain.sample.key, at + 1, kind, _xy(before), _xy(after))


def _dropped(chain: Chain, at: int) -> Change:
    return Change(chain.sample.key, at + 1, "duplicate vertebra", _xy(chain.listed[at]), None)


def _box_changes(chain: Chain, points: Float64[np.ndarray, "v 4 2"]) -> Iterator[Change]:
    """The copy's boxes are the smallest around the corners."""
    tight = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
    differ = np.nanmax(np.abs(chain.boxes - tight), axis=1, initial=0.0) > _TIGHT
    if differ.any():
        before, after = (_rounded(boxes[differ]) for boxes in (chain.boxes, tight))
        yield Change(chain.sample.key, None, "boxes", before, after)


def _name_changes(sample: Sample, *, dropped: bool) -> Iterator[Change]:
    if dropped and _named_by_place(sample):
        names = [name for name in sample.landmarks.names if name]
        yield Change(sample.key, None, "level names", names, None)


def _without_names_by_place(sample: Sample, landmarks: Landmarks) -> Landmarks:
    """Names that only counted vertebrae are wrong once one of them is left out."""
    return replace(landmarks, levels=None) if _named_by_place(sample) else landmarks


def _named_by_place(sample: Sample) -> bool:
    by_annotator = sample.listed is None or any(sample.listed.levels)
    return sample.landmarks.levels is not None and not by_annotator


def _left_out(problem: Problem) -> Change:
    return Change(problem.path.name, None, "label left out", problem.message, None)


def _xy(corners: Float64[np.ndarray, "4 2"]) -> list[list[float] | None]:
    return [None if np.isnan(xy).any() else xy.tolist() for xy in corners]


def _rounded(boxes: Float64[np.ndarray, "n 4"]) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 2) for v in box] for box in boxes]
