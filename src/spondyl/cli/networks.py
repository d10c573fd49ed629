"""Which network does a user mean, and what does it need to run?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spondyl.errors import UsageError
from spondyl.weights import DEFAULT, SUFFIX, packaged

if TYPE_CHECKING:
    from spondyl.predict import Predictor


def find_networks(asked: Sequence[str] | None) -> tuple[Path, ...]:
    """The files meant: each a path, or the name of a network of the package; that one by default.

    Raises:
        CheckpointError: a name is neither a file nor a network of the package.
    """
    return tuple(_find(name) for name in asked or (DEFAULT,))


def load_networks(
    paths: Sequence[Path], *, device: str = "auto", tta: int = 1, mc_dropout: int = 0
) -> Predictor:
    """A predictor from one exported network, without torch, or from checkpoints.

    Raises:
        CheckpointError: a file is missing, damaged, or of another network.
        UsageError: what is asked for cannot be had of these files.
    """
    exported = [path for path in paths if path.suffix.lower() == SUFFIX]
    if not exported:
        from spondyl.learning.detector import load_predictor

        return load_predictor(*paths, device=device, tta=tta, mc_dropout=mc_dropout)
    if len(paths) > 1 or tta > 1 or mc_dropout:
        raise UsageError(
            f"{exported[0].name}: an exported network looks once and alone; several --weights, "
            "--tta and --mc-dropout need checkpoints (.safetensors) and spondyl[train]"
        )
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"--device {device}: {exported[0].name} is an exported network, which runs on the "
            "CPU; need auto, cpu or a checkpoint (.safetensors)"
        )
    from spondyl.session import load_session

    return load_session(exported[0])


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    return packaged(name)
