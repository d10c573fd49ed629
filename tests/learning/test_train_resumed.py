"""A run that was killed, whenever and however often, ends as one that was not."""

import json
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import assert_same_run, small

from spondyl.data.sample import Sample
from spondyl.errors import TrainingError
from spondyl.learning import train
from spondyl.learning.train import fit
from spondyl.recipe import Recipe


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def two_steps(seed: int) -> tuple[int, int]:
    """After how many of a run's 9 steps it is killed, and how many later the resumed one is.

    An epoch has 3 steps; a resumed run starts at the one in which it was killed.
    """
    rng = np.random.default_rng(seed)
    first = int(rng.integers(9))
    return first, int(rng.integers(9 - first // 3 * 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_run_killed_twice_and_resumed_equals_an_uninterrupted_one(
    samples: list[Sample], whole_run: Path, tmp_path: Path, monkeypatch, seed: int
) -> None:
    recipe = small(ema_decay=0.9, checkpoint_every=2)
    original = train.LandmarkModule.training_step
    for resume, stop in enumerate(two_steps(seed)):
        left = stop

        def training_step(self, batch, batch_idx):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return original(self, batch, batch_idx)

        with monkeypatch.context() as patch:
            patch.setattr(train.LandmarkModule, "training_step", training_step)
            with pytest.raises(Killed):
                fit(samples, recipe, tmp_path / "run", device="cpu", resume=bool(resume))
    fit(samples, recipe, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(whole_run, tmp_path / "run")


KILLED_TWICE = """
import os, pickle, signal, sys
import torch
from spondyl.learning import train

samples, recipe, folder, threads, steps = pickle.load(sys.stdin.buffer)
original = train.LandmarkModule.training_step

def train_until(step, resume):
    done = 0
    def training_step(self, batch, batch_idx):
        nonlocal done
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return original(self, batch, batch_idx)
    torch.set_num_threads(threads)
    train.LandmarkModule.training_step = training_step
    train.fit(samples, recipe, folder, device="cpu", resume=resume)

for resume, step in enumerate(steps):
    child = os.fork()
    if not child:
        try:
            train_until(step, bool(resume))
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == -signal.SIGKILL, status
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_killed_twice_by_the_system_and_resumed_equals_an_uninterrupted_one(
    samples: list[Sample], whole_run: Path, tmp_path: Path
) -> None:
    """Two processes that get no chance to tidy up; they are forks of one, which saves imports."""
    recipe, folder = small(ema_decay=0.9, checkpoint_every=2), tmp_path / "run"
    task = (samples, recipe, folder, torch.get_num_threads(), two_steps(seed=3))
    subprocess.run([sys.executable, "-c", KILLED_TWICE], input=pickle.dumps(task), check=True)
    assert not json.loads((folder / "run.json").read_text())["finished"]
    fit(samples, recipe, folder, device="cpu", resume=True)
    assert_same_run(whole_run, folder)


def test_a_resumed_run_keeps_its_split_though_films_have_come(
    samples: list[Sample], tmp_path: Path, monkeypatch
) -> None:
    """A new draw would judge it on films that it has trained on."""
    recipe = small()
    _stop_before_epoch(2, samples, recipe, tmp_path / "run", monkeypatch)
    begun = (tmp_path / "run" / "split.json").read_text()
    late = replace(samples[0], key="late", group="late")
    fit([*samples, late], recipe, tmp_path / "run", device="cpu", resume=True)
    assert (tmp_path / "run" / "split.json").read_text() == begun


def test_a_resumed_run_refuses_films_that_have_changed(
    samples: list[Sample], tmp_path: Path, monkeypatch
) -> None:
    recipe = small()
    _stop_before_epoch(2, samples, recipe, tmp_path / "run", monkeypatch)
    moved = [replace(s, landmarks=s.landmarks.moved(s.landmarks.points + 1)) for s in samples]
    with pytest.raises(TrainingError, match="have changed"):
        fit(moved, recipe, tmp_path / "run", device="cpu", resume=True)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_can_go_on(
    samples: list[Sample], whole_run: Path, tmp_path: Path, monkeypatch, sign: signal.Signals
) -> None:
    """The engine swallows both signals; a script must not take the run for a finished one."""
    recipe = small(ema_decay=0.9, checkpoint_every=2)
    original = train.LandmarkModule.training_step

    def training_step(self, batch, batch_idx):
        if self.current_epoch == 1:
            os.kill(os.getpid(), sign)
        return original(self, batch, batch_idx)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    with monkeypatch.context() as patch:
        patch.setattr(train.LandmarkModule, "training_step", training_step)
        with pytest.raises(KeyboardInterrupt):
            fit(samples, recipe, tmp_path / "run", device="cpu")
    signal.signal(signal.SIGINT, before)
    assert not json.loads((tmp_path / "run" / "run.json").read_text())["finished"]
    fit(samples, recipe, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(whole_run, tmp_path / "run")


def _stop_before_epoch(
    epoch: int, samples: list[Sample], recipe: Recipe, folder: Path, monkeypatch
) -> None:
    original = train.LandmarkModule.training_step

    def training_step(self, batch, batch_idx):
        if self.current_epoch + 1 == epoch:
            raise Killed
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(train.LandmarkModule, "training_step", training_step)
        with pytest.raises(Killed):
            fit(samples, recipe, folder, device="cpu")
