"""Does the state of a run survive kills, and is damage noticed."""

import io
import os
from pathlib import Path

import pytest
import torch

from spondyl.errors import CheckpointError
from spondyl.learning.resume import AtomicCheckpointIO

STATE = {
    "epoch": 3,
    "state_dict": {"a": torch.arange(6.0)},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}],
    "generator": torch.Generator().get_state(),
    "rows": [{"loss": 0.5}],
}


@pytest.fixture
def last(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(STATE, path)
    return path


def test_the_state_of_a_run_comes_back(last):
    state = AtomicCheckpointIO().load_checkpoint(last, weights_only=False)
    assert state["rows"] == STATE["rows"]
    assert state["state_dict"]["a"].equal(STATE["state_dict"]["a"])
    assert state["generator"].equal(STATE["generator"])


def test_torch_alone_reads_the_file_too(last):
    assert torch.load(last, weights_only=True)["epoch"] == 3


def test_a_state_with_code_in_it_is_not_loaded(last):
    AtomicCheckpointIO().save_checkpoint({"path": last}, last)
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        AtomicCheckpointIO().load_checkpoint(last)


def test_every_flipped_bit_and_every_cut_is_found(last):
    whole = last.read_bytes()
    for place in range(0, len(whole), 29):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        last.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"last\.ckpt: damaged"):
            AtomicCheckpointIO().load_checkpoint(last)
        last.write_bytes(whole[:place])
        with pytest.raises(CheckpointError, match=r"last\.ckpt: damaged"):
            AtomicCheckpointIO().load_checkpoint(last)


def test_a_file_that_torch_alone_wrote_has_no_proof_and_is_refused(last):
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    last.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="does not match its SHA-256"):
        AtomicCheckpointIO().load_checkpoint(last)


def test_an_environment_that_would_run_pickles_is_refused(last, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(CheckpointError, match="unset it"):
        AtomicCheckpointIO().load_checkpoint(last)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"last\.ckpt: no such checkpoint to resume"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")


def test_a_stop_while_saving_leaves_the_old_state(last, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            AtomicCheckpointIO().save_checkpoint({"epoch": 4}, last)
    assert AtomicCheckpointIO().load_checkpoint(last)["epoch"] == 3


def test_what_a_killed_run_left_half_written_is_swept_up(last):
    for name in (".last.ckpt.abc.tmp", ".best_mre.safetensors.abc.tmp"):
        (last.parent / name).write_bytes(b"half")
    AtomicCheckpointIO().load_checkpoint(last)
    assert list(last.parent.iterdir()) == [last]
