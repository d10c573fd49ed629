"""PNG, JPEG and TIFF films: grey values, bit depth, orientation, and what is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from spondyl.errors import FilmError
from spondyl.film.reading import film_size, read_radiograph

GREY = np.linspace(0, 255, 80 * 96).reshape(80, 96).astype(np.uint8)
DEEP = np.linspace(300, 3900, 80 * 96).reshape(80, 96).astype(np.uint16)

# What the stored pixels look like, for each EXIF orientation, where the upright film is given.
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, -1),
}


def smooth(height=160, width=96):
    """A film with no symmetry, that JPEG keeps to a grey value or two."""
    y, x = np.mgrid[0:height, 0:width]
    return (60 + 100 * y / height + 60 * x / width).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_eight_bit_grey_comes_out_the_same_however_it_is_stored(tmp_path, mode, suffix):
    path = tmp_path / f"film.{suffix}"
    Image.fromarray(GREY).convert(mode).save(path)
    film = read_radiograph(path)
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-6)
    assert film.source == path.name
    assert (film.spacing, film.aspect, film.view) == (None, 1.0, None)


@pytest.mark.parametrize("name", ["film.png", "little.tif", "big.tif"])
def test_sixteen_bit_grey_spans_the_least_to_the_greatest_value(tmp_path, name):
    path = tmp_path / name
    image = Image.fromarray(DEEP.astype(">u2") if name == "big.tif" else DEEP)
    image.save(path)
    np.testing.assert_allclose(read_radiograph(path).pixels, (DEEP - 300) / 3600, atol=1e-6)


def test_one_bit_grey_is_black_and_white(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(GREY > 100).save(path)
    np.testing.assert_array_equal(read_radiograph(path).pixels, GREY > 100)


@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8 bit", "16 bit"])
def test_a_tiff_whose_white_is_zero_is_turned(tmp_path, pixels):
    """Written by hand: Pillow cannot store a negative in 16 bit."""
    tags = {256: 96, 257: 80, 258: 8 * pixels.itemsize, 259: 1, 262: 0, 273: 8 + 2 + 9 * 12 + 4,
            277: 1, 278: 80, 279: pixels.nbytes}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    path = tmp_path / "film.tif"
    path.write_bytes(header + entries + bytes(4) + pixels.tobytes())
    expected = 1 - GREY / 255 if pixels is GREY else 1 - (DEEP - 300) / 3600
    np.testing.assert_allclose(read_radiograph(path).pixels, expected, atol=1e-6)


def test_what_is_transparent_is_black(tmp_path):
    rgba = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    rgba[:, :30, 3] = 0
    path = tmp_path / "film.png"
    Image.fromarray(rgba).save(path)
    pixels = read_radiograph(path).pixels
    assert not pixels[:, :30].any()
    np.testing.assert_allclose(pixels[:, 30:], GREY[:, 30:] / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_is_read_in_grey_and_in_colour(tmp_path, mode):
    path = tmp_path / "film.jpg"
    Image.fromarray(smooth()).convert(mode).save(path, quality=95)
    assert np.abs(read_radiograph(path).pixels - smooth() / 255).max() < 4 / 255


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "packed.tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_film_is_upright_by_its_exif_orientation(tmp_path, orientation, suffix):
    """Pillow 13 garbles a turned TIFF that is not packed when it opens it by name."""
    upright = smooth()
    path = tmp_path / f"film.{suffix}"
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"jpg": {"quality": 95}, "packed.tif": {"compression": "tiff_lzw"}}
    image.save(path, exif=exif, **options.get(suffix, {}))
    film = read_radiograph(path)
    assert film.pixels.shape == film_size(path) == upright.shape
    assert np.abs(film.pixels - upright / 255).max() < 4 / 255


def test_a_coloured_mark_on_a_grey_film_is_no_photograph(tmp_path):
    rgb = np.dstack([GREY] * 3)
    rgb[5:15, 5:25] = (255, 0, 0)  # 2.6 % of the film
    Image.fromarray(rgb).save(tmp_path / "film.png")
    pixels = read_radiograph(tmp_path / "film.png").pixels
    np.testing.assert_allclose(pixels[20:], GREY[20:] / 255, atol=1e-6)


def test_a_colour_photograph_is_refused(tmp_path):
    y, x = np.mgrid[0:100, 0:100]
    rgb = np.dstack([x * 2, y * 2, 255 - x - y]).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "cat.jpg")
    with pytest.raises(FilmError, match=r"cat\.jpg: a colour photograph, need a grey radiograph"):
        read_radiograph(tmp_path / "cat.jpg")


def test_a_photograph_of_a_cat_is_refused():
    pictures = pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    folder = Path(pictures.__file__).parent
    for name in ("chelsea.png", "astronaut.png", "coffee.png"):
        with pytest.raises(FilmError, match="a colour photograph"):
            read_radiograph(folder / name)


def save_cmyk(path):
    Image.fromarray(GREY).convert("CMYK").save(path, format="JPEG")


def save_animation(path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])


def save_pages(path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(path, format="TIFF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("save", "reason"),
    [
        (save_cmyk, "pixels of kind CMYK"),
        (save_animation, "2 pages or frames, need 1"),
        (save_pages, "2 pages or frames, need 1"),
        (lambda path: Image.new("F", (90, 90)).save(path, format="TIFF"), "pixels of kind F"),
        (lambda path: Image.new("L", (90, 90), 9).save(path, format="PNG"), "blank"),
        (lambda path: Image.new("I;16", (90, 90), 9).save(path, format="PNG"), "blank"),
        (lambda path: Image.new("L", (63, 900)).save(path, format="PNG"), "at least 64 px"),
        (lambda path: Image.new("L", (70, 700)).save(path, format="PNG"), "long and narrow"),
        (lambda path: Image.new("1", (9000, 8000)).save(path, format="PNG"), "64 million"),
    ],
)
def test_what_is_not_one_grey_film_is_refused_by_name(tmp_path, save, reason):
    path = tmp_path / "film.any"
    save(path)
    with pytest.raises(FilmError, match=reason) as caught:
        read_radiograph(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header(tmp_path):
    """Pillow warns from 89 million px and raises from 179 million; neither reaches the user."""
    path = tmp_path / "bomb.png"
    Image.new("L", (80, 80)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (12_000).to_bytes(4) + (12_000).to_bytes(4)
    path.write_bytes(data)
    with pytest.raises(FilmError, match=r"bomb\.png: "):
        film_size(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"film.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (80, 96), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FilmError, match=r"film\.") as caught:
        read_radiograph(path)
    assert "\n" not in str(caught.value)
