"""A checkpoint learns how far off it is from films, and stays the same network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from small_runs import small

from spondyl.anatomy import LEVELS
from spondyl.data.sample import Sample
from spondyl.film.letterbox import Letterbox
from spondyl.film.radiograph import Radiograph
from spondyl.learning import calibrating
from spondyl.learning.batches import FilmCache, cache_films
from spondyl.learning.calibrating import calibrate, calibrate_checkpoint
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import PooledDetector, TorchDetector, load_predictor
from spondyl.learning.networks import build_network
from spondyl.predict import Predictor, on_film
from spondyl.spine.calibration import Calibration
from spondyl.spine.chain import to_landmarks
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import measure
from spondyl.spine.uncertainty import corner_radii

NAMES = ("L4", "L5", "S1")
SIZE, FILM = 64, (256, 192)  # px; (rows, columns)
SD = 0.5  # input px, which is 2 px of the film


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network: what it says does not matter where an oracle looks in its place."""
    recipe = small()
    torch.manual_seed(0)
    codec = make_codec(recipe.codec, recipe.data.image_size)
    network = build_network(recipe.model, codec.channels, heatmap_size=codec.heatmap_size)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_model(path, network, recipe, about={"seed": 7})
    return path


def films(seed: int, count: int) -> FilmCache:
    """Spines of three vertebrae at places of their own; nobody looks at the pixels."""
    rng = np.random.default_rng(seed)
    letterbox = Letterbox.fit(*FILM, SIZE)
    signs = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])
    samples = []
    for index in range(count):
        centres = np.array([[90.0, 50.0], [94.0, 110.0], [90.0, 170.0]]) + rng.normal(0, 10, 2)
        points = centres[:, None] + signs * [34.0, 22.0] + rng.normal(0, 2, (3, 4, 2))
        landmarks = Landmarks(points, levels=NAMES, facing="left")
        key = f"film-{seed}-{index}"
        samples.append(Sample(key, Path(key), *FILM, landmarks, key, "boxes", view="lateral"))
    inputs = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, SIZE, SIZE), np.uint8)
    known = [s.landmarks.moved(letterbox.to_input(s.landmarks.points)) for s in samples]
    return FilmCache(tuple(samples), (letterbox,) * count, inputs, tuple(known))


@dataclass
class Oracle:
    """Finds the true corners, off by a normal error; the grey of an input says which film it is."""

    films: FilmCache
    input_size: int = SIZE
    ordered: bool = False
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __call__(self, inputs: UInt8[np.ndarray, "b s s"]) -> list[Detections]:
        return [self._look(int(own[0, 0])) for own in inputs]

    def _look(self, index: int) -> Detections:
        points = self.films.landmarks[index].points
        logits = np.zeros((3, len(LEVELS) + 1))
        logits[range(3), [LEVELS.index(name) for name in NAMES]] = 8.0
        return Detections(
            np.full(3, 0.9), points + self.rng.normal(0, SD, points.shape), np.full((3, 4), 0.8),
            np.tile(4.0 * np.eye(2), (3, 4, 1, 1)), logits, np.full(3, -4.0),
        )  # fmt: skip


def look(patch: pytest.MonkeyPatch) -> None:
    """Has an oracle look where a checkpoint's network would."""

    def made(*_: object, **__: object) -> Oracle:
        return Oracle(films(1, 120))

    patch.setattr(calibrating, "TorchDetector", made)


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch)


@pytest.fixture(scope="module")
def known(checkpoint: Path) -> Calibration:
    """Fitted to what an oracle finds on 120 films."""
    with pytest.MonkeyPatch.context() as patch:
        look(patch)
        return calibrate(load_model(checkpoint), films(1, 120))


def test_the_calibration_says_how_far_off_the_corners_are(known: Calibration) -> None:
    """A normal error of 0.5 input px: nine of ten corners lie within 0.5 sqrt(-2 ln 0.1) px."""
    assert known.uncertainty is not None
    assert known.uncertainty.intervals.films == 120
    assert {"slip", "mean disc height", "sacral slope"} <= set(known.uncertainty.intervals.factors)
    found = known.uncertainty.applied(Oracle(films(2, 1))(np.zeros((1, SIZE, SIZE), np.uint8))[0])
    radii = corner_radii(found.covariance, 0.9)
    np.testing.assert_allclose(radii, SD * np.sqrt(-2 * np.log(0.1)), rtol=0.2)


def test_what_a_calibrated_network_measures_lies_in_its_intervals(known: Calibration) -> None:
    """The whole way of a prediction, in the px of films four times as large as the input."""
    unseen = films(3, 100)
    predictor = Predictor(Oracle(unseen), known, {})
    held, letterbox = [], unseen.letterboxes[0]
    for sample, inputs in zip(unseen.samples, unseen.inputs, strict=True):
        detections = predictor.detector(inputs[None])[0]
        found = to_landmarks(
            on_film(detections, letterbox, uncertainty=known.uncertainty),
            ordered=False, calibration=replace(known, trust=None), view="lateral",
        )  # fmt: skip
        true = {(m.name, m.levels, m.unit, m.definition): m.value
                for m in measure(sample.landmarks, sample.geometry)}  # fmt: skip
        for each in measure(found, sample.geometry, intervals=predictor.intervals):
            if each.low is not None and each.high is not None:
                value = true[each.name, each.levels, each.unit, each.definition]
                assert value is not None
                held.append(each.low <= value <= each.high)
    assert len(held) > 2000
    assert np.mean(held) == pytest.approx(0.9, abs=0.03)


@pytest.mark.usefixtures("oracle")
def test_a_calibrated_checkpoint_is_the_same_network(checkpoint: Path, tmp_path: Path) -> None:
    before, known = checkpoint.read_bytes(), films(1, 60)
    out = tmp_path / "calibrated.safetensors"
    fitted = calibrate_checkpoint(checkpoint, known, out=out, coverage=0.8)
    assert checkpoint.read_bytes() == before
    old, new = load_model(checkpoint), load_model(out)
    assert new.digest == old.digest
    assert old.calibration is None
    assert new.calibration is not None
    assert Calibration.from_json(new.calibration) == fitted
    assert new.about["seed"] == 7
    assert new.about["calibrated_on"] == {"films": 60, "digest": known.digest}
    intervals = load_predictor(out, device="cpu").intervals
    assert intervals is not None
    assert intervals.coverage == 0.8


@pytest.mark.usefixtures("oracle")
def test_views_of_one_network_keep_its_intervals(checkpoint: Path, tmp_path: Path) -> None:
    """They err less than the network that was calibrated alone: the intervals hold as well."""
    out = tmp_path / "calibrated.safetensors"
    calibrate_checkpoint(checkpoint, films(1, 60), out=out)
    alone, several = (load_predictor(out, device="cpu", tta=tta) for tta in (1, 3))
    assert isinstance(several.detector, PooledDetector)
    assert several.intervals == alone.intervals
    assert several.calibration.trust == alone.calibration.trust


def test_a_film_that_shows_nothing_to_the_network_calibrates_nothing(
    checkpoint: Path, samples: list[Sample]
) -> None:
    """The untrained network itself, on a few films: no error, and no failure either."""
    model = load_model(checkpoint)
    known = calibrate(model, cache_films(samples, SIZE))
    assert known.uncertainty is None
    predictor = Predictor(TorchDetector(model.network, model.recipe), known, {})
    assert predictor.intervals is None
    film = Radiograph(np.zeros(FILM, dtype=np.float32), source="dark")
    assert np.isnan(predictor(film).covariance).all()
