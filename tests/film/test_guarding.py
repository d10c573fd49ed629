"""Limits, silence and one line of reason around whatever a decoder does."""

import threading
import warnings

import numpy as np
import pytest

from spondyl.errors import FilmError
from spondyl.film.guarding import check_size, one_line, silence, stretch


@pytest.mark.parametrize("size", [(64, 64), (64, 512), (512, 64), (8000, 8000)])
def test_the_limits_themselves_are_allowed(size):
    check_size("a.png", *size)


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (64, 513), (513, 64), (8000, 8001)])
def test_one_pixel_beyond_a_limit_is_refused(size):
    with pytest.raises(FilmError, match=rf"a\.png: {size[1]} x {size[0]} px"):
        check_size("a.png", *size)


def test_the_true_shape_counts():
    check_size("a.png", 800, 100)
    with pytest.raises(FilmError, match="long and narrow"):
        check_size("a.png", 800, 100, aspect=1.1)


@pytest.mark.parametrize("error", [ValueError("a\n  b"), MemoryError(), BaseException("panic")])
def test_any_error_becomes_one_line(error):
    with pytest.raises(FilmError, match=r"^a\.png: bad \(.+\)$"), one_line("a.png", "bad"):
        raise error


def test_a_refusal_is_not_wrapped_twice():
    with pytest.raises(FilmError, match=r"^first$"), one_line("a.png", "bad"):
        raise FilmError("first")


def test_a_reason_that_may_name_a_patient_is_only_a_kind():
    with pytest.raises(FilmError) as caught, one_line("a.dcm", "bad", tell=False):
        raise ValueError("Doe^Jane")
    assert str(caught.value) == "a.dcm: bad (ValueError)"


def test_threads_that_read_at_once_leave_the_warnings_as_they_were():
    before = list(warnings.filters)

    def read():
        for _ in range(50):
            with silence():
                warnings.warn("Doe^Jane", stacklevel=1)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float64])
def test_grey_values_are_stretched_without_overflow(kind):
    values = np.array([[0, 100], [50, 25]], dtype=kind)
    if kind == np.int16:
        values = np.array([[-32768, 32767], [0, -1]], dtype=kind)
    low, high = float(values.min()), float(values.max())
    expected = (values.astype(np.float64) - low) / (high - low)
    np.testing.assert_allclose(stretch("a.png", values, low, high), expected, atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_grey_values_are_finite(bad):
    values = np.array([[0.0, bad]])
    with pytest.raises(FilmError, match="not finite"):
        stretch("a.png", values, float(values.min()), float(values.max()))
