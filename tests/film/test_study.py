"""A study is walked: films are chosen, the rest is skipped with a reason, and nothing is lost."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, uid

from film.canary import leaks, plant
from film.dx import values, write
from spondyl.errors import FilmError, UsageError
from spondyl.film.reading import film_size, read_radiograph
from spondyl.film.study import Chosen, choose_films

STORED = values()


def film(path: Path, **tags: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, STORED, **tags)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(80 * 96, dtype=np.uint8).reshape(80, 96)).save(path, format="PNG")
    return path


def reason(folder: Path, **options: object) -> str | None:
    """Why the only film of a folder is skipped; None where it is chosen."""
    chosen, skipped = choose_films([folder], **options)
    assert len(chosen) + len(skipped) == 1
    return skipped[0].reason if skipped else None


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"Modality": "SR"}, "modality 'SR' (structured report), no radiograph"),
        ({"Modality": "KO"}, "modality 'KO' (key object selection), no radiograph"),
        ({"Modality": "PR"}, "modality 'PR' (presentation state), no radiograph"),
        ({"Modality": "CT"}, "modality 'CT' (computed tomography), no radiograph"),
        ({"Modality": "US"}, "modality 'US' (ultrasound), no radiograph"),
        ({"Modality": "JANE"}, "a modality that DICOM does not define, no radiograph"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer, no radiograph"),
        ({"Modality": "OT", "ConversionType": "SD"}, "a scanned document, no radiograph"),
        ({"PhotometricInterpretation": "RGB"}, "colour (RGB), no grey radiograph"),
        ({"SOPClassUID": uid.MRImageStorage}, "MR Image Storage, no radiograph"),
        ({"SOPClassUID": uid.MediaStorageDirectoryStorage},
         "Media Storage Directory Storage, no radiograph"),
        ({"Modality": None, "Rows": None, "SOPClassUID": "1.2.3.4"}, "not an image"),
        ({"NumberOfFrames": 7}, "7 frames, need 1; choose one with --frame"),
        ({"BodyPartExamined": "CHEST"},
         "body part chest, need a spine (--any-body-part takes it)"),
        ({"BodyPartExamined": "CSPINE"},
         "body part cervical spine, need a spine (--any-body-part takes it)"),
        ({}, None),
        ({"Modality": None}, None),
        ({"SOPClassUID": "1.2.3.4"}, None),
        ({"Modality": "CR", "SOPClassUID": uid.ComputedRadiographyImageStorage}, None),
        ({"Modality": "OT", "SOPClassUID": uid.SecondaryCaptureImageStorage,
          "ConversionType": "DF"}, None),
    ],
)  # fmt: skip
def test_what_is_no_film_of_a_spine_is_skipped_with_its_reason(tmp_path, tags, said):
    film(tmp_path / "film.dcm", **tags)
    assert reason(tmp_path) == said


PASSING = (
    "SPINE", "LSPINE", "LUMBAR SPINE", "L-SPINE", "TSPINE", "T SPINE", "SSPINE", "SACRUM",
    "TLSPINE", "THORACOLUMBAR", "WHOLE BODY", "WHOLESPINE", "CTSPINE", "CERVICOTHORACIC SPINE",
    "COCCYX", "LWS", "CHEST SPINE", "", "ANKYLOSIS", "UNKNOWN", "1234",
)  # fmt: skip
REFUSED = {
    "CHEST": "chest", "Chest": "chest", "HAND": "hand", "HANDS": "hand", "KNEE LEFT": "knee",
    "SKULL": "skull", "UPPER EXTREMITY": "extremity", "RIBS": "rib", "ABDOMEN": "abdomen",
    "PELVIS": "pelvis", "LOWERLEG": "lowerleg", "CSPINE": "cervical spine",
    "C-SPINE": "cervical spine", "HWS": "cervical spine",
    "CERVICAL SPINE": "cervical spine", "SPINE CERVICAL": "cervical spine", "NECK": "neck",
    "UPPERARM": "upperarm", "CHESTABDOMEN": "abdomen",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # some words are no code strings
@pytest.mark.parametrize("text", PASSING)
def test_a_spine_and_a_word_that_nobody_knows_pass(tmp_path, text):
    film(tmp_path / "film.dcm", BodyPartExamined=text)
    assert reason(tmp_path) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("text", "part"), REFUSED.items())
def test_another_body_part_is_skipped_unless_asked_for(tmp_path, text, part):
    film(tmp_path / "film.dcm", BodyPartExamined=text)
    assert reason(tmp_path) == f"body part {part}, need a spine (--any-body-part takes it)"
    assert reason(tmp_path, any_body_part=True) is None


def region(code: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "Canary"
    return item


@pytest.mark.parametrize(
    ("code", "scheme", "part"),
    [
        ("122496007", "SCT", None),  # lumbar spine
        ("T-11503", "SRT", None),  # lumbar spine, in SNOMED RT
        ("122494005", "SCT", "cervical spine"),
        ("51185008", "SCT", "thorax"),
        ("T-D3000", "SRT", "thorax"),
        ("72696002", "SCT", "knee"),
        ("28231008", "SCT", "gallbladder"),
        ("0000000", "SCT", None),
        ("51185008", "99JANE", None),
    ],
)
def test_a_coded_region_counts_as_a_body_part(tmp_path, code, scheme, part):
    film(tmp_path / "film.dcm", AnatomicRegionSequence=[region(code, scheme)])
    said = reason(tmp_path)
    assert said == (part and f"body part {part}, need a spine (--any-body-part takes it)")


def test_a_word_of_the_spine_outweighs_another_region(tmp_path):
    film(
        tmp_path / "film.dcm", BodyPartExamined="LSPINE",
        AnatomicRegionSequence=[region("51185008", "SCT")],
    )  # fmt: skip
    assert reason(tmp_path) is None


class TestFrames:
    """A file of several frames is looked at when one is chosen."""

    def several(self, folder: Path, encoding: str = "explicit") -> Path:
        frames = np.stack([STORED // (k + 1) for k in range(3)])
        frames[1, :, 48:] = 0
        return write(folder / "run.dcm", frames, encoding=encoding)

    def test_the_chosen_frame_is_read_and_its_key_says_so(self, tmp_path):
        path = self.several(tmp_path)
        plain = choose_films([film(tmp_path / "film.dcm")])[0][0].key
        (one, several), skipped = choose_films([tmp_path], frame=2)
        assert not skipped
        assert (one.key, one.frame, several.frame) == (plain, None, 2)
        assert re.fullmatch(r"film-[0-9a-f]{12}-frame2", several.key)
        pixels = read_radiograph(path, 2).pixels
        assert not pixels[:, 48:].any()
        expected = STORED[:, :48] // 2
        top = expected.max()
        np.testing.assert_allclose(pixels[:, :48], expected / top, atol=1e-6)
        assert film_size(path, 2) == STORED.shape

    @pytest.mark.parametrize("encoding", ["explicit", "RLE", "big endian", "deflated"])
    def test_every_frame_is_the_film_that_was_stored(self, tmp_path, encoding):
        path = self.several(tmp_path, encoding)
        for frame, top in ((1, 4095), (3, 1365)):
            stored = STORED // frame
            back = read_radiograph(path, frame).pixels * (top - stored.min()) + stored.min()
            np.testing.assert_array_equal(np.rint(back), stored)

    def test_a_frame_that_is_not_there_is_refused(self, tmp_path):
        path = self.several(tmp_path)
        for frame in (4, 0, -1):
            with pytest.raises(FilmError, match=rf"run\.dcm: no frame {frame}, has 1 to 3"):
                read_radiograph(path, frame)
        with pytest.raises(FilmError, match="3 frames, need 1; choose one with --frame"):
            read_radiograph(path)
        with pytest.raises(FilmError, match="a picture has no frame 2"):
            read_radiograph(picture(tmp_path / "a.png"), 2)
        with pytest.raises(UsageError, match="--frame 0: need a number from 1"):
            choose_films([tmp_path], frame=0)


class TestNothingIsLost:
    """Every file that could be a film is chosen or skipped, whatever it is."""

    def test_a_damaged_file_is_chosen_so_that_reading_it_says_why(self, tmp_path):
        good = film(tmp_path / "good.dcm").read_bytes()
        damaged = {
            "cut.dcm": good[:400], "empty.dcm": b"", "IM1": b"", "text.dcm": b"Jane",
            "bare": good[:200], "nopreamble.dcm": good[132:], "half.dcm": good[:9000],
        }  # fmt: skip
        for name, data in damaged.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")
        os.mkfifo(tmp_path / "pipe.dcm")
        (tmp_path / "good.dcm").unlink()
        chosen, skipped = choose_films([tmp_path])
        assert {file.path.name for file in chosen} == {*damaged, "gone.dcm", "pipe.dcm"}
        assert not skipped
        for file in chosen:
            with pytest.raises(FilmError, match=re.escape(f"{file.path}: ")):
                read_radiograph(file.path)

    def test_what_lies_beside_films_is_skipped_or_passed_over(self, tmp_path):
        film(tmp_path / "DICOMDIR", SOPClassUID=uid.MediaStorageDirectoryStorage)
        film(tmp_path / "deep/er/1.2.840.77")
        film(tmp_path / "siemens.IMA")
        picture(tmp_path / "b.PNG")
        for name in ("README", "notes.txt", "labels.json", ".hidden.dcm", ".git/x.dcm"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("not a film")
        chosen, skipped = choose_films([tmp_path])
        names = [str(file.path.relative_to(tmp_path)) for file in chosen]
        assert names == ["b.PNG", "deep/er/1.2.840.77", "siemens.IMA"]
        assert {file.path.name: file.reason for file in skipped} == {
            "DICOMDIR": "the index of a folder, no film",
            "README": "neither DICOM nor a picture",
        }

    def test_a_file_named_by_itself_is_chosen_whatever_it_is(self, tmp_path):
        paths = [
            film(tmp_path / "a.dcm", Modality="SR"),
            film(tmp_path / "b.dcm", BodyPartExamined="CHEST"),
            film(tmp_path / "c.dcm", NumberOfFrames=7),
        ]
        (tmp_path / "d.txt").write_text("not a film")
        chosen, skipped = choose_films([*paths, tmp_path / "d.txt", tmp_path])
        assert [file.path.name for file in chosen] == ["a.dcm", "b.dcm", "c.dcm", "d.txt"]
        assert not skipped
        assert "body part chest, by its header" in read_radiograph(paths[1]).notes[-1]

    def test_a_folder_without_films_and_a_path_that_is_not_there_are_refused(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing")
        with pytest.raises(UsageError, match="no films in this folder"):
            choose_films([tmp_path])
        with pytest.raises(UsageError, match="no such film or folder"):
            choose_films([tmp_path / "gone"])

    @given(st.lists(st.sampled_from(["film", "SR", "chest", "cut", "same", "png"]), max_size=12))
    @settings(max_examples=25, deadline=None)
    def test_chosen_and_skipped_are_all_files_in_order_with_keys_of_their_own(
        self, tmp_path_factory, kinds
    ):
        folder = tmp_path_factory.mktemp("study")
        for number, kind in enumerate([*kinds, "film"]):
            path = folder / f"{number:02}.dcm"
            tags = {"SR": {"Modality": "SR"}, "chest": {"BodyPartExamined": "CHEST"},
                    "same": {"SOPInstanceUID": "2.25.1"}}.get(kind, {})  # fmt: skip
            if kind == "png":
                picture(path.with_suffix(".png"))
            else:
                film(path, **tags)
            if kind == "cut":
                path.write_bytes(path.read_bytes()[:300])
        chosen, skipped = choose_films([folder])
        assert sorted(f.path for f in (*chosen, *skipped)) == sorted(folder.iterdir())
        assert [f.path for f in chosen] == sorted(f.path for f in chosen)
        assert len({f.key for f in chosen}) == len(chosen)


class TestKeys:
    """What a film is called tells nobody who it is of."""

    def test_a_dicom_film_is_named_by_a_digest_of_its_uid(self, tmp_path):
        path = film(tmp_path / "DOE_JANE.dcm", SOPInstanceUID="1.2.826.0.1.3680043.8.498.77")
        (chosen,), _ = choose_films([path])
        # printf 1.2.826.0.1.3680043.8.498.77 | sha256sum
        assert chosen == Chosen(path, "film-5989c4bace0b", None)
        (elsewhere,), _ = choose_films([Path(shutil.copy(path, tmp_path / "other.dcm"))])
        assert elsewhere.key == chosen.key
        assert read_radiograph(path).source == chosen.key

    def test_without_a_uid_the_bytes_name_the_film(self, tmp_path):
        def bare(name: str, **tags: object) -> Path:
            path = film(tmp_path / name, **tags)
            data = path.read_bytes()
            mark = data.index(b"\x08\x00\x18\x00UI")
            # an empty UID in the data set, and a file meta that names none
            length = int.from_bytes(data[mark + 6 : mark + 8], "little")
            data = data[: mark + 6] + b"\0\0" + data[mark + 8 + length :]
            path.write_bytes(data.replace(b"\x02\x00\x03\x00UI", b"\x02\x00\x05\x00UI"))
            return path

        one, two = bare("one.dcm"), bare("two.dcm", KVP=70)
        same = Path(shutil.copy(one, tmp_path / "same.dcm"))
        keys = [choose_films([path])[0][0].key for path in (one, two, same)]
        assert keys[0] == keys[2] != keys[1]

    def test_names_are_kept_where_they_may_be(self, tmp_path):
        film(tmp_path / "a/film.dcm")
        film(tmp_path / "b/film.dcm")
        picture(tmp_path / "c/film.png")
        picture(tmp_path / "c/other.png")
        hidden, _ = choose_films([tmp_path])
        assert [f.key for f in hidden][2:] == ["film", "other"]
        assert all(f.key.startswith("film-") for f in hidden[:2])
        told, _ = choose_films([tmp_path], deidentify=False)
        assert [f.key for f in told] == [
            *(str(tmp_path / name) for name in ("a/film.dcm", "b/film.dcm", "c/film.png")), "other"
        ]  # fmt: skip

    def test_a_second_copy_is_skipped_even_when_named(self, tmp_path):
        first = film(tmp_path / "a.dcm")
        second = Path(shutil.copy(first, tmp_path / "b.dcm"))
        for given_paths in ([tmp_path], [second, first]):
            (chosen,), (skipped,) = choose_films(given_paths)
            assert (chosen.path, skipped.path) == (first, second)
            assert skipped.reason == f"same film as {chosen.key}"
        _, (skipped,) = choose_films([tmp_path], deidentify=False)
        assert skipped.reason == f"same film as {first}"

    def test_a_copy_that_is_cut_short_hides_no_whole_one(self, tmp_path):
        whole = film(tmp_path / "whole.dcm")
        data = whole.read_bytes()
        (tmp_path / "cut.dcm").write_bytes(data[: len(data) // 2])
        (tmp_path / "zzz.dcm").write_bytes(data[:9000])
        (chosen,), skipped = choose_films([tmp_path])
        assert chosen.path == whole
        assert [file.path.name for file in skipped] == ["cut.dcm", "zzz.dcm"]
        assert {file.reason for file in skipped} == {f"same film as {chosen.key}"}


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_in_a_header_is_chosen_or_skipped(tmp_path_factory, position, value):
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    tags = {
        "BodyPartExamined": "LSPINE", "PatientAge": "045Y", "PatientOrientation": ["A", "F"],
        "AnatomicRegionSequence": [region("122496007", "SCT")], "ShutterShape": "CIRCULAR",
        "CenterOfCircularShutter": [40, 48], "RadiusOfCircularShutter": 60,
        "ImagerPixelSpacing": [0.2, 0.2], "SeriesDescription": "LWS seitl.",
    }  # fmt: skip
    data = bytearray(film(folder / "film.dcm", **tags).read_bytes())
    data[132 + int(position * 900)] = value
    (folder / "film.dcm").write_bytes(data)
    chosen, skipped = choose_films([folder])
    assert len(chosen) + len(skipped) == 1
    for each in chosen:
        with contextlib.suppress(FilmError):
            read_radiograph(each.path, each.frame)


FAULTS = [
    {},
    {"Modality": "SR"},
    {"BodyPartExamined": "CHEST"},
    {"NumberOfFrames": 2},
    {"Columns": 999},
    {"PixelSpacing": [0, 0]},
    {"BurnedInAnnotation": "YES"},
    {"WindowCenter": 5, "WindowWidth": 3},
    {"AnatomicRegionSequence": [region("51185008", "SCT")]},
]


@pytest.mark.parametrize("codes", [False, True], ids=["texts", "codes too"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(fault) or "none")
def test_no_word_of_a_film_that_names_somebody_gets_out(tmp_path, caplog, capfd, fault, codes):
    """Some thousand words in one header; what is said of it has none of them."""
    planted = plant(tmp_path, codes=codes, **fault)
    assert len(planted.words) > 990
    caplog.clear()
    on_disk = leaks(planted, [planted.path.read_bytes()])
    assert len(on_disk) == len(planted.words) - 1  # all but the file's name
    said = []
    for options in ({}, {"frame": 1}, {"any_body_part": True}):
        chosen, skipped = choose_films([tmp_path], **options)
        said += [film.key for film in chosen] + [film.reason for film in skipped]
    for frame in (None, 1):
        try:
            film = read_radiograph(planted.path, frame)
            said += [repr(film), film.source, repr(film.person), *film.notes]
        except FilmError as error:
            said.append(str(error).removeprefix(f"{planted.path}: "))
    assert leaks(planted, [*said, caplog.text, *capfd.readouterr()]) == []
