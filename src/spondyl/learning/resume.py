"""How does a run survive a kill: the engine's own checkpoint, written whole and checked."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from spondyl.errors import CheckpointError
from spondyl.learning.checkpoint import store
from spondyl.learning.weights import load_plain

_MARK = b"sha256:"
_COMMENT = len(_MARK) + 64


class AtomicCheckpointIO(TorchCheckpointIO):
    """Saves to a temporary file, flushes, renames; loads tensors and plain values only.

    The SHA-256 of the file is its zip comment, so that it is one file and any torch can read it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Writes the state of a run, whole or not at all.

        Raises:
            CheckpointError: there is no room or no permission.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        store(Path(path), _sealed(buffer.getvalue()))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """The state of a run, on the CPU; ``weights_only`` is always on.

        What a killed run left half-written beside it, models too, is removed.

        Raises:
            CheckpointError: the file is missing or damaged, or loading it could run code.
        """
        file = Path(path)
        if not file.is_file():
            raise CheckpointError(f"{file}: no such checkpoint to resume from")
        state = load_plain(_unsealed(file.read_bytes(), name=str(file)), name=str(file))
        for pattern in (f".{file.name}.*.tmp", ".*.safetensors.*.tmp"):
            for stale in file.parent.glob(pattern):
                stale.unlink(missing_ok=True)
        return state


def _sealed(archive: bytes) -> bytes:
    """A zip archive without comment (its last two bytes are 0) with its SHA-256 as comment."""
    comment = _MARK + hashlib.sha256(archive).hexdigest().encode()
    return archive[:-2] + len(comment).to_bytes(2, "little") + comment


def _unsealed(data: bytes, *, name: str) -> bytes:
    comment = data[-_COMMENT:]
    archive = data[: -_COMMENT - 2] + b"\0\0"
    if comment != _MARK + hashlib.sha256(archive).hexdigest().encode():
        raise CheckpointError(f"{name}: damaged: its content does not match its SHA-256")
    return archive
