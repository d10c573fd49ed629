"""Is the transformer timm's own, at any size of film, and do weights for 224 px fit it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spondyl.learning.networks import GREY_DEVIATION, GREY_MEAN, _timm, build_network
from spondyl.learning.vit import PlainViT
from spondyl.recipe import ModelRecipe

DEIT = "deit_small_patch16_224"


def films(size: int) -> Tensor:
    return torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    """A classifier in colour with 224 px of positions, as on the hub, taking films of any size."""
    torch.manual_seed(0)
    model = _timm().create_model(DEIT, dynamic_img_size=True).eval()
    nn.init.normal_(model.pos_embed)  # as large as a trained one: it matters where a patch is
    return model


@pytest.fixture(scope="module")
def file(classifier: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    save_file(classifier.state_dict(), path)
    return path


@pytest.mark.parametrize("size", [96, 224, 256])
def test_weights_for_224_px_give_timms_features_at_any_size(classifier, file, size):
    """Positions are resampled to the grid; a grey film is the same film in three channels."""
    network = build_network(ModelRecipe(name="vitpose_s", weights=file), 5).eval()
    film = (films(size) - GREY_MEAN) / GREY_DEVIATION
    with torch.inference_mode():
        found = network.backbone(film)[-1]
        tokens = classifier.forward_features(film.expand(1, 3, size, size))[:, 1:]
    expected = tokens.transpose(1, 2).reshape(1, 384, size // 16, size // 16)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_where_a_patch_lies_is_seen(file):
    """Without positions, exchanging two patches would exchange their features and nothing else."""
    network = build_network(ModelRecipe(name="vitpose_s", weights=file), 5).eval()
    film = films(64)
    swapped = film.roll(32, dims=-1)  # two patches of four
    with torch.inference_mode():
        one, other = network.backbone(film)[-1], network.backbone(swapped)[-1]
    assert (one.roll(2, dims=-1) - other).abs().max() > 0.1


def test_it_is_exported_for_any_number_of_films():
    small = _timm().create_model(DEIT, in_chans=1, depth=4, embed_dim=24, dynamic_img_size=True)
    trunk, any_number = PlainViT(small.eval()), {0: torch.export.Dim("films")}
    program = torch.export.export(trunk, (torch.rand(2, 1, 64, 64),), dynamic_shapes=(any_number,))
    assert program.module()(torch.rand(3, 1, 64, 64))[-1].shape == (3, 24, 4, 4)


def test_a_film_that_is_not_square_keeps_its_rows_and_columns(file):
    network = build_network(ModelRecipe(name="vitpose_s", weights=file), 5).eval()
    film = films(64)[..., :32]
    with torch.inference_mode():
        assert network.backbone(film)[-1].shape == (1, 384, 4, 2)


def test_what_is_published_for_another_grid_of_patches_is_refused_by_name(classifier, tmp_path):
    from spondyl.errors import CheckpointError

    state = classifier.state_dict()
    path = tmp_path / "for-384-px.safetensors"
    save_file({**state, "pos_embed": torch.zeros(1, 577, 384)}, path)
    with pytest.raises(CheckpointError, match=r"pos_embed is 1 x 577 x 384, need 1 x 197 x 384"):
        build_network(ModelRecipe(name="vitpose_s", weights=path), 5)
