"""Which networks, and which film to try them on, come with the package?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from spondyl.errors import CheckpointError, FilmError

DEFAULT: Final = "spondyl-small"
"""The network that ``predict`` takes where none is named."""

SUFFIX: Final = ".onnx"

EXAMPLE: Final = (2026, 23, 640)
"""Seed, index and long side of the plain phantom that ``example_film`` is."""

_HERE: Final = Path(__file__).parent


def packaged(name: str = DEFAULT) -> Path:
    """The file of a network that comes with the package, made by ``spondyl export``.

    Raises:
        CheckpointError: there is none of that name.
    """
    path = _HERE / f"{name}{SUFFIX}"
    if name in packaged_names():
        return path
    if name == DEFAULT:
        raise CheckpointError(
            f"{path}: this copy of spondyl has no network in it; need --weights with a file that "
            "spondyl train or spondyl export wrote"
        )
    known = ", ".join((*packaged_names(), "a file"))
    raise CheckpointError(f"{name}: no such file, and no network of the package; need {known}")


def packaged_names() -> tuple[str, ...]:
    """The names of all networks that come with the package."""
    return tuple(sorted(path.stem for path in _HERE.glob(f"*{SUFFIX}")))


def example_film() -> Path:
    """A lateral phantom as a DICOM file, drawn from ``EXAMPLE``.

    Raises:
        FilmError: this copy of spondyl does not have it.
    """
    path = _HERE / "example.dcm"
    if not path.is_file():
        raise FilmError(f"{path}: this copy of spondyl has no example film; need FILMS")
    return path
