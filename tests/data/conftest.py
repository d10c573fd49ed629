"""Films to annotate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFilm = Callable[..., Path]


@pytest.fixture
def make_film() -> MakeFilm:
    """Writes a grey film of (height, width) px, folders included."""

    def make(path: Path, *, height: int = 640, width: int = 480) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((height, width), dtype=np.uint8)
        pixels[::2] = 255
        Image.fromarray(pixels).save(path)
        return path

    return make
