"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real labels and films, which is not part of the repository."""
    named = os.environ.get("SPONDYL_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not here ({folder}); set SPONDYL_SHARED_DATA to their folder")
    return folder
