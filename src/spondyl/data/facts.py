"""What is known of a film besides its corners, and how is that kept as JSON?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, get_args

from spondyl.anatomy import Facing, View
from spondyl.data.labels import entry, items, mapping, number, shown
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing, SpacingPlane

FIELD: Final = "spondyl"
"""Where a file of another tool keeps the facts: a name that no tool uses itself."""


def facts_of(sample: Sample) -> dict[str, Any]:
    """Plain JSON values; ``spacing`` is ``{row_mm, column_mm, plane}``, unknown is null."""
    spacing = sample.spacing
    return {
        "key": sample.key,
        "group": sample.group,
        "origin": sample.origin,
        "facing": sample.landmarks.facing,
        "spacing": None if spacing is None else asdict(spacing),
        "aspect": sample.aspect,
        "view": sample.view,
        "complete_above": sample.complete_above,
        "complete_below": sample.complete_below,
        "flags": sorted(sample.flags),
    }


def with_facts(sample: Sample, facts: Mapping[str, Any]) -> Sample:
    """``sample`` with what ``facts`` state; what they leave out stays, flags are added.

    Raises:
        AnnotationError: a fact is impossible.
    """
    stated: dict[str, Any] = {
        name: read(facts[name]) for name, read in _READERS.items() if name in facts
    }
    for name in ("key", "group", "origin"):  # an empty name is none
        stated[name] = text(facts.get(name), name) or getattr(sample, name)
    if "facing" in facts:
        facing = one_of(facts["facing"], get_args(Facing), "facing")
        stated["landmarks"] = replace(sample.landmarks, facing=facing)
    flags = {str(flag) for flag in items(facts.get("flags", []), "flags")}
    return replace(sample, flags=sample.flags | flags, **stated)


def spacing_of(value: object) -> PixelSpacing | None:
    """The spacing that ``{row_mm, column_mm, plane}`` states; None for null.

    Raises:
        AnnotationError: a size is no number above 0, or the plane is unknown.
    """
    if value is None:
        return None
    stored = mapping(value, "spacing")
    sizes = [number(entry(stored, side, "spacing"), side) for side in ("row_mm", "column_mm")]
    plane = one_of(stored.get("plane", "unknown"), get_args(SpacingPlane), "plane")
    try:
        return PixelSpacing(sizes[0], sizes[1], plane or "unknown")
    except ValueError as error:
        raise AnnotationError(f"spacing: {error}") from error


def aspect_of(value: object) -> float | None:
    """The true height / width of a pixel; None for null, where it is unknown.

    Raises:
        AnnotationError: it is no number above 0.
    """
    if value is None:
        return None
    aspect = number(value, "aspect")
    if aspect <= 0:
        raise AnnotationError(f"aspect is {aspect:g}, need above 0")
    return aspect


def one_of(value: object, allowed: Sequence[Any], what: str) -> Any:
    """``value``, which is one of those allowed, or None.

    Raises:
        AnnotationError: it is another.
    """
    if value is not None and value not in allowed:
        raise AnnotationError(f"{what} is {shown(value)}, need {' or '.join(allowed)}")
    return value


def text(value: object, what: str) -> str | None:
    """``value`` as text, or None.

    Raises:
        AnnotationError: it is something else.
    """
    if value is not None and not isinstance(value, str):
        raise AnnotationError(f"{what} is {shown(value)}, need text")
    return value


_READERS: Final[dict[str, Callable[[object], Any]]] = {
    "spacing": spacing_of,
    "aspect": aspect_of,
    "view": lambda value: one_of(value, get_args(View), "view"),
    "complete_above": lambda value: value is True,
    "complete_below": lambda value: value is True,
}
