"""A checkpoint looks at films: the torch side gives what the codec decodes, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spondyl.errors import CheckpointError, UsageError
from spondyl.learning.checkpoint import save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import PooledDetector, TorchDetector, load_predictor, pick_device
from spondyl.learning.networks import build_network
from spondyl.recipe import Recipe, override, parse_recipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.consensus import consensus
from spondyl.spine.detections import Detections
from spondyl.spine.traits import TRAITS


class Oracle(torch.nn.Module):
    """Answers the same maps whatever it is shown."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.dtype == torch.float32
        assert inputs.shape[1] == 1
        assert 0 <= float(inputs.min()) <= float(inputs.max()) <= 1
        return self.maps[None].expand(len(inputs), -1, -1, -1)


def recipe(codec: str) -> Recipe:
    settings = {"name": codec, **({"heatmap_size": 16} if codec == "slots" else {})}
    return parse_recipe(
        {
            "model": {"name": "unet_small", "pretrained": False},
            "codec": settings,
            "data": {"image_size": 64},
        },
        name="test",
    )


def test_every_film_of_a_batch_gets_its_own_detections() -> None:
    made = recipe("set")
    codec = make_codec(made.codec, 64)
    maps = torch.full((codec.channels, 16, 16), -9.0)
    maps[0, 5, 7] = 4.0
    detector = TorchDetector(Oracle(maps), made)
    found = detector(np.full((3, 64, 64), 255, dtype=np.uint8))
    assert [len(each) for each in found] == [1, 1, 1]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-4)))
    assert detector.input_size == 64
    assert not detector.ordered


@pytest.mark.parametrize("codec", ["set", "slots"])
def test_a_checkpoint_becomes_a_predictor_that_says_what_it_is(tmp_path: Path, codec: str) -> None:
    made = recipe(codec)
    own = make_codec(made.codec, 64)
    network = build_network(
        made.model, own.channels, heatmap_size=own.heatmap_size, head_bias=own.head_bias
    )
    path = tmp_path / "best.safetensors"
    digest = save_model(path, network, made, about={"epoch": 3})
    predictor = load_predictor(path, device="cpu")
    assert predictor.made_by["weights_digest"] == digest
    assert predictor.made_by["codec"] == codec
    assert predictor.made_by["anchor"] == ("top" if codec == "slots" else "")
    assert predictor.made_by["recipe_digest"] == made.digest
    assert predictor.detector.ordered == (codec == "slots")
    inputs = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)
    together = predictor.detector(inputs)
    alone = [predictor.detector(inputs[i : i + 1])[0] for i in range(2)]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.corners, other.corners, atol=0.01)


def test_weights_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors") as caught:
        load_predictor(tmp_path / "none.safetensors", device="cpu")
    assert "\n" not in str(caught.value)


OLD_TRUST = {
    "traits": {
        trait.name: {"centre": 0.0, "spread": 1.0, "precision": [1.0] * (len(TRAITS) + 1)}
        for trait in TRAITS
    },
    "limit": 1.0,
    "films": 60,
}


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"trust": OLD_TRUST}, f"is of {len(TRAITS) + 1} traits, need {len(TRAITS)}"),
        ({"trust": {"limit": 1.0, "films": 60}}, "another version"),
        ({"uncertainty": {"corners": []}}, "incomplete"),
        ({"heat": 2.0}, "heat"),
    ],
)
def test_a_calibration_of_another_version_is_one_line_that_names_the_file(
    tmp_path: Path, told: dict[str, Any], fault: str
) -> None:
    made = recipe("set")
    network = build_network(made.model, make_codec(made.codec, 64).channels)
    path = tmp_path / "old.safetensors"
    save_model(path, network, made, calibration=told, about={})
    with pytest.raises(CheckpointError, match=r"old\.safetensors: its calibration") as caught:
        load_predictor(path, device="cpu")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_device_is_taken_and_auto_is_one_that_exists() -> None:
    assert pick_device("cpu") == "cpu"
    torch.zeros(1, device=pick_device("auto"))


# several passes


def checkpoint(path: Path, made: Recipe, *, seed: int = 0, **calibration: float) -> Path:
    """Random weights, drawn so wide that they say something."""
    own = make_codec(made.codec, made.data.image_size)
    torch.manual_seed(seed)
    network = build_network(made.model, own.channels, heatmap_size=own.heatmap_size)
    torch.nn.init.normal_(network.head.get_parameter("final.weight"), std=0.5)
    known = Calibration(**calibration).to_json() if calibration else None
    save_model(path, network, made, about={}, calibration=known)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two networks with dropout."""
    folder = tmp_path_factory.mktemp("weights")
    made = override(recipe("set"), ["model.dropout=0.3"])
    return [checkpoint(folder / f"{seed}.safetensors", made, seed=seed) for seed in range(2)]


def films(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64), dtype=np.uint8)


def assert_alike(one: Sequence[Detections], other: Sequence[Detections]) -> None:
    for a, b in zip(one, other, strict=True):
        for name in ("score", "corners", "level_logits", "facing_logit", "covariance"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-3, atol=2e-3)


class Seer(torch.nn.Module):
    """A network of one slot whose corners are the bright spots of the four quarters; it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[int] = []
        half = torch.arange(64) < 32
        sides = [(rows, columns) for rows in (half, ~half) for columns in (half, ~half)]
        self.quarters = torch.stack([rows[:, None] & columns for rows, columns in sides])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.looks.append(len(inputs))
        return inputs * self.quarters


def one_slot() -> Recipe:
    slots = {"name": "slots", "slots": 1, "heatmap_size": 64}
    return parse_recipe({"codec": slots, "data": {"image_size": 64}}, name="test")


SPOTS = np.array([[19.3, 20.6], [44.8, 18.2], [21.1, 41.7], [43.5, 46.4]])


def spots(points: np.ndarray) -> np.ndarray:
    steps = np.arange(64)
    squared = (steps[None] - points[:, :1, None]) ** 2 + (steps[:, None] - points[:, 1:, None]) ** 2
    film = np.exp(-squared / (2 * 3.0**2)).max(axis=0)
    return np.rint(255 * film).astype(np.uint8)[None]


def test_what_is_found_in_many_views_lies_where_it_is_on_the_film() -> None:
    """An equivariant network sees the same in every view; warping costs next to nothing."""
    detector = TorchDetector(Seer(), one_slot())
    pooled = PooledDetector([(detector, Calibration())], tta=9)
    [found] = pooled(spots(SPOTS))
    np.testing.assert_allclose(found.corners, SPOTS[None], atol=0.05)
    assert float(found.score[0]) == pytest.approx(1.0, abs=0.03)


def test_passes_are_networks_times_views_times_draws() -> None:
    """Dropout is asked for of each view; a network without any sees the same each time."""
    networks = [Seer() for _ in range(3)]
    members = [(TorchDetector(network, one_slot()), Calibration()) for network in networks]
    PooledDetector(members, tta=4, mc_dropout=5)(np.repeat(spots(SPOTS), 2, axis=0))
    assert [network.looks for network in networks] == [[2] * 20] * 3


def test_one_pass_of_one_network_is_that_pass() -> None:
    detector = TorchDetector(Seer(), one_slot())
    pooled = PooledDetector([(detector, Calibration(temperature=1.7))])
    inputs = np.concatenate([spots(SPOTS), spots(SPOTS + 2)])
    for one, other in zip(pooled(inputs), detector(inputs), strict=True):
        np.testing.assert_array_equal(one.corners, other.corners)
        np.testing.assert_array_equal(one.score, other.score)


def test_an_ensemble_is_the_consensus_of_its_members(weights: list[Path]) -> None:
    together = load_predictor(*weights, device="cpu")
    alone = [load_predictor(path, device="cpu").detector(films(3)) for path in weights]
    expected = [consensus(looks, ordered=False) for looks in zip(*alone, strict=True)]
    assert_alike(together.detector(films(3)), expected)


def test_each_member_counts_as_its_own_calibration_has_it(tmp_path: Path) -> None:
    """Over the pooled temperature, the logits are the mean of the members' calibrated ones."""
    stated = [(2.0, 0.2, 0.9), (8.0, 0.4, 0.8)]
    paths = [
        checkpoint(
            tmp_path / f"{t}.safetensors", recipe("set"), seed=7,
            temperature=t, score_threshold=score, name_threshold=name,
        )
        for t, score, name in stated
    ]  # fmt: skip
    changed = override(recipe("set"), ["seed=1"])  # the same weights of another recipe
    paths[1] = checkpoint(
        paths[1], changed, seed=7, temperature=8.0, score_threshold=0.4, name_threshold=0.8
    )
    together = load_predictor(*paths, device="cpu")
    calibration = together.calibration
    assert calibration.temperature == pytest.approx(4.0)
    assert calibration.score_threshold == pytest.approx(0.3)
    assert calibration.name_threshold == pytest.approx(0.85)
    [alone] = load_predictor(paths[0], device="cpu").detector(films(1))
    [found] = together.detector(films(1))
    expected = alone.level_logits * (1 / 2 + 1 / 8) / 2
    np.testing.assert_allclose(found.level_logits / calibration.temperature, expected, atol=1e-9)


@pytest.mark.parametrize("asked", [{"mc_dropout": 3}, {"tta": 3}, {"tta": 2, "mc_dropout": 2}])
def test_a_film_gets_the_same_answer_in_every_batch(
    weights: list[Path], asked: dict[str, int]
) -> None:
    predictor = load_predictor(weights[0], device="cpu", **asked)
    together = predictor.detector(films(4))
    alone = [predictor.detector(films(4)[i : i + 1])[0] for i in range(4)]
    assert_alike(together, alone)
    assert_alike(predictor.detector(films(4)[::-1].copy()), together[::-1])


def test_dropout_makes_passes_differ_and_is_off_afterwards(weights: list[Path]) -> None:
    thinned = load_predictor(weights[0], device="cpu", mc_dropout=1)
    whole = load_predictor(weights[0], device="cpu")
    [once], [plain] = thinned.detector(films(1)), whole.detector(films(1))
    assert len(once) != len(plain) or not np.allclose(once.score, plain.score, atol=1e-3)
    [spread] = load_predictor(weights[0], device="cpu", mc_dropout=8).detector(films(1))
    shared = spread.score > 0.3
    own = plain.covariance[0, 0, 0, 0]
    assert shared.any()
    assert np.median(spread.covariance[shared][:, :, 0, 0]) > 0 < own


def test_a_predictor_says_all_that_it_was_made_by(weights: list[Path]) -> None:
    digests = [load_predictor(w, device="cpu").made_by["weights_digest"] for w in weights]
    made_by = load_predictor(*weights, device="cpu", tta=2, mc_dropout=3).made_by
    assert made_by["weights"] == "0.safetensors, 1.safetensors"
    assert made_by["weights_digest"] == ", ".join(digests)
    assert (made_by["tta"], made_by["mc_dropout"]) == ("2", "3")
    assert (made_by["network"], made_by["codec"]) == ("unet_small", "set")
    assert not {"tta", "mc_dropout"} & set(load_predictor(*weights, device="cpu").made_by)
    alone = load_predictor(weights[0], device="cpu")
    assert isinstance(alone.detector, TorchDetector)


def other(folder: Path, settings: list[str], codec: str = "set") -> Path:
    return checkpoint(folder / "other.safetensors", override(recipe(codec), settings), seed=5)


@pytest.mark.parametrize(
    ("codec", "settings", "asked", "said"),
    [
        ("set", ["data.image_size=96"], {}, "input of 96 px, need 64 px as 0.safetensors"),
        ("slots", [], {}, r"codec slots \(top\), need set as 0.safetensors"),
        ("set", [], {"mc_dropout": 2}, "was trained without dropout"),
        ("set", [], {"tta": 0}, "tta is 0, mc_dropout is 0; need at least 1 and 0"),
        ("set", [], {"mc_dropout": -1}, "need at least 1 and 0"),
    ],
)
def test_networks_that_cannot_vote_together_are_refused(
    weights: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    codec: str, settings: list[str], asked: dict[str, Any], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(weights[0].parent)
    path = other(tmp_path, settings, codec)
    with pytest.raises(UsageError, match=said) as caught:
        load_predictor(Path(weights[0].name), path, device="cpu", **asked)
    assert "\n" not in str(caught.value)


def test_slots_counted_from_two_ends_are_two_codecs(tmp_path: Path) -> None:
    top = checkpoint(tmp_path / "top.safetensors", recipe("slots"))
    bottom = other(tmp_path, ["codec.anchor=bottom"], "slots")
    with pytest.raises(UsageError, match=r"codec slots \(bottom\), need slots \(top\)"):
        load_predictor(top, bottom, device="cpu")
    assert load_predictor(top, device="cpu", tta=2).detector.ordered


def test_a_network_votes_once(weights: list[Path], tmp_path: Path) -> None:
    twin = tmp_path / "twin.safetensors"
    twin.write_bytes(weights[0].read_bytes())
    for again in (twin, weights[0]):
        with pytest.raises(UsageError, match="is the same network as"):
            load_predictor(weights[0], again, device="cpu")
