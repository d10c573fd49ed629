"""How does an exported network look at films, without torch?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from spondyl.errors import CheckpointError
from spondyl.predict import Predictor, calibration_of
from spondyl.spine.detections import Detections, detections_of

FORMAT: Final = 1
INPUT: Final = "inputs"
OUTPUTS: Final = (
    "score", "corners", "corner_score", "variance", "level_logits", "facing_logit",
)  # fmt: skip

_SEAL_KEY: Final = b"seal"
_HEX: Final = 64


@dataclass(frozen=True, slots=True)
class Exported:
    """What an exported network says of itself: kept as text beside the graph."""

    input_size: int
    ordered: bool
    calibration: Mapping[str, Any] | None
    made_by: Mapping[str, str]
    format: int = FORMAT

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)


class SessionDetector:
    """A graph of network and decoding in ONNX Runtime: 8-bit inputs to detections in input px."""

    def __init__(self, session: Any, about: Exported) -> None:
        self._session = session
        self.input_size = about.input_size
        self.ordered = about.ordered

    def __call__(self, inputs: UInt8[np.ndarray, "b s s"]) -> list[Detections]:
        """Candidates of each film, best first (``set``) or superior to inferior (``slots``)."""
        columns = self._session.run(list(OUTPUTS), {INPUT: inputs})
        exact = [column.astype(np.float64) for column in columns]
        return [detections_of(film) for film in zip(*exact, strict=True)]


def load_session(path: Path) -> Predictor:
    """A predictor from a file that ``spondyl export`` wrote, after checking every byte.

    Raises:
        CheckpointError: the file is missing, damaged, newer, not an exported network, or its
            calibration is of another version.
    """
    graph = _read_sealed(path)
    try:
        session = _session(graph)
        about = Exported(**json.loads(session.get_modelmeta().custom_metadata_map["spondyl"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a network that spondyl exported") from error
    if about.format > FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer spondyl (format {about.format}); "
            f"this one reads up to {FORMAT}"
        )
    calibration = calibration_of(about.calibration, path=path)
    return Predictor(SessionDetector(session, about), calibration, about.made_by)


def sealed(graph: bytes) -> bytes:
    """A graph with its own SHA-256 behind it.

    What is appended is one more entry of the graph's own metadata, so that every reader of ONNX
    takes the whole as one file.
    """
    return graph + _entry(hashlib.sha256(graph).hexdigest())


def _read_sealed(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    whole = path.read_bytes()
    length = len(_entry("0" * _HEX))
    graph, seal = whole[:-length], whole[-length:]
    if seal[: length - _HEX] != _entry("0" * _HEX)[: length - _HEX]:
        raise CheckpointError(f"{path}: not a network that spondyl exported, or cut short")
    if seal != _entry(hashlib.sha256(graph).hexdigest()):
        raise CheckpointError(f"{path}: damaged: its content does not match its SHA-256")
    return graph


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _entry(digest: str) -> bytes:
    """One ``metadata_props`` of a ``ModelProto`` (field 14), key and value, as protobuf has it."""
    value = digest.encode()
    inner = b"\x0a" + bytes([len(_SEAL_KEY)]) + _SEAL_KEY + b"\x12" + bytes([len(value)]) + value
    return b"\x72" + bytes([len(inner)]) + inner
