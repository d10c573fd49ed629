"""A damaged stream ends no process but the one that was made for it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from film.dx import values, write
from spondyl.errors import FilmError
from spondyl.film import lossless
from spondyl.film.lossless import decode_apart
from spondyl.film.reading import read_radiograph


@pytest.fixture
def film(tmp_path) -> Path:
    """A film in JPEG Lossless, which nothing here can write: one of another modality, renamed."""
    found = importlib.util.find_spec("data_store")
    if found is None or found.origin is None:
        pytest.skip("the package pydicom-data, which holds such files, is not installed")
    data = dcmread(Path(found.origin).parent / "data" / "JPEG-LL.dcm")
    data.Modality = "OT"
    data.save_as(tmp_path / "film.dcm")
    return tmp_path / "film.dcm"


@pytest.mark.filterwarnings("ignore")  # the file has an odd header
def test_what_is_decoded_apart_is_what_gdcm_decodes_here(film):
    np.testing.assert_array_equal(decode_apart(film, None), pixel_array(dcmread(film)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("offset", "value"), [(6, 255), (15, 0)], ids=["segmentation fault", "abort"]
)
def test_a_stream_that_ends_its_decoder_is_one_line(film, offset, value):
    """Each byte is one that ends the process of python-gdcm 3.2.6."""
    data = bytearray(film.read_bytes())
    data[data.index(b"\xff\xd8\xff") + offset] = value
    film.write_bytes(data)
    with pytest.raises(FilmError, match=r"film\.dcm: cannot be decoded \(the decoder of JPEG Loss"):
        read_radiograph(film)


def test_a_jpeg_2000_stream_that_ends_gdcm_is_one_line(tmp_path):
    path = write(tmp_path / "film.dcm", values(), encoding="JPEG 2000")
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\x4f\xff\x51") + 42] = 255  # depth of the samples
    path.write_bytes(data)
    with pytest.raises(FilmError, match="cannot be decoded"):
        read_radiograph(path)


def test_a_file_that_is_not_there_is_an_error_and_a_slow_one_is_not_waited_for(
    tmp_path, monkeypatch
):
    with pytest.raises(ValueError, match="the decoder of JPEG Lossless failed"):
        decode_apart(tmp_path / "--gone.dcm", 3)
    monkeypatch.setattr(lossless, "MAX_SECONDS", 0.001)
    with pytest.raises(ValueError, match=r"took more than 0\.001 s"):
        decode_apart(tmp_path / "--gone.dcm", None)
