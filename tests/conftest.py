"""Fixtures that every test may use."""

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from command_line import Run, Said

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a core, four at most; one for files named singly, as each imports torch anew."""
    if all(Path(argument.split("::")[0]).is_file() for argument in config.args):
        return 0
    return min(os.cpu_count() or 1, 4)


def pytest_xdist_setupnodes() -> None:
    """Gives each process one core, its own: more threads would wait for one another."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real labels and films, which is not part of the repository."""
    named = os.environ.get("SPONDYL_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not here ({folder}); set SPONDYL_SHARED_DATA to their folder")
    return folder


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


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands in this process."""
    from spondyl.cli import main

    monkeypatch.delenv("SPONDYL_DEBUG", raising=False)

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err.splitlines())

    return command
