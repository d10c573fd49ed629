"""What goes to a model hub is whole, of one and the same weights, and leads nowhere else."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from spondyl.learning.checkpoint import load_model, rounded, save_model
from tiny_network import save_tiny

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def hub() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("hub")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def half(hub: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A half checkpoint, and beside it what stands for its export."""
    model = rounded(load_model(save_tiny(tmp_path / "whole.safetensors")), name="tiny")
    path = tmp_path / "tiny.safetensors"
    save_model(path, model.tensors, model.recipe, about=model.about)
    path.with_suffix(".onnx").write_bytes(b"a graph")
    told = SimpleNamespace(made_by={"weights_digest": model.digest})
    monkeypatch.setattr(hub, "load_session", lambda _: told)
    return path


@pytest.fixture
def card(hub: ModuleType, half: Path) -> Path:
    """The model card as it is, with one network more."""
    text = hub.CARD.read_text("utf-8")
    path = half.with_name("card.md")
    path.write_text(f"{text}\n| weights, SHA-256 | `{load_model(half).digest}` |\n", "utf-8")
    path.with_name("images").symlink_to(hub.CARD.parent / "images")
    return path


def test_a_hub_folder_is_whole_and_leads_nowhere_else(
    hub: ModuleType, half: Path, card: Path, tmp_path: Path
) -> None:
    out = tmp_path / "hub"
    hub.write_folder(half, half.with_suffix(".onnx"), out, card=card)
    text = (out / "README.md").read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert any(target.endswith(".png") for target in targets)
    assert all((out / target).is_file() for target in targets)
    head, _, body = text.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head)["license"] == "apache-2.0"
    assert body.startswith("\n# tiny\n")
    assert "*Phantoms*" in body
    assert "<!--" not in body
    sums = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert set(sums) == files - {"SHA256SUMS"} >= {"tiny.safetensors", "tiny.onnx", "README.md"}
    for file, told in sums.items():
        assert hashlib.sha256((out / file).read_bytes()).hexdigest() == told
    assert load_model(out / "tiny.safetensors").digest == load_model(half).digest


def test_what_is_not_of_the_same_weights_is_refused(
    hub: ModuleType, half: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, whole = half.with_suffix(".onnx"), half.with_name("whole.safetensors")
    with pytest.raises(SystemExit, match="whole kernels"):
        hub.write_folder(whole, graph, tmp_path / "hub", card=card)
    with pytest.raises(SystemExit, match="the model card says nothing of weights"):
        hub.write_folder(half, graph, tmp_path / "hub")
    others = SimpleNamespace(made_by={"weights_digest": "others"})
    monkeypatch.setattr(hub, "load_session", lambda _: others)
    with pytest.raises(SystemExit, match="of other weights"):
        hub.write_folder(half, graph, tmp_path / "hub", card=card)
    assert not (tmp_path / "hub").exists()
