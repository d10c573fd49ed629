"""The way into a film: recognised by its bytes, found in folders, refused in one line."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from spondyl.errors import FilmError, UsageError
from spondyl.film import guarding
from spondyl.film.reading import film_size, find_films, read_radiograph

GREY = np.linspace(0, 255, 80 * 96).reshape(80, 96).astype(np.uint8)


def save(path, kind="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GREY).save(path, format=kind)
    return path


def refusal(path):
    with pytest.raises(FilmError) as caught:
        read_radiograph(path)
    message = str(caught.value)
    assert "\n" not in message
    with pytest.raises(FilmError) as again:
        film_size(path)
    assert str(again.value) == message
    return message


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("name", ["film.png", "film.dcm", "film.txt", "film"])
def test_a_film_is_known_by_its_bytes_whatever_its_name(tmp_path, name, kind):
    path = save(tmp_path / name, kind)
    np.testing.assert_allclose(read_radiograph(path).pixels, GREY / 255, atol=3 / 255)
    assert film_size(path) == (80, 96)


def test_the_films_of_the_shared_folder_are_read_at_their_size(shared_data):
    films = find_films([shared_data / "lateral-films-unlabelled"])
    assert films
    for path in films:
        film = read_radiograph(path)
        assert (film.height, film.width) == film_size(path)
        assert film.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "content", [b"level,x,y\n", b"x", b"GIF89a" + bytes(90), b"%PDF-1.7", b"PK\x03\x04", bytes(999)]
)
def test_a_file_that_is_no_film_is_refused_though_named_png(tmp_path, content):
    path = tmp_path / "film.png"
    path.write_bytes(content)
    assert refusal(path) == f"{path}: not a film, need DICOM, PNG, JPEG or TIFF"


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*"])
def test_a_film_that_is_only_a_signature_is_refused(tmp_path, start):
    path = tmp_path / "film.png"
    path.write_bytes(start)
    assert refusal(path).startswith(f"{path}: damaged header (")


def test_a_dicom_file_that_is_only_a_signature_is_refused(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(bytes(128) + b"DICM")
    assert refusal(path).startswith(f"{path}: ")


def test_what_cannot_be_read_as_a_file_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "empty.png").endswith("empty file")
    assert refusal(tmp_path).endswith("a folder, need a file")
    assert refusal(tmp_path / "pipe.png").endswith("not a regular file")
    assert refusal(tmp_path / "absent.png").endswith("cannot be read (No such file or directory)")
    assert refusal(tmp_path / "nul\0.png").startswith(str(tmp_path / "nul?.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path):
    path = save(tmp_path / "film.png")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


def test_a_file_too_large_to_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(guarding, "MAX_BYTES", 10)
    assert "need at most 10" in refusal(save(tmp_path / "film.png"))


def test_a_line_break_in_a_name_stays_out_of_the_message(tmp_path):
    path = tmp_path / "a\nb.png"
    path.write_bytes(b"text")
    assert refusal(path).startswith(f"{tmp_path}/a?b.png: ")


def test_a_link_to_a_film_is_the_film(tmp_path):
    path = save(tmp_path / "film.png")
    (tmp_path / "link.png").symlink_to(path)
    assert read_radiograph(tmp_path / "link.png").source == "link.png"


class TestFindFilms:
    def test_folders_are_walked_in_order_and_files_kept_as_given(self, tmp_path):
        for name in ("b.PNG", "a.jpg", "deep/er/c.tiff", "deep/d.dcm", "deep/.hidden.png"):
            save(tmp_path / name)
        for name in ("notes.txt", "labels.json", ".git/x.png", "bare"):
            save(tmp_path / name)
        given = tmp_path / "labels.json"
        found = find_films([given, tmp_path])
        names = [str(path.relative_to(tmp_path)) for path in found]
        assert names == ["labels.json", "a.jpg", "b.PNG", "deep/d.dcm", "deep/er/c.tiff"]

    def test_dicom_files_need_no_suffix(self, tmp_path):
        for name in ("IM0001", "1.2.840.10008.77", "DICOMDIR", "film.txt"):
            (tmp_path / name).write_bytes(bytes(128) + b"DICM")
        (tmp_path / "README").write_text("not a film")
        found = [path.name for path in find_films([tmp_path])]
        assert found == ["1.2.840.10008.77", "IM0001"]

    def test_a_film_given_twice_is_found_once(self, tmp_path):
        path = save(tmp_path / "film.png")
        assert find_films([path, tmp_path, path]) == (path,)

    def test_a_folder_without_films_is_refused(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing")
        (tmp_path / "folder.png").mkdir()
        with pytest.raises(UsageError, match="no films in this folder") as caught:
            find_films([tmp_path])
        assert str(caught.value).startswith(f"{tmp_path}: ")

    def test_a_hidden_folder_that_is_named_is_walked(self, tmp_path):
        path = save(tmp_path / ".cache" / "film.png")
        assert find_films([tmp_path / ".cache"]) == (path,)

    def test_a_missing_file_is_left_to_the_reader(self, tmp_path):
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        assert find_films([tmp_path / "gone"]) == (tmp_path / "gone",)
