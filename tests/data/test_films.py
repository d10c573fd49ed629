import pytest

from spondyl.data.films import Films
from spondyl.errors import AnnotationError


def test_a_film_beside_its_label_wins(tmp_path, make_film):
    beside = make_film(tmp_path / "a" / "x.png")
    make_film(tmp_path / "b" / "x.png")
    assert Films(tmp_path).of(tmp_path / "a" / "x.json") == beside


def test_each_part_of_a_release_has_its_own_folder_of_films(tmp_path, make_film):
    train = make_film(tmp_path / "train" / "images" / "x.jpg")
    valid = make_film(tmp_path / "valid" / "images" / "x.jpg")
    films = Films(tmp_path)
    assert films.of(tmp_path / "train" / "labels" / "x.txt") == train
    assert films.of(tmp_path / "valid" / "labels" / "x.txt") == valid
    assert films.key(train) == "train/images/x"


def test_a_film_in_a_folder_parallel_to_the_labels_is_found(tmp_path, make_film):
    film = make_film(tmp_path / "films" / "x.png")
    (tmp_path / "labels").mkdir()
    films = Films(tmp_path / "labels")
    assert films.of(tmp_path / "labels" / "x.csv") == film
    assert films.key(film) == "x"
    assert not films.has("x")


def test_a_name_with_dots_and_a_full_name_are_understood(tmp_path, make_film):
    film = make_film(tmp_path / "3209_jpg.rf.0a.jpg")
    films = Films(tmp_path)
    assert films.of(tmp_path / "3209_jpg.rf.0a.json") == film
    assert films.of(tmp_path / "labels.json", name="3209_jpg.rf.0a.jpg") == film


def test_no_film_and_two_films_are_said_in_one_line(tmp_path, make_film):
    make_film(tmp_path / "a" / "x.png")
    make_film(tmp_path / "a" / "x.jpg")
    films = Films(tmp_path)
    with pytest.raises(AnnotationError, match=r"^two films fit: x\.jpg and x\.png$"):
        films.of(tmp_path / "a" / "x.json")
    with pytest.raises(AnnotationError, match=r"^no film named y\.\* was found$"):
        films.of(tmp_path / "a" / "y.json")


@pytest.mark.parametrize("folder", ["labels", "labels/images", "images", "elsewhere/deep"])
def test_a_film_that_a_label_names_is_looked_for_beside_it_and_then_by_name(
    tmp_path, make_film, folder
):
    film = make_film(tmp_path / folder / "part" / "x.png")
    label = tmp_path / "labels" / "a.xml"
    label.parent.mkdir(exist_ok=True)
    assert Films(tmp_path).linked(label, "part/x.png").samefile(film)


@pytest.mark.parametrize("name", ["gone.png", "x" * 5000, "a\0b", "..", "."])
def test_a_name_that_no_film_can_have_is_said_in_one_line(tmp_path, name):
    with pytest.raises(AnnotationError, match="no film named"):
        Films(tmp_path).linked(tmp_path / "a.xml", name)
