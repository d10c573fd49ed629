"""Which network turns a film into maps, and which of its parts may learn."""

from __future__ import annotations

import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spondyl.learning.unet import UNet
from spondyl.learning.vit import PlainViT
from spondyl.learning.weights import fetch_weights, read_weights, start_from
from spondyl.recipe import ModelRecipe, NetworkName

Stages = tuple[tuple[str, ...], ...]
GREY_MEAN, GREY_DEVIATION = 0.449, 0.226  # of ImageNet, mean over red, green and blue
RESNET_STAGES = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))
_HRNET_STAGES = (
    ("conv1", "bn1", "conv2", "bn2"),
    ("layer1",),
    ("transition1", "stage2"),
    ("transition2", "stage3"),
    ("transition3", "stage4"),
)


class Parts(NamedTuple):
    """What a network is made of, short of its last convolution.

    ``backbone`` gives a list of feature maps, of which the last has ``width`` channels. ``stages``
    names its modules and parameters from the input on. Every one of the ``deconvolutions`` doubles
    the features' size, to a quarter of the input in the end. ``published`` is timm's name for the
    ImageNet weights that fit the backbone, None where there are none.
    """

    backbone: nn.Module
    width: int
    stages: Stages
    deconvolutions: int = 0
    published: str | None = None


class Network(nn.Module):
    """A backbone that turns a film into features, and a head that turns those into maps.

    ``backbone`` and ``stages`` are as in ``Parts``; the backbone's last features go to ``head``.
    Maps are at a quarter of the input size, and are interpolated to ``heatmap_size`` px a side
    where that is given and differs.
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
        for part in self._frozen_parts():
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters under "backbone" and "head", frozen or not, for their learning rates."""
        return {
            "backbone": list(self.backbone.parameters()),
            "head": list(self.head.parameters()),
        }

    def _frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        if self._backbone_is_frozen:
            return [self.backbone]
        names = [name for stage in self._stages[: self._frozen_stages] for name in stage]
        return [attrgetter(name)(self.backbone) for name in names]

    def _refresh(self) -> None:
        self.backbone.requires_grad_(True)
        for part in self._frozen_parts():
            part.requires_grad_(False)
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
    a network without published weights starts from random ones.

    Raises:
        CheckpointError: the weights cannot be had, or are of another network.
    """
    parts = _parts(model.name)
    head = _head(parts, channels, model.dropout)
    _initialise(head, head_bias)
    network = Network(parts.backbone, head, stages=parts.stages, heatmap_size=heatmap_size)
    if model.weights is not None:
        start_from(network, read_weights(model.weights), str(model.weights))
    elif model.pretrained and parts.published:
        file = fetch_weights(_timm().get_pretrained_cfg(parts.published).hf_hub_id)
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


def _parts(name: NetworkName) -> Parts:
    """What each network is made of: a new one is a function that says so, and its case here."""
    match name:
        case "unet":
            return _unet(UNet((48, 96, 192, 320, 376), steps=2))
        case "unet_small":
            return _unet(UNet((32, 48, 96, 128), steps=3, stem=16))
        case "unet_medium":
            return _unet(UNet((32, 64, 128, 192, 256), steps=4, stem=16))
        case "resnet50":
            return _resnet(name)
        case "hrnet_w18_small" | "hrnet_w18" | "hrnet_w32" | "hrnet_w48":
            return _hrnet(name)
        case "vitpose_s":
            return _vitpose("deit_small_patch16_224")


def _unet(unet: UNet) -> Parts:
    return Parts(unet, unet.width, unet.stages)


def _resnet(name: str) -> Parts:
    """The simple baseline: three deconvolutions on the last features (Xiao et al. 2018)."""
    backbone, width = timm_features(name, out_indices=(4,))
    return Parts(backbone, width, RESNET_STAGES, deconvolutions=3, published=name)


def _hrnet(name: str) -> Parts:
    """HRNet as far as its finest branch: what only the coarser outputs need is taken out."""
    backbone, width = timm_features(name, out_indices=(1,), feature_location="")
    last = list(backbone.get_submodule("stage4").children())[-1]
    last.fuse_layers = nn.ModuleList([last.get_submodule("fuse_layers.0")])
    return Parts(backbone, width, _HRNET_STAGES, published=name)


def _vitpose(name: str) -> Parts:
    """A plain transformer and two deconvolutions: ViTPose's classic decoder (Xu et al. 2022).

    DeiT's weights, and not those of timm's own ViTs, were trained with the normalisation that
    every network here has.
    """
    vit = _timm().create_model(name, in_chans=1, num_classes=0, dynamic_img_size=True)
    backbone = PlainViT(vit)
    return Parts(backbone, backbone.width, backbone.stages, deconvolutions=2, published=name)


def timm_features(name: str, **settings: object) -> tuple[nn.Module, int]:
    """A network of timm's with a stem for grey, giving features, and how many channels they have.

    ``settings`` are those of ``timm.create_model``; no weights are downloaded.
    """
    model = _timm().create_model(name, features_only=True, in_chans=1, **settings)
    return model, model.feature_info.channels()[-1]


def _head(parts: Parts, channels: int, dropout: float) -> nn.Sequential:
    """Upsampling where it is needed, dropout of whole channels, and a 1 x 1 convolution."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = parts.width
    if parts.deconvolutions:
        layers["deconv"] = _deconvolutions(width, parts.deconvolutions)
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
