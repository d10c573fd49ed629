"""How does a trained network leave torch: as one ONNX graph, proven to say the same."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from spondyl.atomic import write_bytes
from spondyl.learning.batches import to_unit
from spondyl.learning.checkpoint import LoadedModel, load_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import TorchDetector, provenance
from spondyl.session import INPUT, OUTPUTS, Exported, load_session, sealed
from spondyl.spine.chain import to_landmarks

TOLERANCE: Final = 0.01
"""Input px that a corner may differ by between torch and the exported graph."""

_OPSET: Final = 20


@dataclass(frozen=True, slots=True)
class Proof:
    """Torch and the exported graph on the same films: the vertebrae, and the largest difference.

    ``unequal`` films have other vertebrae: another number, or other names. ``corner_px`` is in
    input px, over the corners of all other films.
    """

    films: int
    vertebrae: int
    unequal: int
    corner_px: float

    @property
    def equal(self) -> bool:
        """Whether both find the same vertebrae, each corner within the tolerance."""
        return not self.unequal and self.corner_px <= TOLERANCE


def export(weights: Path, out: Path) -> None:
    """Writes a checkpoint as one ONNX file: 8-bit films in, candidate vertebrae out.

    Normalisation, network and decoding are in the graph, any number of films at once; calibration
    and provenance lie beside it as text, and its SHA-256 behind it. Kernels that a checkpoint has
    in half precision stay in it, which halves the file, and are computed with in single precision.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    model = load_model(weights)
    graph = _Graph(model).eval()
    size = model.recipe.data.image_size
    example = torch.zeros((2, size, size), dtype=torch.uint8)
    batch = {0: torch.export.Dim("films")}
    with _quiet():
        program = torch.onnx.export(
            graph, (example,), dynamo=True, dynamic_shapes=(batch,), opset_version=_OPSET,
            input_names=[INPUT], output_names=list(OUTPUTS), optimize=False,
        )  # fmt: skip
        if program is None:
            raise RuntimeError("the exporter returned no program")
        _tidy(program.model)
    proto = program.model_proto
    _forget_sources(proto)
    _halve(proto)
    about = Exported(
        size, graph.codec.ordered, model.calibration, provenance({weights: model})
    )  # fmt: skip
    entry = proto.metadata_props.add()
    entry.key, entry.value = "spondyl", about.to_text()
    write_bytes(out, sealed(proto.SerializeToString()))


def prove(weights: Path, exported: Path, inputs: UInt8[np.ndarray, "n s s"]) -> Proof:
    """What torch and the exported graph find on the same letterboxed films.

    Raises:
        CheckpointError: one of the two files cannot be read.
    """
    model, exported_side = load_model(weights), load_session(exported)
    torch_side = TorchDetector(model.network, model.recipe)
    pairs = [
        [
            to_landmarks(
                detector(film[None])[0],
                ordered=torch_side.ordered,
                calibration=exported_side.calibration,
            )
            for detector in (torch_side, exported_side.detector)
        ]
        for film in inputs
    ]
    same = [(a, b) for a, b in pairs if a.names == b.names]
    return Proof(
        films=len(pairs),
        vertebrae=sum(len(a) for a, _ in pairs),
        unequal=len(pairs) - len(same),
        corner_px=max((_largest(a.points, b.points) for a, b in same), default=0.0),
    )


class _Graph(nn.Module):
    """Films to candidates, all in one module."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.network = model.network
        self.codec = make_codec(model.recipe.codec, model.recipe.data.image_size)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.codec.read(self.network(to_unit(inputs))))


def _tidy(graph: Any) -> None:
    """Computes what does not depend on the films, but keeps every kernel as it was learnt.

    torch's own ``optimize`` also multiplies BatchNorm into the kernels, and a product is no number
    of half precision any more. ONNX Runtime does it when it loads the file.
    """
    from onnxscript import optimizer

    optimizer.fold_constants(graph)
    optimizer.remove_unused_nodes(graph)


def _forget_sources(proto: Any) -> None:
    """Takes out where in which file each node came from: paths of the machine that exported."""
    for each in (*proto.graph.node, *proto.graph.value_info):
        del each.metadata_props[:]
        each.doc_string = ""


def _halve(proto: Any) -> None:
    """Keeps in half precision every kernel that loses nothing by it.

    A first node casts it back, once, when it is loaded.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for kept in proto.graph.initializer:
        if kept.data_type == TensorProto.FLOAT and len(kept.dims) > 1:
            name, whole = kept.name, numpy_helper.to_array(kept)
            with np.errstate(over="ignore"):
                halved = whole.astype(np.float16)
            if not np.array_equal(halved, whole):
                continue
            kept.CopyFrom(numpy_helper.from_array(halved, f"{name}.half"))
            casts.append(helper.make_node("Cast", [kept.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _largest(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference; infinite where one has a corner that the other has not."""
    if (np.isnan(first) != np.isnan(second)).any():
        return float("inf")
    return float(np.nanmax(np.abs(first - second), initial=0.0))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what the exporter tells its own developers."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
