"""What does fine-tuning start from: which checkpoint, does it fit, and what of it is kept?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from spondyl.errors import CheckpointError
from spondyl.learning.checkpoint import LoadedModel, load_model
from spondyl.learning.weights import head_fits, put_weights
from spondyl.recipe import (
    CodecRecipe,
    Recipe,
    SlotsCodecRecipe,
    parse_recipe,
    read_recipe,
    shipped_recipe,
)

PACKAGED = Path(__file__).parents[1] / "weights"
"""Where the networks are that come with the package, as ``NAME.safetensors``."""


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint that a training goes on from; ``name`` is its file's, without the folder."""

    name: str
    model: LoadedModel

    def recipe(self) -> Recipe:
        """The recipe ``fine-tune`` with this checkpoint's network, codec and input size."""
        usual, own = read_recipe(shipped_recipe("fine-tune")), self.model.recipe
        data = usual.model_dump(mode="json")
        data["model"] |= {"name": own.model.name, "dropout": own.model.dropout}
        data["codec"] = own.codec.model_dump(mode="json")
        data["data"]["image_size"] = own.data.image_size
        return parse_recipe(data, name=self.name)

    def fit_to(self, recipe: Recipe) -> Recipe:
        """The recipe without other first weights, which this checkpoint takes the place of.

        Raises:
            CheckpointError: the recipe is for another network.
        """
        asked, own = recipe.model.name, self.model.recipe.model.name
        if asked != own:
            raise CheckpointError(
                f"{self.name}: is of network {own}, the recipe asks for {asked}; "
                f"leave --recipe away, or set model.name to {own}"
            )
        model = recipe.model.model_copy(update={"pretrained": False, "weights": None})
        return recipe.model_copy(update={"model": model})

    def give(self, network: nn.Module, codec: CodecRecipe) -> str | None:
        """Gives ``network`` the checkpoint's weights; returns why its head starts anew, if so.

        The head is kept where its maps mean the same to both codecs, whatever the width of their
        Gaussians and the weights of their losses.
        """
        tensors, own = self.model.network.state_dict(), self.model.recipe.codec
        kept = maps_of(own) == maps_of(codec) and head_fits(network, tensors)
        put_weights(network, tensors, head=kept)
        if kept:
            return None
        there, here = maps_of(own), maps_of(codec)
        return f"{self.name}: its head starts anew: it was trained for {there}, need {here}"


def find_start(name: str) -> Start:
    """The checkpoint of a file, or of a network that comes with the package.

    Raises:
        CheckpointError: there is none, it is damaged, or it is not one of ours.
    """
    path = Path(name)
    if not path.suffix and not path.is_file():
        path = PACKAGED / f"{name}.safetensors"
        if not path.is_file():
            raise CheckpointError(
                f"{name}: no such network comes with spondyl; need a .safetensors checkpoint"
            )
    return Start(path.name, load_model(path))


def maps_of(codec: CodecRecipe) -> str:
    """What the channels of a head mean, in words; two codecs of the same share a head."""
    if isinstance(codec, SlotsCodecRecipe):
        return f"codec slots, {codec.slots} from the {codec.anchor}"
    return "codec set"
