"""Which films of a folder cannot be read, show nothing, or show one exposure twice?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from spondyl.checking.faults import Fault
from spondyl.data.duplicates import Duplicate, Fingerprint, fingerprint, near_duplicates
from spondyl.errors import FilmError
from spondyl.film.guarding import shown
from spondyl.film.reading import read_radiograph

_CONTRAST: Final = 0.01  # of the range of grey: a film with less shows nothing
_SAMPLED: Final = 4096  # px that the contrast is read from


@dataclass(frozen=True, slots=True)
class _Look:
    """What one film looks like, or why it cannot be told; ``contrast`` in [0, 1]."""

    fingerprint: Fingerprint | None
    contrast: float
    message: str


def check_pixels(
    films: Mapping[str, Path],
    groups: Mapping[str, str],
    *,
    workers: int = 2,
    on_done: Callable[[int], object] = lambda count: None,
) -> list[Fault]:
    """Faults that only the pixels show; every film is read once.

    ``films`` are paths by the name that a fault gives them, ``groups`` the patient, study or film
    that each belongs to. ``on_done`` is told how many films are done.
    """
    looks: dict[str, _Look] = {}
    with ThreadPoolExecutor(workers) as pool:  # decoding and hashing let go of the interpreter
        for count, (name, look) in enumerate(
            zip(films, pool.map(_look, films.values()), strict=True), start=1
        ):
            looks[name] = look
            on_done(count)
    return [*_unusable(looks), *_copies(looks, groups)]


def _look(path: Path) -> _Look:
    try:
        film = read_radiograph(path)
    except FilmError as error:
        return _Look(None, 0.0, str(error).removeprefix(f"{shown(path)}: "))
    flat = film.pixels.reshape(-1)
    low, high = np.percentile(flat[:: max(1, flat.size // _SAMPLED)], (1, 99))
    return _Look(fingerprint(film), float(high - low), "")


def _unusable(looks: Mapping[str, _Look]) -> list[Fault]:
    faults = [
        Fault("empty film" if v.message.startswith("blank") else "unreadable film", k, v.message)
        for k, v in looks.items()
        if v.message
    ]
    for name, look in looks.items():
        if not look.message and look.contrast < _CONTRAST:
            evidence = (
                f"98 % of its pixels lie within {100 * look.contrast:.2f} % of the grey range"
            )
            faults.append(Fault("empty film", name, evidence))
    return faults


def _copies(looks: Mapping[str, _Look], groups: Mapping[str, str]) -> list[Fault]:
    known = {
        name: look.fingerprint
        for name, look in looks.items()
        if look.fingerprint is not None and look.contrast >= _CONTRAST
    }
    pairs = near_duplicates(known)
    return [fault for pair in pairs for fault in _of_pair(pair, groups)]


def _of_pair(pair: Duplicate, groups: Mapping[str, str]) -> Sequence[Fault]:
    """A copy, and where it crosses from one group to another, that as well."""
    exact = pair.kind == "identical pixels"
    told = "the same pixels" if exact else f"{pair.kind} (distance {pair.distance:.2f})"
    kind = "exact duplicate" if exact else "near duplicate"
    faults = [Fault(kind, pair.other, f"{told} as {pair.one}")]
    one, other = groups[pair.one], groups[pair.other]
    if one != other:
        evidence = f"{told} as {pair.one}, but of group {other}, not {one}"
        repair = f"one group for {pair.one} and {pair.other}"
        faults.append(Fault("patient under several names", pair.other, evidence, repair=repair))
    return faults
