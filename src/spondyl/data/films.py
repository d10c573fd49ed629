"""Which film does a label file belong to?"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from spondyl.errors import AnnotationError
from spondyl.film.reading import SUFFIXES


class Films:
    """The films in and around a folder of annotations, by name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(root.rglob("*")):
            if _is_film(path):
                self._by_stem[path.stem].append(path)

    def has(self, stem: str) -> bool:
        """Whether a film of this name lies in the folder."""
        return stem in self._by_stem

    def key(self, film: Path) -> str:
        """A film's path within the folder without its suffix, its name where it is outside."""
        inside = film.is_relative_to(self._root)
        return (
            (film.relative_to(self._root) if inside else Path(film.name)).with_suffix("").as_posix()
        )

    def of(self, label: Path, *, name: str | None = None) -> Path:
        """The film of a label file: of the same name, or called ``name``.

        A film beside the label wins, then the nearest one within the folder (``train/labels`` goes
        with ``train/images``), then one in a folder parallel to the annotations.

        Raises:
            AnnotationError: there is none, or two are equally near.
        """
        stem = label.stem if name is None else Path(name).stem
        found = [
            p for p in self._by_stem.get(stem, ()) if name is None or p.name == Path(name).name
        ]
        found = found or _parallel(self._root, stem)
        if not found:
            raise AnnotationError(f"no film named {name or stem + '.*'} was found")
        shared = [_shared_depth(label.parent, film.parent) for film in found]
        nearest = [f for f, depth in zip(found, shared, strict=True) if depth == max(shared)]
        if len(nearest) > 1:
            raise AnnotationError(f"two films fit: {nearest[0].name} and {nearest[1].name}")
        return nearest[0]

    def linked(self, label: Path, name: str) -> Path:
        """The film that a label file calls ``name``: a path as seen from it, else by that name.

        The path may also begin in a folder ``images`` beside the label, or beside its folder.

        Raises:
            AnnotationError: there is none, or two are equally near.
        """
        folders = (label.parent, label.parent / "images", label.parent.parent / "images")
        places = (Path(os.path.normpath(folder / name)) for folder in folders)
        return next((place for place in places if _is_there(place)), None) or self.of(
            label, name=name
        )


def _is_there(path: Path) -> bool:
    """Whether a file is there; a name that no system allows is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_film(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _parallel(root: Path, stem: str) -> list[Path]:
    """Films of this name in the folders beside ``root``."""
    parent = root.resolve().parent
    beside = (folder / f"{stem}{suffix}" for folder in parent.iterdir() for suffix in SUFFIXES)
    return sorted(film for film in beside if _is_there(film))


def _shared_depth(a: Path, b: Path) -> tuple[bool, int]:
    """Whether two folders are one; else, how many leading parts their paths share."""
    same = [x == y for x, y in zip(a.parts, b.parts, strict=False)]
    return a == b, same.index(False) if False in same else len(same)
