"""How is the spine curved: the angles between endplates, and of the AP film's curves, in deg."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int

from spondyl.anatomy import is_level
from spondyl.errors import UsageError
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Missing, Placed, Quantity
from spondyl.spine.placing import length, placed, turn

COBB_ANGLES: Final[tuple[str, ...]] = ("PT", "MT", "TL")
"""Proximal thoracic, main thoracic, thoracolumbar / lumbar: the order of ``cobb_angles``."""

Plate = tuple[int, int]
"""A vertebra's index, and which of its endplates: 0 superior, 1 inferior."""

Angles = Float64[np.ndarray, "*n"]
Ends = Int[np.ndarray, "*n 2"]

_SUPERIOR, _INFERIOR = 0, 1
_ENDPLATES: Final = ("superior", "inferior")
_CHALLENGE: Final = 17  # vertebrae on every film of the AASCE challenge

_LORDOSES: Final = (
    ("L1", "S1", _SUPERIOR),
    ("L1", "L5", _INFERIOR),
    ("L4", "S1", _SUPERIOR),
)
"""From whose superior endplate to which endplate of whom."""

_LARGEST: Final = "Cobb 1948, largest of all pairs"
_HORIZON: Final = "trusts the film's lower edge to be horizontal and the patient to stand"


def sagittal_angles(
    pairs: Sequence[tuple[int, int]], names: Sequence[str]
) -> Iterator[Quantity | Missing]:
    """Lordosis, sacral slope, segmental and disc angles of a lateral film.

    Lordotic is positive everywhere. The lordoses and the sacral slope are always there, if need be
    as the reason why not.

    Args:
        pairs: of neighbours without a gap, by index.
        names: of all vertebrae.
    """
    for upper, lower, end in _LORDOSES:
        definition = f"Cobb, superior endplate of {upper} to {_ENDPLATES[end]} endplate of {lower}"
        reason = _not_named((upper, lower), names)
        if reason:
            yield Missing("lordosis", (upper, lower), "angle", definition, reason)
            continue
        ends = (names.index(upper), _SUPERIOR), (names.index(lower), end)
        yield _between("lordosis", ends, names, definition)
    yield _sacral_slope(names)
    for high, low in pairs:
        yield _segmental(high, low, names)
        definition = "inferior endplate to the next superior endplate"
        yield _between("disc angle", ((high, _INFERIOR), (low, _SUPERIOR)), names, definition)


def asked_angle(text: str, names: Sequence[str]) -> Quantity | Missing:
    """The Cobb angle between two endplates that somebody asks for: ``T5.superior:T12.inferior``.

    The upper of the two comes first, in whichever order they are given: positive is open to the
    front on a lateral film (kyphosis is negative), open to the right of the image on an AP film.

    Raises:
        UsageError: the text does not name two endplates.
    """
    found = re.fullmatch(r"(\w+)\.(superior|inferior):(\w+)\.(superior|inferior)", text)
    levels = (found[1], found[3]) if found else ()
    if not found or not all(is_level(level) or re.fullmatch(r"V\d+", level) for level in levels):
        raise UsageError(f"angle {text!r}: need two endplates, such as T5.superior:T12.inferior")
    if text.split(":")[0] == text.split(":")[1]:
        raise UsageError(f"angle {text!r}: names one endplate twice, need two")
    if "S1.inferior" in text:
        raise UsageError(f"angle {text!r}: S1 has no inferior endplate, need S1.superior")
    definition = f"Cobb, {text}"
    if reason := _not_named(levels, names):
        return Missing("endplate angle", levels, "angle", definition, reason)
    upper, lower = sorted(
        (names.index(level), _ENDPLATES.index(end))
        for level, end in ((found[1], found[2]), (found[3], found[4]))
    )
    return _between("endplate angle", (upper, lower), names, definition)


def _not_named(levels: Sequence[str], names: Sequence[str]) -> str | None:
    """Why two levels cannot be measured between, if so."""
    absent = [level for level in dict.fromkeys(levels) if level not in names]
    if not absent:
        return None
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not in view or not named"


def _between(
    name: str,
    ends: tuple[Plate, Plate],
    names: Sequence[str],
    definition: str,
    warning: str | None = None,
) -> Quantity:
    """The angle from one endplate to another, upper one first."""
    upper, lower = ends

    def of(at: Placed) -> Angles:
        return turn(_plate(at, upper), _plate(at, lower))

    def lines(at: Placed) -> Float64[np.ndarray, "k 2 2"]:
        return np.stack([at[upper], at[lower]])

    needs = tuple(dict.fromkeys((upper[0], lower[0])))
    levels = tuple(names[vertebra] for vertebra in needs)
    return Quantity(name, levels, "angle", definition, needs, of, lines, warning=warning)


def _plate(at: Placed, plate: Plate) -> Float64[np.ndarray, "*n 2 2"]:
    return at[..., plate[0], plate[1], :, :]


def _segmental(high: int, low: int, names: Sequence[str]) -> Quantity:
    end = _SUPERIOR if names[low] == "S1" else _INFERIOR
    unnamed = low == len(names) - 1 and not is_level(names[low])
    warning = f"if {names[low]} is S1 it must end at its superior endplate" if unnamed else None
    definition = f"superior endplate to {_ENDPLATES[end]} endplate of the next"
    return _between("segmental lordosis", ((high, _SUPERIOR), (low, end)), names, definition,
                    warning)  # fmt: skip


def _sacral_slope(names: Sequence[str]) -> Quantity | Missing:
    definition = "superior endplate of S1 to the horizontal of the film"
    if reason := _not_named(("S1",), names):
        return Missing("sacral slope", ("S1",), "angle", definition, reason)
    plate = names.index("S1"), _SUPERIOR

    def of(at: Placed) -> Angles:
        return turn(_level(_plate(at, plate)), _plate(at, plate))

    def lines(at: Placed) -> Float64[np.ndarray, "k 2 2"]:
        return np.stack([_plate(at, plate), _level(_plate(at, plate))])

    return Quantity("sacral slope", ("S1",), "angle", definition, plate[:1], of, lines,
                    warning=_HORIZON)  # fmt: skip


def _level(plate: Float64[np.ndarray, "*n 2 2"]) -> Float64[np.ndarray, "*n 2 2"]:
    """A horizontal line as long as the endplate, forwards from its posterior end."""
    start = plate[..., 0, :]
    return np.stack([start, start + length(plate)[..., None] * np.array([1.0, 0.0])], axis=-2)


def frontal_angles(
    at: Placed, names: Sequence[str], *, height: float
) -> Iterator[Quantity | Missing]:
    """The Cobb angles of an AP film: PT, MT, TL of the AASCE challenge, and the largest.

    All are sizes without sign. ``levels`` are the ends of the curve as the vertebrae lie in ``at``;
    in other positions (draws of the corners) a curve is measured between the ends it has there.

    Args:
        at: the vertebrae of the film.
        names: of all vertebrae.
        height: of the film in true px, which decides its lower half.
    """
    methods = [("Cobb angle", _by_rules(place, height, names)) for place in range(3)]
    methods.append(("maximal Cobb angle", _Method(_LARGEST, _largest_ends, _itself)))
    for name, method in methods:
        if len(names) < 3:
            reason = f"{len(names)} in view, need 3 vertebrae"
            yield Missing(name, (), "angle", method.definition, reason)
        else:
            yield _curve(name, method, at, names)


def cobb_angles(landmarks: Landmarks, *, height: float | None = None) -> Float64[np.ndarray, " 3"]:
    """The Cobb angles PT, MT, TL of an AP film in deg, as the AASCE 2019 challenge defines them.

    Each vertebra is inclined as the line from the middle of its left wall to the middle of its
    right one. MT is the largest angle between any two vertebrae. In a C-shaped spine PT and TL are
    the angles of the first vertebra with the upper end of the MT curve and of the last with the
    lower end. In an S-shaped one they are the largest angles above and below the MT curve; where
    that curve lies in the lower half of the film, MT is the lower curve, PT the one above it and
    TL the one above that, whatever the names say. A vertebra's level plays no part.

    The rules are those of the challenge's MATLAB code (Wu, Bailey, Rasoulinejad, Li: BoostNet,
    MICCAI 2017; the release's ``angles.csv`` lists MT, PT, TL). Common Python ports differ from it:
    they cut angles off at 90 deg and judge the half of the film by the wrong endplate.

    Args:
        landmarks: all vertebrae with four corners, superior to inferior; the challenge has 17.
        height: of the film in px, which decides its lower half; None = the middle of the spine.

    Returns:
        Three angles; NaN where there are fewer than three vertebrae or one lacks a corner.
    """
    if len(landmarks) < 3:
        return np.full(3, np.nan)
    at = placed(landmarks.points, facing=None, aspect=1.0)
    ends = _challenge_ends(at, height)
    return np.array([_size(at, _middles(at), ends[curve]) for curve in range(3)])


@dataclass(frozen=True, slots=True)
class _Method:
    """How a curve's ends are found, and which two lines of a vertebra make the angle.

    ``lines`` takes the place of the endplates: the first where a vertebra is a curve's upper end,
    the second where it is the lower one.
    """

    definition: str
    ends: Callable[[Placed], Ends]
    lines: Callable[[Placed], Placed]
    warning: str | None = None


def _curve(name: str, method: _Method, at: Placed, names: Sequence[str]) -> Quantity:
    """The angle of one curve, whose ends are found again for every position of the vertebrae."""

    def of(films: Placed) -> Angles:
        return _size(films, method.lines(films), method.ends(films))

    def lines(film: Placed) -> Float64[np.ndarray, "k 2 2"]:
        upper, lower = method.ends(film)
        return np.stack([method.lines(film)[upper, 0], method.lines(film)[lower, 1]])

    seen = not np.isnan(at).any()
    levels = tuple(names[end] for end in method.ends(at)) if seen else ()
    needs = tuple(range(len(names)))
    return Quantity(name, levels, "angle", method.definition, needs, of, lines,
                    warning=method.warning)  # fmt: skip


def _by_rules(place: int, height: float, names: Sequence[str]) -> _Method:
    """One of the three curves of the challenge."""

    def ends(at: Placed) -> Ends:
        return _challenge_ends(at, height)[..., place, :]

    warning = f"the rules are for the {_CHALLENGE} vertebrae T1 to L5, here are {len(names)}"
    return _Method(f"AASCE 2019, {COBB_ANGLES[place]}", ends, _middles,
                   warning if len(names) != _CHALLENGE else None)  # fmt: skip


def _middles(at: Placed) -> Placed:
    """Each vertebra as the line from the middle of its left wall to that of its right one."""
    return np.repeat(at.mean(axis=-3, keepdims=True), 2, axis=-3)


def _itself(at: Placed) -> Placed:
    return at


def _openings(lines: Placed) -> Float64[np.ndarray, "*n v v"]:
    """Sizes of the angles from each vertebra's first line to the second of each one below.

    0 on and below the diagonal.
    """
    upper, lower = np.broadcast_arrays(lines[..., :, None, 0, :, :], lines[..., None, :, 1, :, :])
    return np.triu(np.abs(turn(upper, lower)), k=1)


def _size(at: Placed, lines: Placed, ends: Ends) -> Angles:
    """The angle between two vertebrae of each film; NaN where the film lacks a corner."""
    upper, lower = (
        np.take_along_axis(lines[..., k, :, :], ends[..., k, None, None, None], axis=-3)
        for k in (0, 1)
    )
    size = np.abs(turn(upper, lower))[..., 0]
    return np.where(np.isnan(at).any(axis=(-4, -3, -2, -1)), np.nan, size)


def _largest_ends(at: Placed) -> Ends:
    return _argmax(_openings(at))


def _argmax(angles: Float64[np.ndarray, "*n v v"]) -> Ends:
    count = angles.shape[-1]
    best = angles.reshape(*angles.shape[:-2], -1).argmax(axis=-1)
    return np.stack([best // count, best % count], axis=-1)


def _challenge_ends(at: Placed, height: float | None) -> Int[np.ndarray, "*n 3 2"]:
    """The upper and lower vertebra of PT, MT and TL, by the rules of ``cobb_angles``."""
    angles = _openings(_middles(at))
    main = _argmax(angles)
    upper, lower = main[..., 0], main[..., 1]
    apex = _row(angles.swapaxes(-1, -2), upper).argmax(axis=-1)
    above = _row(angles.swapaxes(-1, -2), apex).argmax(axis=-1)
    below = _row(angles, lower).argmax(axis=-1)
    bent, low = _is_s_shaped(at), _lies_low(at, main, height)
    first, last = np.zeros_like(upper), np.full_like(upper, angles.shape[-1] - 1)
    proximal = np.where(bent, apex, first), upper
    third = (
        np.where(bent & low, above, lower),
        np.where(bent, np.where(low, apex, np.maximum(below, lower)), last),
    )
    return np.stack(
        [np.stack(pair, axis=-1) for pair in (proximal, (upper, lower), third)], axis=-2
    )


def _row(
    angles: Float64[np.ndarray, "*n v v"], index: Int[np.ndarray, "*n"]
) -> Float64[np.ndarray, "*n v"]:
    return np.take_along_axis(angles, index[..., None, None], axis=-2)[..., 0, :]


def _is_s_shaped(at: Placed) -> Bool[np.ndarray, "*n"]:
    """Whether the endplates' centres lie on both sides of the line from the first to the last."""
    centres = at.mean(axis=-2).reshape(*at.shape[:-4], -1, 2)
    chord = centres[..., :1, :] - centres[..., -1:, :]
    offset = centres[..., :-2, :] - centres[..., -1:, :]
    side = offset[..., 1] * chord[..., 0] - offset[..., 0] * chord[..., 1]
    return (side.min(axis=-1) < 0) & (side.max(axis=-1) > 0)


def _lies_low(at: Placed, main: Ends, height: float | None) -> Bool[np.ndarray, "*n"]:
    """Whether the main curve is centred in the lower half, by the lower endplates of its ends."""
    y = at.mean(axis=-2)[..., 1]  # (*n, V, endplate)
    whole = height if height is not None else y[..., 0, 0] + y[..., -1, 1]
    return np.take_along_axis(y[..., 1], main, axis=-1).sum(axis=-1) >= whole
