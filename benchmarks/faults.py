"""Which faults are put into the labels of phantoms, how gross, and which vertebrae do they touch?

Used by ``checking.py``. Sizes are in shares of the vertebra's own height or width. The grade
``hidden`` is a fault that nobody could tell from anatomy or from an annotator's scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spondyl.checking.faults import Fault
from spondyl.data.phantom import Plan, plan_phantom
from spondyl.data.sample import Listed, Sample
from spondyl.spine.landmarks import Landmarks, reference_heights

GRADES = ("hidden", "small", "gross")
ILL = frozenset({"slip", "wedge", "fracture"})
SHAPES = frozenset({"implausible size", "implausible height", "implausible wedge",
                    "implausible slip", "corner out of place"})  # fmt: skip
SPACES = frozenset({"gap", "endplates shifted", "overlapping vertebrae", "duplicate vertebra"})


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A film with one fault: what was listed, which kinds of report are right, and the truth.

    ``touched`` are the vertebrae, from 1 at the top, that a report may name; ``truth`` is (V, 4, 2)
    for repairs that can be certain, None elsewhere.
    """

    sample: Sample
    accepted: frozenset[str]
    touched: frozenset[int]
    truth: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """A phantom's label without a fault, whole vertebrae only."""

    points: np.ndarray
    levels: tuple[str | None, ...]
    size: tuple[int, int]
    key: str

    @property
    def heights(self) -> np.ndarray:
        """Mean length of the walls, (V,) px."""
        return np.linalg.norm(self.points[:, 2:] - self.points[:, :2], axis=-1).mean(axis=1)

    @property
    def bodies(self) -> list[int]:
        """Vertebrae with two neighbours of their own and a body."""
        return [k for k in range(1, len(self.points) - 1) if self.levels[k] != "S1"]

    def listing(self, points: np.ndarray, **more: object) -> Sample:
        """A sample as a COCO file with names and tight boxes would list it."""
        levels = tuple(more.pop("levels", self.levels))  # type: ignore[arg-type]
        boxes = more.pop("boxes", None)
        around = tight(points) if boxes is None else boxes
        return Sample(
            self.key, Path(f"{self.key}.png"), *self.size, Landmarks(points), self.key, "coco",
            complete_above=True, complete_below=True, view="lateral",
            listed=Listed(points, around, levels),
        )  # fmt: skip


def films(seed: int, *, ill: bool, vertebrae: int = 6) -> list[Film]:
    """An endless supply, film by film; healthy ones or ill ones, with enough whole vertebrae."""
    index = 0
    while True:
        plan = plan_phantom(np.random.default_rng([seed, index]), long_side=1024)
        film = of_plan(plan, f"phantom-{index:05d}")
        index += 1
        if bool(plan.flags & ILL) == ill and len(film.points) >= vertebrae:
            yield film


def of_plan(plan: Plan, key: str) -> Film:
    points = plan.landmarks.points
    whole = ~np.isnan(points).any(axis=(1, 2))
    levels = tuple(n for n, seen in zip(plan.landmarks.names, whole, strict=True) if seen)
    return Film(points[whole], levels, (plan.scene.height, plan.scene.width), key)


def tight(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def permuted(orders: list[tuple[int, ...]], kind: str) -> Callable[..., Spoilt]:
    """One vertebra with its corners in another order."""

    def spoil(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
        at = int(rng.integers(len(film.points)))
        points = film.points.copy()
        points[at] = points[at, list(orders[rng.integers(len(orders))])]
        return Spoilt(film.listing(points), frozenset({kind}), frozenset({at + 1}), film.points)

    return spoil


def another_order(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """Every vertebra of the film in one other order."""
    orders = [(2, 3, 0, 1), (0, 3, 1, 2), (1, 0, 3, 2), (3, 1, 2, 0), (0, 2, 3, 1), (1, 3, 0, 2)]
    points = film.points[:, list(orders[rng.integers(len(orders))])]
    return Spoilt(film.listing(points), frozenset({"corner order"}), frozenset(), film.points)


def reversed_list(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    sample = film.listing(film.points[::-1], levels=film.levels[::-1])
    return Spoilt(sample, frozenset({"list reversed"}), frozenset(), film.points)


def unordered(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """Small: two neighbours exchanged; gross: the last one first, or no order at all."""
    count = len(film.points)
    order = np.arange(count)
    if grade == "small":
        at = int(rng.integers(count - 1))
        order[[at, at + 1]] = order[[at + 1, at]]
    else:
        order = np.roll(order, 1) if rng.random() < 0.5 else rng.permutation(count)
        if (np.diff(order) > 0).all() or (np.diff(order) < 0).all():
            order = np.roll(np.arange(count), 1)
    sample = film.listing(film.points[order], levels=[film.levels[k] for k in order])
    return Spoilt(sample, frozenset({"out of order"}), frozenset(range(1, count + 1)), film.points)


def duplicate(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """Small: outlined again by hand, a tenth of a height away; gross: copied."""
    at = int(rng.integers(len(film.points)))
    away = 0.1 * film.heights[at] * unit(rng) if grade == "small" else np.zeros(2)
    points = np.concatenate([film.points[: at + 1], film.points[at : at + 1] + away,
                             film.points[at + 1 :]])  # fmt: skip
    levels = (*film.levels[: at + 1], None, *film.levels[at + 1 :])
    truth = film.points if grade == "gross" else None
    named = frozenset({"duplicate vertebra", "level names", "out of order"})
    return Spoilt(film.listing(points, levels=levels), named, around(at, 2), truth)


def overlapping(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """The superior endplate lies in the body above."""
    at = int(rng.choice(film.bodies))
    share = {"hidden": 0.02, "small": 0.3, "gross": 0.5}[grade]
    points = film.points.copy()
    up = unit_of(film.points[at - 1, 2:].mean(axis=0) - film.points[at, 2:].mean(axis=0))
    space = np.linalg.norm(film.points[at - 1, 2:] - film.points[at, :2], axis=-1).mean()
    points[at, :2] += up * (space + share * film.heights[at - 1])
    return Spoilt(film.listing(points), SPACES | SHAPES, around(at, 1))


def gap(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """A vertebra is left out; small: its neighbours' names close the gap, so only space tells."""
    at = int(rng.choice(film.bodies))
    points = np.delete(film.points, at, axis=0)
    levels = tuple(name for k, name in enumerate(film.levels) if k != at)
    levels = (None,) * len(levels) if grade == "small" else levels
    return Spoilt(
        film.listing(points, levels=levels),
        frozenset({"gap", "level names", "level variant"}), around(at, 1),
    )  # fmt: skip


def endplates(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """One endplate is left out, so that from there on discs are outlined as bodies."""
    plates = film.points.reshape(-1, 2, 2)
    last = 2 * len(film.points) - 5 if grade == "small" else len(film.points)
    at = int(rng.integers(2, max(last, 3)))
    shifted = np.delete(plates, at, axis=0)[:-1].reshape(-1, 4, 2)
    sample = film.listing(shifted, levels=film.levels[: len(shifted)])
    kinds = SPACES | SHAPES | {"corners mirrored", "upside down", "crossed quadrilateral"}
    return Spoilt(sample, frozenset(kinds), frozenset(range(1, len(shifted) + 1)))


def names(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """A name is skipped from some vertebra on, or two names are exchanged."""
    levels = list(film.levels)
    at = int(rng.integers(1, len(levels) - 1))
    if grade == "gross":
        levels[at], levels[at - 1] = levels[at - 1], levels[at]
    else:
        chain = [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)] + ["S1"]
        levels[:at] = [chain[max(chain.index(n) - 1, 0)] if n in chain else n for n in levels[:at]]
    sample = film.listing(film.points, levels=levels)
    return Spoilt(sample, frozenset({"level names", "level variant"}), around(at, 2))


def moved_corner(kind: str, sizes: dict[str, float], way: str) -> Callable[..., Spoilt]:
    """One corner of a body away from where it is: in, along the wall or sideways."""

    def spoil(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
        at, corner = int(rng.choice(film.bodies)), int(rng.integers(4))
        own, points = film.points[at], film.points.copy()
        wall, side = own[corner] - own[(corner + 2) % 4], own[corner] - own[corner ^ 1]
        amount = sizes[grade] * film.heights[at]
        if way == "in":  # beyond the line of its neighbours
            middle = (own[(corner + 2) % 4] + own[corner ^ 1]) / 2
            points[at, corner] = middle + amount * unit_of(middle - own[corner])
        elif way == "near":
            points[at, corner] = own[(corner + 2) % 4] + amount * unit_of(wall)
        elif way == "wall":
            points[at, corner] = own[corner] - amount * unit_of(wall)
        else:
            points[at, corner] = own[corner] + amount * unit_of(side)
        accepted = SHAPES | {kind, "overlapping vertebrae"}
        accepted |= {"corners coincide", "crossed quadrilateral", "non-convex quadrilateral"}
        return Spoilt(film.listing(points), frozenset(accepted), around(at, 1))

    return spoil


def scaled(kind: str, factors: dict[str, float], way: str) -> Callable[..., Spoilt]:
    """One body larger or smaller as a whole, or flatter."""

    def spoil(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
        at, points = int(rng.choice(film.bodies)), film.points.copy()
        own = points[at]
        centre, factor = own.mean(axis=0), factors[grade]
        if way == "all":
            points[at] = centre + (own - centre) * (factor if rng.random() < 0.5 else 1 / factor)
        else:
            middles = (own[:2] + own[2:]) / 2
            points[at] = (
                np.concatenate([middles, middles]) + (own - np.tile(middles, (2, 1))) * factor
            )
        return Spoilt(film.listing(points), SHAPES | SPACES | {kind}, around(at, 1))

    return spoil


def slipped(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """One body pushed sideways, out and back."""
    at, points = int(rng.choice(film.bodies)), film.points.copy()
    across = (points[at, 1::2] - points[at, ::2]).mean(axis=0)
    share = {"hidden": 0.1, "small": 0.45, "gross": 0.7}[grade]
    points[at] += across * share * rng.choice([-1, 1])
    return Spoilt(film.listing(points), SHAPES | SPACES, around(at, 1))


def outside(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """One corner beyond the film's side: by rounding, by 3 px or by a twentieth of the film."""
    points = film.points.copy()
    at, corner = np.unravel_index(int(points[..., 0].argmax()), points.shape[:2])
    beyond = {"hidden": 0.4, "small": 3.0, "gross": 0.05 * film.size[1]}[grade]
    film = replace(film, size=(film.size[0], int(points[at, :, 0].max() + 2)))
    points[at, corner, 0] = film.size[1] - 1 + beyond + 0.5
    kinds = {
        "point outside the film",
        "crossed quadrilateral",
        "corners coincide",
        "corners mirrored",
    }
    kinds |= {"non-convex quadrilateral", *SHAPES, *SPACES}
    everything = frozenset(range(1, len(points) + 1))
    return Spoilt(film.listing(points), frozenset(kinds), everything)


def box(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """A box that cuts a corner off (hidden: by rounding), or another vertebra's."""
    at, boxes = int(rng.integers(len(film.points))), tight(film.points)
    if grade == "gross":
        boxes[at] = boxes[(at + int(rng.integers(1, len(boxes)))) % len(boxes)]
    else:
        side = int(rng.integers(4))
        cut = {"hidden": 0.03, "small": 0.2}[grade] * film.heights[at]
        boxes[at, side] += cut if side < 2 else -cut
    return Spoilt(
        film.listing(film.points, boxes=boxes), frozenset({"box does not fit"}), frozenset({at + 1})
    )


def too_many(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """More vertebrae above, until there are eleven or fourteen."""
    points = film.points
    while len(points) < (11 if grade == "small" else 14):
        points = np.concatenate([points[:1] + (points[0] - points[1]).mean(axis=0), points])
    up = max(0.0, -float(points[..., 1].min())) + 2
    left = max(0.0, -float(points[..., 0].min())) + 2
    points = points + [left, up]
    height, width = film.size
    taller = replace(film, size=(height + int(up) + 1, max(width, int(points[..., 0].max()) + 2)))
    sample = taller.listing(points, levels=(None,) * len(points))
    return Spoilt(sample, frozenset({"more vertebrae than slots"}), frozenset())


def stopped_early(film: Film, rng: np.random.Generator, grade: str) -> Spoilt:
    """The annotator left out one vertebra at the top, or two."""
    left_out = 1 if grade == "small" else 2
    sample = film.listing(film.points[left_out:], levels=film.levels[left_out:])
    return Spoilt(
        replace(sample, complete_above=False), frozenset({"unlabelled above"}), frozenset()
    )


Judged = tuple[Sample, Callable[[list[Fault]], bool]]
"""A spoilt sample, and whether what is told of it names the fault."""


def level_shifted(sample: Sample, rng: np.random.Generator, n: int) -> Judged:
    """All labels one vertebra further down, the last left out; or up, with one more above T1."""
    points = sample.landmarks.points
    above = points[:1] + (points[0] - points[1]).mean(axis=0)
    moved = points[1:] if n % 2 == 0 else np.concatenate([above, points[:-1]])
    levels = sample.landmarks.levels[: len(moved)]
    spoilt = relabelled(sample, Landmarks(moved, levels=levels))
    return spoilt, lambda faults: any(f.kind == "level shift" for f in faults)


def one_corner_moved(share: float) -> Callable[..., Judged]:
    """One corner moved by a share of the vertebra's height, in any direction."""

    def inject(sample: Sample, rng: np.random.Generator, n: int) -> Judged:
        points = sample.landmarks.points.copy()
        at, corner = int(rng.integers(len(points))), int(rng.integers(4))
        points[at, corner] += share * reference_heights(sample.landmarks)[at] * unit(rng)
        spoilt = relabelled(sample, sample.landmarks.moved(points))
        return spoilt, lambda faults: any(
            f.kind == "corner disagrees" and f.vertebra == at + 1 for f in faults
        )

    return inject


def relabelled(sample: Sample, landmarks: Landmarks) -> Sample:
    points = landmarks.points
    listed = Listed(points, np.full((len(points), 4), np.nan), (None,) * len(points))
    return replace(sample, landmarks=landmarks, listed=listed)


def unit(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def unit_of(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def around(at: int, reach: int) -> frozenset[int]:
    """The vertebra at place ``at``, 0 at the top, and ``reach`` neighbours a side, from 1."""
    return frozenset(range(at + 1 - reach, at + 2 + reach))


ONLY = ("small", "gross")
FAULTS: dict[str, tuple[Callable[..., Spoilt], tuple[str, ...]]] = {
    "corner order": (another_order, ("gross",)),
    "corners mirrored": (
        permuted([(1, 0, 3, 2), (0, 2, 1, 3), (3, 1, 2, 0)], "corners mirrored"), ("gross",)),
    "corners rotated": (permuted([(1, 3, 0, 2), (2, 0, 3, 1)], "corners rotated"), ("gross",)),
    "upside down": (permuted([(2, 3, 0, 1), (3, 2, 1, 0)], "upside down"), ("gross",)),
    "crossed quadrilateral": (
        permuted([(1, 0, 2, 3), (0, 1, 3, 2), (2, 1, 0, 3), (0, 3, 2, 1)], "crossed quadrilateral"),
        ("gross",)),
    "non-convex quadrilateral": (moved_corner(
        "non-convex quadrilateral", {"small": 0.12, "gross": 0.3}, "in"), ONLY),
    "corners coincide": (moved_corner(
        "corners coincide", {"small": 0.06, "gross": 0.0}, "near"), ONLY),
    "list reversed": (reversed_list, ("gross",)),
    "out of order": (unordered, ONLY),
    "duplicate vertebra": (duplicate, ONLY),
    "overlapping vertebrae": (overlapping, GRADES),
    "gap": (gap, ONLY),
    "endplates shifted": (endplates, ONLY),
    "level names": (names, ONLY),
    "implausible size": (
        scaled("implausible size", {"hidden": 1.15, "small": 1.6, "gross": 2.0}, "all"), GRADES),
    "implausible height": (
        scaled("implausible height", {"hidden": 0.8, "small": 0.5, "gross": 0.35}, "flat"), GRADES),
    "implausible wedge": (moved_corner(
        "implausible wedge", {"hidden": 0.25, "small": 0.55, "gross": 0.8}, "wall"), GRADES),
    "implausible slip": (slipped, GRADES),
    "corner out of place": (moved_corner(
        "corner out of place", {"hidden": 0.25, "small": 0.6, "gross": 0.9}, "side"), GRADES),
    "point outside the film": (outside, GRADES),
    "box does not fit": (box, GRADES),
    "more vertebrae than slots": (too_many, ONLY),
    "unlabelled above": (stopped_early, ONLY),
}  # fmt: skip
"""What is done for each kind, and in which grades."""
