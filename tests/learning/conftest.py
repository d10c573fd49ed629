"""A few films of boxes, and a short training on them."""

from pathlib import Path

import pytest
from small_runs import draw_samples, small

from spondyl.data.sample import Sample
from spondyl.learning.train import fit


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return draw_samples(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def whole_run(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs of three steps, never interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    fit(samples, small(ema_decay=0.9, checkpoint_every=2), folder, device="cpu")
    return folder
