"""How does a checkpoint look at films: the torch side of a predictor."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from statistics import fmean

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from spondyl.data.sample import Sample
from spondyl.errors import UsageError
from spondyl.learning.batches import to_unit
from spondyl.learning.checkpoint import LoadedModel, load_model
from spondyl.learning.codecs import Codec, make_codec
from spondyl.learning.passes import has_dropout, thinned, views
from spondyl.predict import Predictor, calibration_of
from spondyl.recipe import Recipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.consensus import consensus
from spondyl.spine.detections import Detections
from spondyl.spine.uncertainty import pooled_uncertainty


class TorchDetector:
    """A network and its codec: 8-bit inputs to detections in input px."""

    def __init__(self, network: nn.Module, recipe: Recipe, *, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self.codec: Codec = make_codec(recipe.codec, recipe.data.image_size)
        self.input_size = recipe.data.image_size
        self.ordered = self.codec.ordered

    def __call__(self, inputs: UInt8[ndarray, "b s s"]) -> list[Detections]:
        """Candidates of each film, best first (``set``) or superior to inferior (``slots``)."""
        return self.find(self.load(inputs))

    def load(self, inputs: UInt8[ndarray, "b s s"]) -> Float[Tensor, "b 1 s s"]:
        """The inputs as the network takes them."""
        return to_unit(torch.from_numpy(inputs).to(self.device))

    @torch.inference_mode()
    def find(self, films: Float[Tensor, "b 1 s s"]) -> list[Detections]:
        """As ``__call__``, of films that are loaded."""
        return self.codec.decode(self.network(films))


Member = tuple[TorchDetector, Calibration]
"""One network of several, and how far it can be believed."""


class PooledDetector:
    """Several networks, or several passes of one: every film's ``consensus`` over all passes.

    Each member looks at each of ``tta`` views (``passes.views``), and with ``mc_dropout`` above 0
    so many times at each view, every time thinned out by its dropout: the passes are the product of
    the three numbers. ``calibration`` stands for those of the members: the mean of each threshold,
    the geometric mean of the temperatures. A member's level logits are scaled to that temperature,
    so that each counts as its own calibration has it. What it says of errors is the widest of what
    the members say (``pooled_uncertainty``); films are refused by what the first one knows. The
    members have one input size and codec.
    """

    def __init__(self, members: Sequence[Member], *, tta: int = 1, mc_dropout: int = 0) -> None:
        self._members = tuple(members)
        self._views = views(tta)
        self._draws = range(mc_dropout)
        first, _ = self._members[0]
        self.input_size = first.input_size
        self.ordered = first.ordered
        self.calibration = _pooled([calibration for _, calibration in members])

    def __call__(self, inputs: UInt8[ndarray, "b s s"]) -> list[Detections]:
        """Candidates of each film, in the order of its codec."""
        passes = [found for member in self._members for found in self._passes(member, inputs)]
        return [consensus(looks, ordered=self.ordered) for looks in zip(*passes, strict=True)]

    def _passes(
        self, member: Member, inputs: UInt8[ndarray, "b s s"]
    ) -> Iterator[list[Detections]]:
        """What one member finds in each pass, film by film."""
        detector, own = member
        films = detector.load(inputs)
        sharpness = self.calibration.temperature / own.temperature
        for view in self._views:
            for found in self._looks(detector, view.show(films)):
                back = (view.back(each, self.input_size) for each in found)
                yield [replace(d, level_logits=d.level_logits * sharpness) for d in back]

    def _looks(
        self, detector: TorchDetector, films: Float[Tensor, "b 1 s s"]
    ) -> Iterator[list[Detections]]:
        if not self._draws:
            yield detector.find(films)
        for draw in self._draws:
            with thinned(detector.network, draw):
                found = detector.find(films)
            yield found


def load_predictor(
    path: Path, *others: Path, device: str = "auto", tta: int = 1, mc_dropout: int = 0
) -> Predictor:
    """A predictor from a checkpoint that training wrote, or from several that vote together.

    Args:
        path: the checkpoint.
        others: further ones, of the same input size and codec.
        device: where the networks run.
        tta: views of each film in all, the film as it is among them; 1 adds none.
        mc_dropout: passes with the dropout of training at work; 0 leaves it off.

    Raises:
        CheckpointError: a file is missing, damaged, of another network, or calibrated by
            another version.
        UsageError: the networks cannot vote together, have no dropout where it is asked for, or a
            number of passes is impossible.
    """
    if tta < 1 or mc_dropout < 0:
        raise UsageError(f"tta is {tta}, mc_dropout is {mc_dropout}; need at least 1 and 0")
    where, paths = pick_device(device), (path, *others)
    models = {each: load_model(each, device=where) for each in paths}
    _check(paths, models, mc_dropout=mc_dropout)
    members = [_member(each, model, where) for each, model in models.items()]
    made_by = provenance(models)
    if len(members) == 1 and tta == 1 and not mc_dropout:
        return Predictor(*members[0], made_by)
    asked = {"tta": str(tta)} if tta > 1 else {}
    asked |= {"mc_dropout": str(mc_dropout)} if mc_dropout else {}
    pooled = PooledDetector(members, tta=tta, mc_dropout=mc_dropout)
    return Predictor(pooled, pooled.calibration, {**made_by, **asked})


def predict_samples(predictor: Predictor, samples: Sequence[Sample]) -> list[Sample]:
    """The same films with predicted landmarks in place of the annotated ones.

    Raises:
        FilmError: a film cannot be read.
    """
    found = predictor.many(sample.radiograph() for sample in samples)
    return [replace(s, landmarks=own) for s, own in zip(samples, found, strict=True)]


def device_name(device: str) -> str:
    """What to write beside a figure that was measured on a device."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cores = f"{os.cpu_count()} cores"
    listed = Path("/proc/cpuinfo")
    if listed.exists() and (found := re.search(r"model name\s*: (.+)", listed.read_text())):
        return f"{found[1]}, {cores}"
    return f"{platform.processor() or platform.machine()}, {cores}"


def pick_device(name: str) -> str:
    """``auto`` is the first of CUDA, Apple's MPS and the CPU that is there.

    Raises:
        UsageError: the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    devices = [*(device for device, found in there.items() if found), "cpu"]
    if name == "auto":
        return devices[0]
    if name not in devices:
        raise UsageError(f"device {name}: is not on this machine; need {' or '.join(devices)}")
    return name


def _member(path: Path, model: LoadedModel, device: str) -> Member:
    detector = TorchDetector(model.network, model.recipe, device=device)
    return detector, calibration_of(model.calibration, path=path)


def _pooled(calibrations: Sequence[Calibration]) -> Calibration:
    return Calibration(
        prod(each.temperature for each in calibrations) ** (1 / len(calibrations)),
        fmean(each.name_threshold for each in calibrations),
        fmean(each.score_threshold for each in calibrations),
        pooled_uncertainty([each.uncertainty for each in calibrations]),
        calibrations[0].trust,
        max(each.facing_limit for each in calibrations),
        calibrations[0].frontal,
        prod(each.frontal_temperature for each in calibrations) ** (1 / len(calibrations)),
        prod(each.sacrum_temperature for each in calibrations) ** (1 / len(calibrations)),
    )


def _check(paths: Sequence[Path], models: Mapping[Path, LoadedModel], *, mc_dropout: int) -> None:
    """That the models are several, see alike and answer alike, and have what is asked for."""
    first, reference = paths[0], models[paths[0]]
    seen: dict[str, Path] = {}
    for path, model in models.items():
        if (twin := seen.setdefault(model.digest, path)) != path or paths.count(path) > 1:
            raise UsageError(f"{path}: is the same network as {twin}; need each one once")
        size, wanted = (each.recipe.data.image_size for each in (model, reference))
        if size != wanted:
            raise UsageError(f"{path}: input of {size} px, need {wanted} px as {first} has it")
        kind, wanted_kind = _kind(model), _kind(reference)
        if kind != wanted_kind:
            raise UsageError(f"{path}: codec {kind}, need {wanted_kind} as {first} has it")
        if mc_dropout and not has_dropout(model.network):
            raise UsageError(
                f"{path}: was trained without dropout; Monte-Carlo dropout needs a network with "
                "model.dropout above 0"
            )


def _kind(model: LoadedModel) -> str:
    codec = model.recipe.codec
    return f"{codec.name} ({codec.anchor})" if codec.name == "slots" else codec.name


def provenance(models: Mapping[Path, LoadedModel]) -> Mapping[str, str]:
    """Of several models, every name and digest in order; what they share is said once."""
    every = list(models.values())
    codec = every[0].recipe.codec
    return {
        "weights": ", ".join(path.name for path in models),
        "weights_digest": ", ".join(model.digest for model in every),
        "recipe_digest": _once(model.recipe.digest for model in every),
        "network": _once(model.recipe.model.name for model in every),
        "codec": codec.name,
        "anchor": codec.anchor if codec.name == "slots" else "",
        "version": _once(str(model.about.get("version", "")) for model in every),
    }


def _once(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))
