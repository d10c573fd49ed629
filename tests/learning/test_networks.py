"""Are these the published networks, and do frozen parts stand still."""

import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from spondyl.learning import networks
from spondyl.learning.networks import HRNetHeatmap, Network, build_network
from spondyl.recipe import ModelRecipe, NetworkName

PUBLISHED = {  # with 17 keypoints; Sun et al. 2019 table 1, Xiao et al. 2018 table 2
    "resnet50": 34.0,
    "hrnet_w32": 28.5,
    "hrnet_w48": 63.6,
}


def random_model(name: NetworkName, **settings: object) -> ModelRecipe:
    return ModelRecipe.model_validate({"name": name, "pretrained": False, **settings})


def millions(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def meta_network(name: NetworkName, channels: int, heatmap_size: int | None = None) -> Network:
    with torch.device("meta"):
        return build_network(random_model(name), channels, heatmap_size=heatmap_size)


def films(count: int = 2, size: int = 64) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def small() -> Network:
    torch.manual_seed(0)
    return build_network(random_model("hrnet_w18_small"), 5).eval()


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
def test_a_network_has_the_published_number_of_parameters(name, published):
    assert millions(meta_network(name, 17)) == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("unet", 8.6, 8.7), ("unet_small", 0.6, 0.9), ("hrnet_w18", 9.2, 9.4)]
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


@pytest.mark.parametrize("name", ["unet_small", "hrnet_w18_small"])
def test_every_parameter_learns(name):
    """An unused parameter would stop distributed training, and be a lie in the parameter count."""
    network = build_network(random_model(name), 4)
    network(films()).square().sum().backward()
    idle = [key for key, value in network.named_parameters() if not _is_learning(value)]
    assert not idle


@pytest.mark.parametrize("settings", [{"freeze_backbone": True}, {}])
def test_a_step_with_a_frozen_backbone_changes_the_head_only(settings):
    network = build_network(random_model("unet_small", **settings), 4)
    network.freeze_backbone(True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    _step(network)
    changed = {key for key, value in network.state_dict().items() if not value.equal(before[key])}
    assert changed == {"head.final.weight", "head.final.bias"}


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
    ],
)
def test_the_first_stages_stand_still_after_a_release_too(name, still):
    network = build_network(random_model(name, freeze_stages=2), 4)
    network.freeze_backbone(True)
    network.freeze_backbone(False)
    network.train()
    frozen = {key for key, value in network.backbone.named_parameters() if not value.requires_grad}
    expected = {
        key for key, _ in network.backbone.named_parameters() if key.startswith(_dotted(still))
    }
    assert frozen == expected
    assert not network.backbone.get_submodule(still[-1]).training
    assert network.head.training


def test_stages_cover_the_backbone():
    for name in ("resnet50", "hrnet_w32"):
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


def test_hrnet_heatmap_has_the_plans_signature():
    with torch.device("meta"):
        network = HRNetHeatmap(num_keypoints=40, pretrained=False, output_size=512)
        maps = network(torch.zeros(1, 3, 512, 512))
    assert maps.shape == (1, 40, 512, 512)


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
