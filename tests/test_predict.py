import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from spondyl.anatomy import LEVELS
from spondyl.errors import FilmError
from spondyl.film.letterbox import Letterbox
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.predict import FoundFilm, Predictor, RefusedFilm, predict_films, within_film
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections

LUMBAR = LEVELS[12:]  # L1 to S1
SIZE = 256


def detections(corners: np.ndarray, *, score: float = 0.9, named: bool = True) -> Detections:
    count = len(corners)
    logits = np.zeros((count, len(LEVELS) + 1))
    if named:
        logits[np.arange(count), len(LEVELS) - count + np.arange(count)] = 8.0
    return Detections(
        np.full(count, score),
        corners,
        np.full((count, 4), 0.7),
        np.full((count, 4, 2, 2), np.nan),
        logits,
        np.full(count, 4.0),
    )


def column(height: int, width: int, *, count: int = 6) -> np.ndarray:
    """Corners (count, 4, 2) of an upright spine in the middle of a film."""
    pitch = 0.8 * height / count
    y = 0.15 * height + pitch * np.arange(count)
    signs = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) / 2
    centres = np.stack([np.full(count, width / 2), y], axis=-1)
    return centres[:, None] + signs * np.array([pitch, 0.75 * pitch])


class Oracle:
    """Finds what it is told, film by film, as a network would: in input px, worst first."""

    def __init__(self, *truths: np.ndarray, sizes: list[tuple[int, int]], ordered: bool = False):
        self.input_size = SIZE
        self.ordered = ordered
        self.batches: list[int] = []
        self._answers = iter(
            Letterbox.fit(h, w, SIZE).to_input(t) for t, (h, w) in zip(truths, sizes, strict=True)
        )

    def __call__(self, inputs: np.ndarray) -> list[Detections]:
        assert inputs.dtype == np.uint8
        assert inputs.shape[1:] == (SIZE, SIZE)
        self.batches.append(len(inputs))
        found = [detections(next(self._answers), named=not self.ordered) for _ in inputs]
        step = 1 if self.ordered else -1
        return [d.select(np.arange(len(d))[::step]) for d in found]


def film(height: int, width: int, **known) -> Radiograph:
    ramp = np.linspace(0, 1, height * width, dtype=np.float32)
    return Radiograph(ramp.reshape(height, width), **known)


def predictor_of(detector: Oracle) -> Predictor:
    return Predictor(detector, Calibration(), {"weights": "oracle"})


@pytest.mark.parametrize("size", [(2900, 1800), (300, 411), (256, 256)])
def test_an_oracle_detector_gives_its_landmarks_back(size):
    truth = column(*size)
    found = predictor_of(Oracle(truth, sizes=[size]))(film(*size))
    assert_allclose(found.points, truth, atol=1e-9)
    assert found.levels == LUMBAR
    assert found.facing == "right"


def test_an_ap_film_faces_nobody():
    size = (300, 200)
    found = predictor_of(Oracle(column(*size), sizes=[size]))(film(*size, view="ap"))
    assert found.facing is None


def test_ordered_detections_keep_their_order_and_have_no_names():
    size = (300, 200)
    upside_down = column(*size)[::-1].copy()
    found = predictor_of(Oracle(upside_down, sizes=[size], ordered=True))(film(*size))
    assert_allclose(found.points, upside_down)
    assert found.levels is None


@pytest.mark.parametrize("ordered", [False, True])
def test_an_anchor_names_the_film(ordered):
    size = (300, 200)
    predictor = predictor_of(Oracle(column(*size), sizes=[size], ordered=ordered))
    assert predictor(film(*size), anchor=("L4", 5)).levels == LEVELS[11:17]


def test_many_films_are_taken_in_batches_and_answered_in_order():
    sizes = [(300 + 10 * i, 200) for i in range(5)]
    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    taken: list[int] = []

    def films():
        for i, size in enumerate(sizes):
            taken.append(i)
            yield film(*size)

    answers = predictor_of(detector).many(films(), batch_size=2)
    assert_allclose(next(answers).points, column(*sizes[0]))
    assert taken == [0, 1]
    rest = list(answers)
    assert detector.batches == [2, 2, 1]
    for landmarks, size in zip(rest, sizes[1:], strict=True):
        assert_allclose(landmarks.points, column(*size))


def test_no_film_is_no_landmarks():
    assert list(predictor_of(Oracle(sizes=[])).many([])) == []


def test_corners_off_the_film_were_not_seen():
    """1 % of the longer side is 3 px: 2 px beyond the edge stays, 5 px beyond does not."""
    corners = column(300, 200)
    corners[0, :2, 1] = -5.0
    corners[-1, 2:, 1] = 301.0
    found = within_film(detections(corners), 300, width=200)
    missing = np.isnan(found.corners[..., 0])
    assert missing.sum() == 2
    assert missing[0, :2].all()
    assert_allclose(found.corners[~missing], corners[~missing])


def test_vertebrae_off_the_film_are_left_out():
    corners = column(300, 200)
    away, edge, cut = corners[0] + [0, -150], corners[1] + [98, 0], corners[2] + [150, 0]
    cut[[1, 3], 0] = np.nan
    everything = np.stack([away, edge, cut, corners[3]])
    found = within_film(detections(everything), 300, width=200)
    assert len(found) == 2
    assert_allclose(found.corners[0, [0, 2]], edge[[0, 2]])
    assert_allclose(found.corners[1], corners[3])


def test_a_vertebra_with_one_corner_on_the_film_is_left_out():
    lonely = np.full((1, 4, 2), np.nan)
    lonely[0, 3] = 100.0, 100.0
    assert len(within_film(detections(lonely), 300, width=200)) == 0


def answered(predictor: Predictor, paths: list[Path], **how):
    """The films found and those refused, each in the order of their answers."""
    answers = list(predict_films(predictor, paths, **how))
    found = [each for each in answers if isinstance(each, FoundFilm)]
    return found, [each for each in answers if isinstance(each, RefusedFilm)]


def write_films(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    paths = [folder / f"{i}.png" for i in range(len(sizes))]
    for path, (height, width) in zip(paths, sizes, strict=True):
        ramp = np.linspace(0, 255, height * width).reshape(height, width)
        Image.fromarray(ramp.astype(np.uint8)).save(path)
    return paths


def test_a_bad_film_does_not_stop_the_others(tmp_path):
    sizes = [(300 + i, 200) for i in range(10)]
    paths = write_films(tmp_path, sizes)
    broken = tmp_path / "broken.png"
    broken.write_text("not a film", encoding="utf-8")
    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    asked = [*paths[:3], broken, *paths[3:]]
    found, refused = answered(predictor_of(detector), asked)
    assert [one.path for one in found] == paths
    assert [(one.geometry.height, one.geometry.width) for one in found] == sizes
    for one, size in zip(found, sizes, strict=True):
        assert_allclose(one.landmarks.points, column(*size))
    [(path, message)] = refused
    assert path == broken
    assert "broken.png" in message
    assert "\n" not in message


def test_a_film_that_the_anchor_cannot_fit_is_refused_alone(tmp_path):
    sizes = [(300, 200), (300, 200)]
    paths = write_films(tmp_path, sizes)
    short = column(300, 200)[:2]
    predictor = predictor_of(Oracle(column(300, 200), short, sizes=sizes))
    found, refused = answered(predictor, paths, anchor=("L5", 5))
    assert [one.landmarks.levels for one in found] == [LUMBAR]
    [(path, message)] = refused
    assert path == paths[1]
    assert message.startswith(f"{paths[1]}: anchor L5=5: this film has 2 vertebrae")


def test_films_are_read_by_whoever_knows_most_of_them(tmp_path):
    """An annotation may say that a film is frontal where its file does not: nobody is anterior."""
    sizes = [(300, 200), (320, 200)]
    paths = write_films(tmp_path, sizes)
    asked: list[Path] = []

    def read(path: Path) -> Radiograph:
        asked.append(path)
        return film(*sizes[paths.index(path)], view="ap")

    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    found, refused = answered(predictor_of(detector), paths, read=read)
    assert (asked, refused) == (paths, [])
    assert [one.landmarks.facing for one in found] == [None, None]


def test_answers_come_batch_by_batch_and_each_film_is_read_once(tmp_path):
    """The first answer is there when one batch was read, so that hundreds of films need no room."""
    sizes = [(300, 200)] * 20
    paths = write_films(tmp_path, sizes)
    read_so_far: list[Path] = []

    def read(path: Path) -> Radiograph:
        read_so_far.append(path)
        if path in paths[2:4]:
            raise FilmError(f"{path}: spoilt")
        return film(300, 200)

    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    answers = predict_films(predictor_of(detector), paths, read=read)
    first = next(answers)
    assert (first, read_so_far) == (RefusedFilm(paths[2], f"{paths[2]}: spoilt"), paths[:10])
    assert sorted([first.path, *(each.path for each in answers)]) == sorted(paths)
    assert read_so_far == paths


def test_the_remarks_of_a_reader_come_with_the_landmarks(tmp_path):
    [path] = write_films(tmp_path, [(300, 200)])
    known = film(300, 200, notes=("scanned",), view="ap", spacing=PixelSpacing(0.4, 0.2))
    detector = Oracle(column(300, 200), sizes=[(300, 200)])
    [found], _ = answered(predictor_of(detector), [path], read=lambda path: known)
    assert (found.notes, found.geometry) == (("scanned",), known.geometry)


def test_a_film_keeps_its_spacing_where_it_has_one(tmp_path):
    sizes = [(300, 200), (300, 200)]
    paths = write_films(tmp_path, sizes)
    known = PixelSpacing(0.2, 0.2, "detector")

    def read(path: Path) -> Radiograph:
        return film(300, 200, spacing=known if path == paths[1] else None)

    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    found, _ = answered(predictor_of(detector), paths, read=read)
    assert [one.geometry.spacing for one in found] == [None, known]


def test_what_the_reader_refuses_is_refused_in_its_words(tmp_path):
    paths = write_films(tmp_path, [(300, 200), (300, 200)])

    def read(path: Path) -> Radiograph:
        if path == paths[0]:
            raise FilmError(f"{path}: the patient moved")
        return film(300, 200)

    detector = Oracle(column(300, 200), sizes=[(300, 200)])
    found, refused = answered(predictor_of(detector), paths, read=read)
    assert [one.path for one in found] == paths[1:]
    assert refused == [(paths[0], f"{paths[0]}: the patient moved")]


def test_a_film_without_vertebrae_is_found_empty(tmp_path):
    paths = write_films(tmp_path, [(300, 200)])
    detector = Oracle(np.zeros((0, 4, 2)), sizes=[(300, 200)])
    [found], refused = answered(predictor_of(detector), paths)
    size = found.geometry.height, found.geometry.width
    assert (found.path, size, refused) == (paths[0], (300, 200), [])
    assert len(found.landmarks) == 0


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_size_of_a_batch_changes_no_answer(batch_size):
    sizes = [(300 + 40 * i, 260 - 20 * i) for i in range(4)]
    detector = Oracle(*(column(*size) for size in sizes), sizes=sizes)
    found = predictor_of(detector).many((film(*size) for size in sizes), batch_size=batch_size)
    for landmarks, size in zip(found, sizes, strict=True):
        assert_allclose(landmarks.points, column(*size), atol=1e-9)


def test_a_faint_candidate_is_no_vertebra():
    """The calibration's threshold decides, not the detector."""
    size = (300, 200)
    found = detections(Letterbox.fit(*size, SIZE).to_input(column(*size)))
    found.score[2] = 0.01

    class Told(Oracle):
        def __call__(self, inputs):
            return [found]

    landmarks = predictor_of(Told(sizes=[]))(film(*size))
    assert len(landmarks) == 5
    assert_allclose(landmarks.points, np.delete(column(*size), 2, axis=0), atol=1e-9)


def test_confidence_and_uncertainty_come_back_in_image_px():
    """An input px of a 512 px film is two image px, so that a variance is four times as large."""
    size = (512, 512)
    told = replace(
        detections(Letterbox.fit(*size, SIZE).to_input(column(*size))),
        covariance=np.broadcast_to(np.eye(2), (6, 4, 2, 2)).copy(),
    )
    scaled = told.scaled(column(*size), 1 / Letterbox.fit(*size, SIZE).scale)
    assert_allclose(scaled.covariance[0, 0], 4 * np.eye(2))
    seen = within_film(scaled, 512, width=512)
    assert_allclose(seen.corners, column(*size))
    assert_allclose(seen.corner_score, 0.7)


def test_the_page_on_prediction_shows_what_was_measured():
    root = Path(__file__).parents[1]
    spec = importlib.util.spec_from_file_location("consensus", root / "benchmarks/consensus.py")
    assert spec is not None
    assert spec.loader is not None
    measured = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measured)
    assert f"<!-- measured -->\n{measured.tables()}<!-- end -->" in measured.PAGE.read_text("utf-8")
