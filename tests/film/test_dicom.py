"""DICOM films: every encoding gives the same pixels, every header its spacing or its refusal."""

import csv
import importlib.util
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate

from film.dx import ENCODINGS, make_dx, values, write
from spondyl.errors import FilmError
from spondyl.film import dicom
from spondyl.film.reading import film_size, read_radiograph

BUNDLED = Path(pydicom.data.__file__).parent


def pydicom_data() -> Path:
    found = importlib.util.find_spec("data_store")
    if found is None or found.origin is None:
        pytest.skip("the package pydicom-data, which holds real films, is not installed")
    return Path(found.origin).parent / "data"


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_lossless_encoding_gives_the_stored_values_back(
    tmp_path, encoding, bits, signed, kind
):
    stored = values(bits, signed=signed)
    path = write(
        tmp_path / "film.dcm", stored, bits=bits, signed=signed, encoding=encoding,
        PhotometricInterpretation=kind,
    )  # fmt: skip
    film = read_radiograph(path)
    shown = film.pixels.astype(np.float64)
    bright = 1 - shown if kind == "MONOCHROME1" else shown
    back = np.rint(bright * (stored.max() - stored.min())) + stored.min()
    np.testing.assert_array_equal(back, stored)
    assert film_size(path) == stored.shape


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("loss", ["I", "R"], ids=["irreversible", "reversible"])
def test_real_negative_films_are_the_same_in_jpeg_2000_and_decoded_by_others(number, loss):
    """RG1 is a chest, RG3 a lower leg; UNCI and UNCR are J2KI and J2KR, decoded by their maker."""
    plain, packed = (
        read_radiograph(pydicom_data() / f"RG{number}_{name}{loss}.dcm") for name in ("UNC", "J2K")
    )
    np.testing.assert_array_equal(packed.pixels, plain.pixels)
    assert plain.pixels.shape == {1: (1955, 1841), 3: (1760, 1760)}[number]
    assert plain.spacing is None  # the Pixel Spacing of RG1 is 0, 0, RG3 has none
    assert plain.view == "ap"


def test_bone_is_bright_on_a_real_negative_film():
    film = read_radiograph(pydicom_data() / "RG3_J2KR.dcm")  # MONOCHROME1
    air, tibia = film.pixels[690:720, 510:540], film.pixels[690:720, 770:900]
    assert np.median(tibia) > 0.4 > 0.1 > np.median(air)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit",
        "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "MR_small_padded",
    ],
)  # fmt: skip
def test_files_that_other_programs_encoded_give_the_same_pixels(tmp_path, name):
    films = []
    for source in ("MR_small", name):
        data = dcmread(BUNDLED / "test_files" / f"{source}.dcm")
        data.Modality = "OT"
        data.save_as(tmp_path / f"{source}.dcm")
        films.append(read_radiograph(tmp_path / f"{source}.dcm"))
    np.testing.assert_array_equal(films[1].pixels, films[0].pixels)


def test_jpeg_of_eight_bits_is_within_two_grey_values(tmp_path):
    stored = np.add.outer(np.arange(80), np.arange(96)).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(stored).save(packed, format="JPEG", quality=95)
    data = make_dx(stored, bits=8)
    data.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    data.PixelData = encapsulate([packed.getvalue()])
    data.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    pixels = read_radiograph(tmp_path / "film.dcm").pixels
    np.testing.assert_allclose(pixels * stored.max(), stored, atol=2)


@pytest.mark.filterwarnings("ignore")  # these files have odd headers
def test_lossless_jpeg_opens_without_a_decoder_of_restrictive_licence(tmp_path):
    data = dcmread(pydicom_data() / "JPEG-LL.dcm")
    assert data.file_meta.TransferSyntaxUID == uid.JPEGLosslessSV1
    data.Modality = "OT"
    data.save_as(tmp_path / "film.dcm")
    assert read_radiograph(tmp_path / "film.dcm").pixels.shape == (data.Rows, data.Columns)


@pytest.mark.filterwarnings("ignore")
def test_every_file_of_pydicom_opens_or_is_refused_in_one_line(shared_data):
    """Against the verdicts of an independent prototype, file by file."""
    table = shared_data / "dicom_acceptance.csv"
    roots = {"pydicom 3.0.2 bundled": BUNDLED, "pydicom-data 1.0.0": pydicom_data()}
    with table.open(encoding="utf-8") as file:
        rows = [
            (roots[row["set"]] / row["file"], row["our_verdict"]) for row in csv.DictReader(file)
        ]
    rows = [(path, verdict) for path, verdict in rows if path.exists()]
    assert len(rows) > 200
    assert {path: verdict_of(path) for path, _ in rows} == dict(rows)


def verdict_of(path):
    try:
        read_radiograph(path)
    except FilmError as error:
        return "refuse" if fits_a_line(error, path) else f"badly worded: {error}"
    return "open"


def fits_a_line(error, path):
    return str(error).startswith(f"{path}: ") and "\n" not in str(error) and len(str(error)) < 400


class TestPresentation:
    """What the header asks for is done to the grey values (PS3.3 C.11.1, C.11.2, C.7.5)."""

    def shown(self, tmp_path, stored=None, **tags: Any):
        stored = np.arange(80 * 96).reshape(80, 96) % 4096 if stored is None else stored
        return read_radiograph(write(tmp_path / "film.dcm", stored, **tags)).pixels, stored

    def test_a_window_clips_what_lies_outside_it(self, tmp_path):
        pixels, stored = self.shown(tmp_path, WindowCenter=2000, WindowWidth=1001)
        expected = ((stored - 1999.5) / 1000 + 0.5).clip(0, 1)  # C.11.2.1.2.1
        np.testing.assert_allclose(pixels, expected, atol=1e-6)

    def test_the_first_of_several_windows_counts(self, tmp_path):
        one, _ = self.shown(tmp_path, WindowCenter=2000, WindowWidth=1001)
        both, _ = self.shown(tmp_path, WindowCenter=[2000, 100], WindowWidth=[1001, 50])
        np.testing.assert_array_equal(one, both)

    def test_a_window_is_in_rescaled_units(self, tmp_path):
        plain, _ = self.shown(tmp_path, WindowCenter=2000, WindowWidth=1001)
        rescaled, _ = self.shown(
            tmp_path, WindowCenter=1000 - 500, WindowWidth=501, RescaleSlope=0.5,
            RescaleIntercept=-500,
        )  # fmt: skip
        np.testing.assert_allclose(plain, rescaled, atol=2e-3)

    @pytest.mark.parametrize("tags", [
        {"WindowCenter": 2000, "WindowWidth": 0},
        {"WindowCenter": 90000, "WindowWidth": 10},
        {"WindowCenter": None, "WindowWidth": None},
    ])  # fmt: skip
    def test_without_a_usable_window_the_whole_range_is_shown(self, tmp_path, tags):
        pixels, stored = self.shown(tmp_path, **{k: v for k, v in tags.items() if v is not None})
        np.testing.assert_allclose(pixels, stored / stored.max(), atol=1e-6)

    def test_a_voi_lut_maps_every_value(self, tmp_path):
        lut = Dataset()
        lut.LUTDescriptor, lut.LUTData = [4096, 0, 16], [(n * n) >> 8 for n in range(4096)]
        lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
        pixels, stored = self.shown(tmp_path, VOILUTSequence=[lut])
        mapped = (stored * stored) >> 8
        np.testing.assert_allclose(pixels, mapped / mapped.max(), atol=1e-6)

    @pytest.mark.parametrize(
        ("kind", "shape", "negative"),
        [
            ("MONOCHROME2", None, False), ("MONOCHROME2", "IDENTITY", False),
            ("MONOCHROME1", None, True), ("MONOCHROME1", "INVERSE", True),
            ("MONOCHROME2", "INVERSE", True),
        ],
    )  # fmt: skip
    def test_a_negative_is_turned_once(self, tmp_path, kind, shape, negative):
        tags = {"PresentationLUTShape": shape} if shape else {}
        pixels, stored = self.shown(tmp_path, PhotometricInterpretation=kind, **tags)
        bright = stored / stored.max()
        np.testing.assert_allclose(pixels, 1 - bright if negative else bright, atol=1e-6)

    @pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
    def test_padding_is_dark_and_does_not_stretch_the_film(self, tmp_path, kind):
        stored = 1000 + np.arange(80 * 96).reshape(80, 96) % 1000
        padded = stored.copy()
        padded[:, :20] = 4095
        pixels, _ = self.shown(
            tmp_path, padded, PixelPaddingValue=4095, PhotometricInterpretation=kind
        )
        assert not pixels[:, :20].any()
        bright = (stored - 1000) / 999
        expected = 1 - bright if kind == "MONOCHROME1" else bright
        np.testing.assert_allclose(pixels[:, 20:], expected[:, 20:], atol=1e-6)

    def test_bits_above_the_stored_ones_are_ignored(self, tmp_path):
        stored = np.arange(80 * 96).reshape(80, 96) % 4096
        pixels, _ = self.shown(tmp_path, stored | 0xA000)
        np.testing.assert_allclose(pixels, stored / 4095, atol=1e-6)

    def test_the_lut_of_a_real_file_is_applied(self):
        data = dcmread(pydicom_data() / "vlut_04.dcm")
        pixels = read_radiograph(pydicom_data() / "vlut_04.dcm").pixels
        assert len(np.unique(pixels)) <= data.VOILUTSequence[0].LUTDescriptor[0]
        assert (pixels.min(), pixels.max()) == (0, 1)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"Modality": "CT"}, "modality 'CT'"),
        ({"Modality": "MG"}, "modality 'MG'"),
        ({"PhotometricInterpretation": "RGB"}, "interpretation 'RGB', need MONOCHROME1"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "'PALETTE COLOR'"),
        ({"SamplesPerPixel": 3}, "need MONOCHROME1"),
        ({"NumberOfFrames": 7}, "7 frames, need 1"),
        ({"BitsAllocated": 32}, "32 bits"),
        ({"BitsStored": 17}, "17 used"),
        ({"Rows": None}, "not an image"),
        ({"Rows": 40}, "need at least 64 px"),
        ({"Rows": 65535, "Columns": 65535}, "need at most 64 million pixels"),
        ({"PixelAspectRatio": [1, 100]}, "too long and narrow"),
        ({"PixelData": None}, "no pixel data"),
        ({"Columns": 200}, "cannot be decoded"),
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "blank"),
    ],
)
def test_what_is_not_one_grey_radiograph_is_refused_by_name(tmp_path, tags, reason):
    path = write(tmp_path / "film.dcm", values(), **tags)
    with pytest.raises(FilmError, match=reason) as caught:
        read_radiograph(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_film_of_one_grey_value_is_blank(tmp_path):
    flat = np.full((80, 96), 7)
    with pytest.raises(FilmError, match="blank"):
        read_radiograph(write(tmp_path / "film.dcm", flat))
    with pytest.raises(FilmError, match="padding"):
        read_radiograph(write(tmp_path / "film.dcm", flat, PixelPaddingValue=7))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(tmp_path, encoding, share):
    path = write(tmp_path / "film.dcm", values(), encoding=encoding)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert verdict_of(path) == "refuse"


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_never_gets_past_the_refusal(tmp_path_factory, position, value):
    folder = tmp_path_factory.getbasetemp() / "bytes"
    folder.mkdir(exist_ok=True)
    data = bytearray(write(folder / "film.dcm", values(), encoding="RLE").read_bytes())
    data[int(position * min(len(data), 1200))] = value
    (folder / "changed.dcm").write_bytes(data)
    assert verdict_of(folder / "changed.dcm") in ("open", "refuse")


def test_a_file_that_inflates_without_end_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "MAX_INFLATED", 5_000)
    path = write(tmp_path / "film.dcm", values(), encoding="deflated")
    with pytest.raises(FilmError, match="inflates to more than 5000 bytes"):
        read_radiograph(path)
    with pytest.raises(FilmError, match="inflates"):
        film_size(path)


def test_a_wrong_length_of_the_file_meta_hides_no_deflated_data(tmp_path):
    path = write(tmp_path / "film.dcm", values(), encoding="deflated")
    data = bytearray(path.read_bytes())
    data[140:144] = struct.pack("<I", len(data) - 144)
    packer = zlib.compressobj(wbits=-15)
    path.write_bytes(bytes(data) + packer.compress(b"decoy") + packer.flush())
    with pytest.raises(FilmError):
        read_radiograph(path)


def test_a_decoder_that_panics_is_one_line(tmp_path, monkeypatch):
    class PanicException(BaseException):
        """What a decoder written in Rust raises."""

    def panic(_data, _stored):
        raise PanicException("index out of bounds\nnote: run with a backtrace")

    monkeypatch.setattr(dicom, "_presented", panic)
    with pytest.raises(FilmError, match="cannot be decoded") as caught:
        read_radiograph(write(tmp_path / "film.dcm", values()))
    assert "\n" not in str(caught.value)


def test_an_interrupt_is_not_swallowed(tmp_path, monkeypatch):
    def interrupt(_data, _stored):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom, "_presented", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_radiograph(write(tmp_path / "film.dcm", values()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", [{}, {"NumberOfFrames": 2}, {"Columns": 999}, {"Modality": "MR"}])
def test_no_word_of_the_patient_leaves_the_header(tmp_path, fault):
    names = ["PatientName", "PatientID", "StudyDescription", "InstitutionName", "PatientComments",
             "AccessionNumber", "PerformingPhysicianName", "OtherPatientIDs"]  # fmt: skip
    tags = {**dict.fromkeys(names, "Canary"), **fault}
    path = write(tmp_path / "film.dcm", values(), **tags)
    try:
        said = repr(read_radiograph(path))
    except FilmError as error:
        said = str(error)
    assert "canary" not in said.lower()


def test_a_header_that_cannot_be_understood_is_not_quoted(tmp_path):
    path = write(tmp_path / "film.dcm", values(), NumberOfFrames=1)
    data = path.read_bytes()
    mark = data.index(b"\x28\x00\x08\x00IS")
    assert data[mark + 8 : mark + 10] == b"1 "
    path.write_bytes(data[: mark + 8] + b"XY" + data[mark + 10 :])
    with pytest.raises(FilmError, match="damaged header") as caught:
        read_radiograph(path)
    assert "XY" not in str(caught.value)
