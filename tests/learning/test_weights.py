"""Do weights from elsewhere land where they belong, and foreign ones get refused."""

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import huggingface_hub
import pytest
import torch
from official_layouts import Shapes, pose_hrnet, pose_resnet50
from safetensors.torch import save_file
from torch import Tensor, nn

from spondyl.errors import CheckpointError
from spondyl.learning import networks, weights
from spondyl.learning.networks import Network, build_network
from spondyl.recipe import ModelRecipe

NAME = "hrnet_w18_small"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def build(channels: int = 5, *, seed: int = 0, file: Path | None = None) -> Network:
    torch.manual_seed(seed)
    model = ModelRecipe(name=NAME, pretrained=False, weights=file)
    return build_network(model, channels).eval()


@pytest.fixture(scope="module")
def source() -> Network:
    """A network with weights of its own, also in its BatchNorm statistics."""
    network = build(seed=1)
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    network.head.final.weight.data.normal_(generator=generator)
    return network


def films() -> Tensor:
    return torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def assert_same(maps: Tensor, expected: Tensor) -> None:
    """Up to the rounding of sums, 1e-5 of the largest value."""
    torch.testing.assert_close(
        maps, expected, atol=1e-5 * float(expected.detach().abs().max()), rtol=0
    )


def official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys as in pose_hrnet_*.pth, where the head is ``final_layer`` and nothing has a prefix."""
    return {
        key.removeprefix("backbone.")
        .replace("head.final", "final_layer")
        .replace("head.deconv", "deconv_layers"): value
        for key, value in state.items()
    }


def in_colour(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The stem spread unevenly over red, green and blue."""
    shares = torch.tensor([0.5, 0.2, 0.3]).reshape(1, 3, 1, 1)
    return {key: value * shares if key == "conv1.weight" else value for key, value in state.items()}


def random_tensors(shapes: Shapes) -> dict[str, Tensor]:
    """Small enough for features of a usual size; variances are positive."""
    generator = torch.Generator().manual_seed(4)

    def drawn(key: str, shape: tuple[int, ...]) -> Tensor:
        if key.endswith("num_batches_tracked"):
            return torch.tensor(7)
        if key.endswith("running_var"):
            return torch.rand(shape, generator=generator) + 0.5
        return torch.randn(shape, generator=generator) * 0.05

    return {key: drawn(key, shape) for key, shape in shapes.items()}


def save_safetensors(state: dict[str, Tensor], path: Path) -> Path:
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return path


def save_torch(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


LAYOUTS: dict[str, Callable[[dict[str, Tensor], Path], Path]] = {
    "own": lambda state, folder: save_safetensors(state, folder / "own.safetensors"),
    "official": lambda state, folder: save_torch(official(state), folder / "pose.pth"),
    "official, wrapped and in parallel": lambda state, folder: save_torch(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in official(state).items()}},
        folder / "checkpoint.pth",
    ),
    "official, in colour": lambda state, folder: save_torch(
        in_colour(official(state)), folder / "colour.bin"
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_any_layout_gives_the_same_maps(source, layout, tmp_path):
    file = LAYOUTS[layout](source.state_dict(), tmp_path)
    assert_same(build(file=file)(films()), source(films()))


@pytest.mark.parametrize(
    ("shapes", "published"),
    [
        (pose_hrnet(32, 17), 28_536_113),
        (pose_hrnet(48, 17), 63_595_745),
        (pose_resnet50(17), 33_999_697),
    ],
    ids=["28.5 M", "63.6 M", "34.0 M"],
)
def test_the_official_layouts_have_the_published_number_of_parameters(shapes, published):
    learnt = (shape for key, shape in shapes.items() if not key.endswith(STATISTICS))
    assert sum(math.prod(shape) for shape in learnt) == published


@pytest.mark.parametrize(
    ("name", "shapes"), [("hrnet_w32", pose_hrnet(32, 17)), ("resnet50", pose_resnet50(17))]
)
def test_every_tensor_of_an_official_file_lands_in_ours(name, shapes, tmp_path):
    """The stem's three colours are summed; nothing is left over on either side."""
    theirs = random_tensors(shapes)
    file = save_torch(theirs, tmp_path / "pose.pth")
    own = build_network(ModelRecipe(name=name, weights=file), 17).state_dict()
    assert len(own) == len(theirs)
    for key, value in theirs.items():
        expected = value.sum(1, keepdim=True) if key == "conv1.weight" else value
        place = key.replace("final_layer", "head.final").replace("deconv_layers", "head.deconv")
        assert own[place if place.startswith("head.") else f"backbone.{key}"].equal(expected)


def test_the_official_layout_and_timms_give_the_same_features(tmp_path):
    """And those of timm's own network on the same film in three channels."""
    theirs = random_tensors(pose_hrnet(32, 17))
    branch = {key: value for key, value in theirs.items() if not key.startswith("final_layer")}
    classifier = networks._timm().create_model("hrnet_w32").state_dict()
    assert branch.keys() < classifier.keys()
    timms = save_safetensors({**classifier, **branch}, tmp_path / "model.safetensors")
    officials = save_torch(theirs, tmp_path / "pose_hrnet_w32_256x192.pth")
    one, other = (
        build_network(ModelRecipe(name="hrnet_w32", weights=file), 17).eval().backbone(films())[-1]
        for file in (officials, timms)
    )
    assert torch.equal(one, other)
    whole = networks._timm().create_model(
        "hrnet_w32", features_only=True, out_indices=(1,), feature_location=""
    )
    assert set(whole.load_state_dict(branch, strict=False).unexpected_keys) == set()
    assert_same(one, whole.eval()(films().expand(1, 3, 64, 64))[0])


def test_the_features_of_timms_classifier_are_ours_after_folding(tmp_path):
    """Grey copied into three channels meets the classifier's stem as one channel meets ours."""
    timm = networks._timm()
    classifier = timm.create_model(NAME, in_chans=3)
    file = save_safetensors(classifier.state_dict(), tmp_path / "model.safetensors")
    features = timm.create_model(
        NAME, features_only=True, out_indices=(1,), feature_location="", in_chans=3
    )
    features.load_state_dict(classifier.state_dict(), strict=False)
    expected = features.eval()(films().expand(1, 3, 64, 64))[0]
    assert_same(build(file=file).backbone(films())[-1], expected)


def test_a_head_for_other_channels_is_left_as_it_was(source, tmp_path):
    file = save_safetensors(source.state_dict(), tmp_path / "a.safetensors")
    network = build(7, seed=3, file=file)
    assert network.head.final.weight.equal(build(7, seed=3).head.final.weight)
    assert network.backbone.conv1.weight.equal(source.backbone.conv1.weight)


def test_weights_of_another_network_are_refused_by_their_first_key(source, tmp_path):
    state = official(source.state_dict())
    wide = {**state, "bn1.weight": torch.ones(3)}
    more = {**state, "layer9.weight": torch.ones(3)}
    fewer = {key: value for key, value in state.items() if key != "layer1.0.conv1.weight"}
    for name, faulty, message in (
        ("wide", wide, r"backbone.bn1.weight is 3, need 64"),
        ("more", more, r"backbone.layer9.weight is unknown"),
        ("fewer", fewer, r"backbone.layer1.0.conv1.weight is missing"),
    ):
        file = save_safetensors(faulty, tmp_path / f"{name}.safetensors")
        with pytest.raises(CheckpointError, match=rf"{name}.safetensors: .* {message}"):
            build(file=file)


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_a_pickle_with_a_payload_is_refused_and_not_run(by_torch, tmp_path):
    marker, file = tmp_path / "ran", tmp_path / "a.pth"
    if by_torch:
        torch.save({"state_dict": Payload(marker)}, file)
    else:
        file.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(CheckpointError, match="not loaded"):
        weights.read_weights(file)
    assert not marker.exists()


def test_an_environment_that_would_run_pickles_is_refused(monkeypatch, tmp_path):
    file = save_torch({"a": torch.ones(1)}, tmp_path / "a.pth")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(CheckpointError, match="unset it"):
        weights.read_weights(file)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_one_line(suffix, content, tmp_path):
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.\w+: damaged") as caught:
        weights.read_weights(file)
    assert "\n" not in str(caught.value)


def test_a_file_without_tensors_or_no_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        weights.read_weights(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="holds no weights"):
        weights.read_weights(save_torch({"epoch": 3}, tmp_path / "b.pth"))


@pytest.mark.parametrize(
    ("name", "published"),
    [("hrnet_w32", "hrnet_w32.ms_in1k"), ("vitpose_s", "deit_small_patch16_224.fb_in1k")],
)
def test_offline_says_what_to_do_and_asks_once(monkeypatch, name, published):
    asked = []

    def unreachable(request, timeout):
        asked.append(request.full_url)
        raise URLError("no route")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights, "urlopen", unreachable)
    told = rf"timm/{re.escape(published)}: .*--weights FILE.*hf download"
    with pytest.raises(CheckpointError, match=told), torch.device("meta"):
        build_network(ModelRecipe(name=name), 1)
    assert len(asked) == 1


def test_the_hubs_offline_mode_asks_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "urlopen", pytest.fail)
    with pytest.raises(CheckpointError, match="offline: give"):
        weights.fetch_weights("timm/hrnet_w32.ms_in1k")


def test_weights_in_the_hubs_cache_are_taken_from_there(source, monkeypatch, tmp_path):
    file = save_safetensors(in_colour(official(source.state_dict())), tmp_path / "m.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(file))
    network = build_network(ModelRecipe(name=NAME, pretrained=True), 5).eval()
    assert_same(network(films()), source(films()))
