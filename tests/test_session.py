"""An exported file holds the network alone, and half of it where its checkpoint does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from spondyl.learning.checkpoint import load_model, rounded, save_model
from spondyl.learning.export import export, prove
from spondyl.session import load_session
from tiny_network import noise, save_tiny


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint with kernels in half precision, and its export."""
    folder = tmp_path_factory.mktemp("half")
    model = rounded(load_model(save_tiny(folder / "whole.safetensors")), name="tiny")
    weights, exported = folder / "half.safetensors", folder / "half.onnx"
    told = model.calibration
    save_model(weights, model.tensors, model.recipe, calibration=told, about=model.about)
    export(weights, exported)
    return weights, exported


def test_a_half_checkpoint_is_exported_in_half_and_finds_the_same(half: tuple[Path, Path]) -> None:
    """Within the tolerance of every export: nothing is rounded on the way."""
    weights, exported = half
    whole = weights.with_name("whole.safetensors").stat().st_size
    assert weights.stat().st_size < 0.55 * whole
    assert exported.stat().st_size < 0.55 * whole
    proof = prove(weights, exported, noise(3))
    assert proof.equal
    assert proof.vertebrae >= 3


def test_half_kernels_are_computed_with_in_single_precision(half: tuple[Path, Path]) -> None:
    """Every kernel is cast back before it is used, so the film never is in half precision."""
    graph = onnx.load(half[1]).graph
    halved = {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT16}
    readers = [node for node in graph.node if halved & set(node.input)]
    assert len(halved) == len(readers) >= 10
    assert {node.op_type for node in readers} == {"Cast"}
    [found] = load_session(half[1]).detector(noise(1))
    assert found.corners.dtype == np.float64


def test_an_exported_file_names_no_place_of_the_machine_that_wrote_it(
    half: tuple[Path, Path],
) -> None:
    graph = onnx.load(half[1]).graph
    assert not any(node.metadata_props or node.doc_string for node in graph.node)
    whole = half[1].read_bytes()
    assert b".py" not in whole
    assert str(Path(__file__).parents[1]).encode() not in whole
