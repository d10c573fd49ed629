"""Are these the published networks, and do frozen parts stand still."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from spondyl.learning import networks
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.cost import multiply_adds
from spondyl.learning.networks import HRNetHeatmap, Network, build_network
from spondyl.recipe import ModelRecipe, NetworkName, Recipe

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
PUBLISHED = {  # with 17 keypoints; Sun et al. 2019 table 1
    "resnet50": (34.0, 8.9, 20.0),  # M parameters; GFLOPs at 256 x 192 and at 384 x 288
    "hrnet_w32": (28.5, 7.1, 16.0),
    "hrnet_w48": (63.6, 14.6, 32.9),
}
COUNTED = {  # with 17 keypoints: M parameters with a stem for grey, and for colour
    "resnet50": (33.993425, 33.999697),
    "hrnet_w32": (28.534961, 28.536113),
    "hrnet_w48": (63.594593, 63.595745),
    "vitpose_s": (24.095889, 24.292497),
}
LIGHT = ("unet_small", "unet_medium", "hrnet_w18_small", "vitpose_s")


def random_model(name: NetworkName, **settings: object) -> ModelRecipe:
    return ModelRecipe.model_validate({"name": name, "pretrained": False, **settings})


def millions(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def meta_network(name: NetworkName, channels: int, heatmap_size: int | None = None) -> Network:
    with torch.device("meta"):
        return build_network(random_model(name), channels, heatmap_size=heatmap_size)


def in_colour(network: Network) -> Network:
    """The same network with the stem of the published one, for red, green and blue."""
    stem = next(module for module in network.backbone.modules() if isinstance(module, nn.Conv2d))
    shape = (stem.out_channels, 3, *stem.kernel_size)
    stem.weight = nn.Parameter(torch.empty(shape, device=stem.weight.device))
    stem.in_channels = 3
    return network


def paper_gflops(network: Network, height: int, width: int) -> float:
    """As the pose networks' code counts: weights times output places, in units of 2 ** 30.

    For a transposed convolution that is the square of its stride too many.
    """
    counted: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(
                lambda layer, _, maps: counted.append(
                    layer.weight.numel() * maps.shape[2] * maps.shape[3]
                )
            )
    network.head(network.backbone(torch.zeros(1, 3, height, width, device="meta"))[-1])
    return sum(counted) / 2**30


def films(count: int = 2, size: int = 64) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def small() -> Network:
    torch.manual_seed(0)
    return build_network(random_model("hrnet_w18_small"), 5).eval()


@pytest.mark.parametrize(("name", "counted"), COUNTED.items())
def test_a_network_has_the_documented_parameters_in_grey_and_in_colour(name, counted):
    network = meta_network(name, 17)
    assert millions(network) == counted[0]
    assert millions(in_colour(network)) == counted[1]


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
def test_a_network_has_the_published_parameters_and_gflops(name, published):
    network = meta_network(name, 17)
    assert round(millions(network), 1) == published[0]
    network = in_colour(network)
    found = [millions(network), paper_gflops(network, 256, 192), paper_gflops(network, 384, 288)]
    if name.startswith("hrnet"):
        assert [round(value, 1) for value in found] == list(published)
    assert found == pytest.approx(published, rel=0.012)  # the baseline's 8.99 is printed as 8.9


def test_vitpose_s_has_the_published_size():
    """The published weights (vitpose-small) are 97.2 MB of 4-byte floats; the plan says 24 M."""
    assert COUNTED["vitpose_s"][1] == pytest.approx(97.2 / 4, rel=0.005)


def test_the_plans_total_for_hrnet_is_that_of_the_classifiers_features():
    """31.78 M: 128 channels after a layer made for classification, and a wide head."""
    timm = networks._timm()
    with torch.device("meta"):
        backbone = timm.create_model("hrnet_w32", features_only=True, out_indices=(1,))
        head = nn.Sequential(
            *(nn.Conv2d(128, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU()),
            nn.Conv2d(256, 40, 1),
        )
        maps = head(backbone(torch.zeros(1, 3, 512, 512))[-1])
    assert maps.shape == (1, 40, 128, 128)
    assert round(millions(backbone) + millions(head), 2) == 31.78


def test_the_plans_total_for_the_unet_is_ours_within_half_a_percent():
    assert millions(meta_network("unet", 40)) == pytest.approx(8.65, rel=0.005)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("unet_small", 0.6, 0.9), ("unet_medium", 3.6, 3.8), ("hrnet_w18", 9.2, 9.4)],
)
def test_a_network_has_the_documented_size(name, low, high):
    assert low < millions(meta_network(name, 40)) < high


@pytest.mark.parametrize("name", get_args(NetworkName))
def test_every_network_gives_maps_at_a_quarter_of_the_input(name):
    maps = meta_network(name, 33)(torch.zeros(2, 1, 512, 512, device="meta"))
    assert maps.shape == (2, 33, 128, 128)


@pytest.mark.parametrize("name", ["unet_small", "hrnet_w32"])
def test_maps_are_interpolated_to_the_size_that_is_asked_for(name):
    maps = meta_network(name, 40, 512)(torch.zeros(1, 1, 512, 512, device="meta"))
    assert maps.shape == (1, 40, 512, 512)


def test_interpolation_keeps_the_half_pixel_rule():
    """A ramp stays the same ramp in input px: (p + 0.5) * 4 - 0.5."""
    ramp = torch.arange(8.0).add(0.5).mul(4).sub(0.5).expand(1, 1, 8, 8)
    network = Network(_Constant(ramp), nn.Identity(), stages=(), heatmap_size=32)
    maps = network(torch.zeros(1, 1, 32, 32))
    torch.testing.assert_close(maps[0, 0, 16, 2:-2], torch.arange(32.0)[2:-2])


def test_the_plans_feature_index_is_the_stem_and_not_the_finest_branch():
    """out_indices=(0,) gives 64 channels at stride 2, which a head for 32 cannot take."""
    timm = networks._timm()
    with torch.device("meta"):
        asked = timm.create_model("hrnet_w32", features_only=True, out_indices=(0,))
    assert asked.feature_info.channels() == [64]
    assert asked.feature_info.reduction() == [2]


def test_the_pruned_branch_equals_the_unpruned_one_bit_for_bit(small):
    whole = networks._timm().create_model(
        "hrnet_w18_small", features_only=True, out_indices=(1,), feature_location="", in_chans=1
    )
    missing, _ = small.backbone.load_state_dict(whole.state_dict(), strict=False)
    assert not missing
    with torch.no_grad():
        assert torch.equal(small.backbone(films())[-1], whole.eval()(films())[0])


def test_three_channels_are_averaged_to_grey(small):
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(small(image), small(image.mean(1, keepdim=True)))


def test_each_map_starts_from_its_bias():
    network = build_network(random_model("unet_small"), 3, head_bias=[-4.0, 0.0, 2.0]).eval()
    starts = network(films(1)).mean(dim=(0, 2, 3))
    torch.testing.assert_close(starts, torch.tensor([-4.0, 0.0, 2.0]), atol=0.05, rtol=0)


@pytest.mark.parametrize("name", LIGHT)
def test_every_parameter_learns(name):
    """An unused parameter would stop distributed training, and be a lie in the parameter count."""
    network = build_network(random_model(name), 4)
    network(films()).square().sum().backward()
    idle = [key for key, value in network.named_parameters() if not _is_learning(value)]
    assert not idle


@pytest.mark.parametrize("settings", [{"freeze_backbone": True}, {}])
@pytest.mark.parametrize("name", LIGHT)
def test_a_step_with_a_frozen_backbone_changes_the_head_only(name, settings):
    network = build_network(random_model(name, **settings), 4)
    network.freeze_backbone(True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    _step(network)
    changed = {key for key, value in network.state_dict().items() if not value.equal(before[key])}
    assert changed == {key for key in before if key.startswith("head.")}


@pytest.mark.parametrize("name", LIGHT)
def test_a_network_is_saved_and_loaded_bit_for_bit(name, tmp_path):
    network = build_network(random_model(name), 4).eval()
    file = tmp_path / "model.safetensors"
    save_model(file, network, Recipe(model=random_model(name)), about={})
    loaded = load_model(file).network
    with torch.inference_mode():
        assert torch.equal(loaded(films(1)), network(films(1)))


def test_a_released_backbone_learns_and_counts_its_batches():
    network = build_network(random_model("unet_small", freeze_backbone=True), 4)
    network.freeze_backbone(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    _step(network)
    assert not any(value.equal(before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "still"),
    [
        ("hrnet_w18_small", ("conv1", "bn1", "conv2", "bn2", "layer1")),
        ("unet_small", ("stem", "encoder.0", "encoder.1")),
        (
            "vitpose_s",
            ("cls_token", "pos_embed", "patch_embed", "blocks.0", "blocks.1", "blocks.2"),
        ),
    ],
)
def test_the_first_stages_stand_still_after_a_release_too(name, still):
    network = build_network(random_model(name, freeze_stages=2), 4)
    network.freeze_backbone(True)
    network.freeze_backbone(False)
    network.train()
    frozen = {key for key, value in network.backbone.named_parameters() if not value.requires_grad}
    expected = {
        key
        for key, _ in network.backbone.named_parameters()
        if f"{key}.".startswith(_dotted(still))
    }
    assert frozen == expected
    assert not network.backbone.get_submodule(still[-1]).training
    assert network.head.training


def test_stages_cover_the_backbone():
    for name in ("resnet50", "hrnet_w32", "vitpose_s"):
        network = meta_network(name, 1)
        network.freeze_stages(5)
        assert not any(p.requires_grad for p in network.backbone.parameters())


def test_parameter_groups_hold_every_parameter_once():
    network = build_network(random_model("unet_small"), 4)
    groups = network.parameter_groups()
    assert {*groups["backbone"], *groups["head"]} == set(network.parameters())
    assert set(groups["head"]) == set(network.head.parameters())


def test_dropout_varies_training_and_not_prediction():
    network = build_network(random_model("unet_small", dropout=0.5), 4)
    torch.manual_seed(0)
    assert not network(films()).equal(network(films()))
    network.eval()
    assert network(films()).equal(network(films()))


@pytest.mark.parametrize("size", [512, 384])
def test_hrnet_heatmap_has_the_plans_signature(size):
    with torch.device("meta"):
        network = HRNetHeatmap(num_keypoints=40, pretrained=False, output_size=size)
        colour, grey = (network(torch.zeros(2, channels, 512, 512)) for channels in (3, 1))
    assert colour.shape == grey.shape == (2, 40, size, size)


def test_hrnet_heatmap_has_the_plans_head_on_the_finest_branch():
    with torch.device("meta"):
        network = HRNetHeatmap(pretrained=False)
    shapes = [tuple(layer.shape) for layer in network.network.head.parameters()]
    assert shapes == [(64, 32, 3, 3), (64,), (64,), (64,), (40, 64, 1, 1), (40,)]


def test_hrnet_heatmap_takes_one_channel_as_three_alike():
    network = HRNetHeatmap(num_keypoints=2, pretrained=False, output_size=48).eval()
    with torch.inference_mode():
        grey, colour = network(films(1)), network(films(1).expand(1, 3, 64, 64))
    assert grey.shape == (1, 2, 48, 48)
    torch.testing.assert_close(grey, colour, atol=1e-4 * float(grey.abs().max()), rtol=0)


def test_the_documented_example_adds_a_network(monkeypatch):
    """Its function, and its case as the page has it; the paper has 68.6 M and 15.7 GFLOPs."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (example,) = (block for block in blocks if "-> Parts" in block)
    (case,) = (block for block in blocks if block.lstrip().startswith("case "))
    assert len(example.splitlines()) + len(case.splitlines()) < 30
    name, function = re.fullmatch(r'\s*case "(\w+)":\n\s+return (\w+)\(\)\n', case).groups()
    written: dict[str, object] = {}
    exec(example, written)
    parts = written[function]
    assert callable(parts)
    monkeypatch.setattr(networks, "_parts", lambda asked: {name: parts}[asked]())
    with torch.device("meta"):
        model = ModelRecipe.model_construct(name=name, pretrained=False, freeze_stages=2)
        network = build_network(model, 17)
    assert network(torch.zeros(1, 1, 512, 512, device="meta")).shape == (1, 17, 128, 128)
    assert not network.backbone.layer1[0].conv1.weight.requires_grad
    assert round(millions(network), 1) == 68.6
    assert paper_gflops(in_colour(network), 256, 192) == pytest.approx(15.7, rel=0.012)


@pytest.mark.parametrize("name", get_args(NetworkName))
def test_every_network_is_on_its_page_with_what_it_costs(name):
    """With 33 channels, at 512 px."""
    network = meta_network(name, 33)
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith(f"| `{name}` |"))
    _, _, _, parameters, gmacs, *_ = (cell.strip() for cell in row.split("|"))
    assert parameters == f"{millions(network):.2f} M"
    assert gmacs == f"{multiply_adds(network, 512) / 1e9:.1f}"


@pytest.mark.slow
def test_a_cpu_torch_beside_a_foreign_torchvision_works():
    """The loader of compiled operators fails as it does there."""
    code = (
        "import torch\n"
        "def refuse(path): raise OSError('built for another torch')\n"
        "torch.ops.load_library, torch.version.cuda = refuse, None\n"
        "from spondyl.learning.networks import build_network\n"
        "from spondyl.recipe import ModelRecipe\n"
        "build_network(ModelRecipe(name='hrnet_w18_small', pretrained=False), 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class _Constant(nn.Module):
    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.maps]


def _step(network: Network) -> None:
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    (network(films()) - 1).square().sum().backward()
    optimizer.step()


def _is_learning(parameter: nn.Parameter) -> bool:
    gradient = parameter.grad
    return gradient is not None and bool(gradient.isfinite().all()) and bool(gradient.any())


def _dotted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}." for name in names)
