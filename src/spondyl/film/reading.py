"""How does a file become a film: DICOM, PNG, JPEG and TIFF."""

from __future__ import annotations

from pathlib import Path

from spondyl.film.radiograph import Radiograph


def read_radiograph(path: Path) -> Radiograph:
    raise NotImplementedError
