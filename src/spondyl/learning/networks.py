"""Which network turns a film into maps, and which of its parts may learn."""

from __future__ import annotations

import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spondyl.learning.unet import UNet
from spondyl.learning.weights import fetch_weights, read_weights, start_from
from spondyl.recipe import ModelRecipe, NetworkName

Stages = tuple[tuple[str, ...], ...]
GREY_MEAN, GREY_DEVIATION = 0.449, 0.226  # of ImageNet, mean over red, green and blue
_RESNET_STAGES = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))
_HRNET_STAGES = (
    ("conv1", "bn1", "conv2", "bn2"),
    ("layer1",),
    ("transition1", "stage2"),
    ("transition2", "stage3"),
    ("transition3", "stage4"),
)


class Network(nn.Module):
    """A backbone that turns a film into features, and a head that turns those into maps.

    ``backbone`` gives a list of feature maps, of which the last goes to ``head``. ``stages`` names
    the backbone's modules from the input on. Maps are at a quarter of the input size, and are
    interpolated to ``heatmap_size`` px a side where that is given and differs.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        stages: Stages,
        heatmap_size: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.heatmap_size = heatmap_size
        self._stages = stages
        self._backbone_is_frozen = False
        self._frozen_stages = 0

    def forward(self, image: Float[Tensor, "b c s s"]) -> Float[Tensor, "b k m m"]:
        """Maps of films with values in [0, 1], of one channel or three; no activation at the end.

        Three channels are averaged to grey: a radiograph has no colour. A side must be a multiple
        of 32 px.
        """
        grey = image.mean(dim=1, keepdim=True) if image.shape[1] == 3 else image
        features = self.backbone((grey - GREY_MEAN) / GREY_DEVIATION)[-1]
        maps = self.head(features)
        size = self.heatmap_size
        if size is None or maps.shape[-1] == size:
            return maps
        return functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)

    def freeze_backbone(self, frozen: bool) -> None:
        """Lets the whole backbone stand still, its BatchNorm statistics too, or learn again.

        Stages that ``freeze_stages`` froze stay frozen.
        """
        self._backbone_is_frozen = frozen
        self._refresh()

    def freeze_stages(self, count: int) -> None:
        """Lets the first ``count`` stages of the backbone stand still: the stem is stage 1."""
        self._frozen_stages = count
        self._refresh()

    def train(self, mode: bool = True) -> Network:
        """As in torch, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters under "backbone" and "head", frozen or not, for their learning rates."""
        return {
            "backbone": list(self.backbone.parameters()),
            "head": list(self.head.parameters()),
        }

    def _frozen_modules(self) -> list[nn.Module]:
        if self._backbone_is_frozen:
            return [self.backbone]
        names = [name for stage in self._stages[: self._frozen_stages] for name in stage]
        return [self.backbone.get_submodule(name) for name in names]

    def _refresh(self) -> None:
        self.backbone.requires_grad_(True)
        for module in self._frozen_modules():
            module.requires_grad_(False)
        self.train(self.training)


def build_network(
    model: ModelRecipe,
    channels: int,
    *,
    heatmap_size: int | None = None,
    head_bias: Sequence[float] | None = None,
) -> Network:
    """The network of a recipe with its first weights, giving ``channels`` maps.

    ``head_bias`` is what each map starts from. ``model.weights`` goes before ``model.pretrained``;
    the U-Nets have no published weights and start from random ones.

    Raises:
        CheckpointError: the weights cannot be had, or are of another network.
    """
    network = _assemble(model, channels, heatmap_size)
    _initialise(network.head, head_bias)
    if model.weights is not None:
        start_from(network, read_weights(model.weights), str(model.weights))
    elif model.pretrained and not model.name.startswith("unet"):
        file = fetch_weights(_timm().get_pretrained_cfg(model.name).hf_hub_id)
        start_from(network, read_weights(file), str(file))
    network.freeze_stages(model.freeze_stages)
    network.freeze_backbone(model.freeze_backbone)
    return network


class HRNetHeatmap(nn.Module):
    """HRNet-W32 with a small head of two convolutions, giving maps of any size.

    The features are those of the 32-channel branch at a quarter of the input (Sun et al. 2019).

    Raises:
        CheckpointError: ``pretrained`` weights cannot be had.
    """

    def __init__(
        self, num_keypoints: int = 40, pretrained: bool = True, output_size: int = 512
    ) -> None:
        super().__init__()
        model = ModelRecipe(name="hrnet_w32", pretrained=pretrained)
        self.network = build_network(model, num_keypoints, heatmap_size=output_size)
        self.network.head = nn.Sequential(
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, num_keypoints, kernel_size=1),
        )

    def forward(self, image: Float[Tensor, "b c s s"]) -> Float[Tensor, "b k m m"]:
        """Maps of films with values in [0, 1]; see ``Network.forward``."""
        return self.network(image)


def _assemble(model: ModelRecipe, channels: int, heatmap_size: int | None) -> Network:
    backbone, width, stages = _backbone(model.name)
    deconvolutions = 3 if model.name == "resnet50" else 0
    head = _head(width, channels, dropout=model.dropout, deconvolutions=deconvolutions)
    return Network(backbone, head, stages=stages, heatmap_size=heatmap_size)


def _backbone(name: NetworkName) -> tuple[nn.Module, int, Stages]:
    """The backbone, how many channels its features have, and its stages."""
    match name:
        case "unet":
            unet = UNet((48, 96, 192, 320, 376), steps=2)
            return unet, unet.width, unet.stages
        case "unet_small":
            unet = UNet((32, 48, 96, 128), steps=3, stem=16)
            return unet, unet.width, unet.stages
        case "resnet50":
            return *_timm_features(name, out_indices=(4,)), _RESNET_STAGES
        case _:
            return *_hrnet(name), _HRNET_STAGES


def _hrnet(name: str) -> tuple[nn.Module, int]:
    """HRNet as far as its finest branch: what only the coarser outputs need is taken out."""
    backbone, width = _timm_features(name, out_indices=(1,), feature_location="")
    last = list(backbone.get_submodule("stage4").children())[-1]
    last.fuse_layers = nn.ModuleList([last.get_submodule("fuse_layers.0")])
    return backbone, width


def _timm_features(name: str, **settings: object) -> tuple[nn.Module, int]:
    model = _timm().create_model(name, features_only=True, in_chans=1, **settings)
    return model, model.feature_info.channels()[-1]


def _head(width: int, channels: int, *, dropout: float, deconvolutions: int) -> nn.Sequential:
    """Upsampling where asked for, dropout of whole channels, and a 1 x 1 convolution."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if deconvolutions:
        layers["deconv"] = _deconvolutions(width, deconvolutions)
        width = 256
    if dropout:
        layers["dropout"] = nn.Dropout2d(dropout)
    layers["final"] = nn.Conv2d(width, channels, kernel_size=1)
    return nn.Sequential(layers)


def _deconvolutions(width: int, count: int) -> nn.Sequential:
    """Each doubles the size, 256 channels wide (Xiao et al. 2018)."""
    layers: list[nn.Module] = []
    for before in (width, *[256] * (count - 1)):
        layers += [
            nn.ConvTranspose2d(before, 256, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _initialise(head: nn.Module, bias: Sequence[float] | None) -> None:
    """Small normal weights, as both pose networks' papers have them."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.001)
    final = head.get_parameter("final.bias")
    with torch.no_grad():
        final.copy_(torch.zeros_like(final) if bias is None else torch.tensor(list(bias)))


def _timm() -> ModuleType:
    if torch.version.cuda is None:
        _declare_vision_operators()
    return importlib.import_module("timm")


def _declare_vision_operators() -> None:
    """Lets torchvision be imported where its operators were built for another torch.

    A CPU build of torch beside the default torchvision cannot load them, and the import then fails
    on operators that no network here uses. Declared by name, they no longer stop it.
    """
    if hasattr(torch.ops.torchvision, "nms") or _vision_operators_load():
        return
    for name in ("nms", "qnms"):
        _DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _vision_operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    try:
        for library in sorted(folder.glob("_C*")):
            torch.ops.load_library(library)
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


_DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # must outlive its operators
