"""What keeps a file from doing harm: limits, silence, one line of reason, a name for nobody."""

from __future__ import annotations

import hashlib
import logging
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Shaped

from spondyl.errors import FilmError

MIN_SIDE: Final = 64
MAX_PIXELS: Final = 64_000_000
MAX_ASPECT: Final = 8.0
MAX_BYTES: Final = 512 * 2**20

_warning_filters = threading.RLock()


def shown(path: Path) -> str:
    """The path as it may stand in a message of one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(path))


def alias(identity: str) -> str:
    """A name that identifies nobody: ``film-`` and 12 digits of the SHA-256 of an identity."""
    return f"film-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def check_file(path: Path) -> None:
    """Refuses what cannot be opened and read to its end, before it is opened.

    Raises:
        FilmError: not there, not a regular file (a pipe would block), empty or too large.
    """
    name = shown(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise FilmError(f"{name}: cannot be read ({_reason(error)})") from error
    if stat.S_ISDIR(status.st_mode):
        raise FilmError(f"{name}: a folder, need a file")
    if not stat.S_ISREG(status.st_mode):
        raise FilmError(f"{name}: not a regular file")
    if status.st_size == 0:
        raise FilmError(f"{name}: empty file")
    if status.st_size > MAX_BYTES:
        raise FilmError(f"{name}: {status.st_size} bytes, need at most {MAX_BYTES}")


def check_size(name: str, height: int, width: int, *, aspect: float = 1.0) -> None:
    """Refuses a film of (height, width) px that no network can use or no memory can hold.

    Raises:
        FilmError: a side below 64 px, more than 64 Mpx, or a true shape longer than 8 to 1.
    """
    size = f"{name}: {width} x {height} px"
    if min(height, width) < MIN_SIDE:
        raise FilmError(f"{size}, need at least {MIN_SIDE} px a side")
    if height * width > MAX_PIXELS:
        raise FilmError(f"{size}, need at most {MAX_PIXELS // 1_000_000} million pixels")
    shape = height * aspect / width
    if not 1 / MAX_ASPECT <= shape <= MAX_ASPECT:
        raise FilmError(f"{size}: too long and narrow, need at most {MAX_ASPECT:g} to 1")


@contextmanager
def one_line(name: str, fault: str, *, tell: bool = True) -> Iterator[None]:
    """Turns whatever a decoder raises into a :class:`FilmError`: ``name: fault (reason)``.

    A decoder in Rust panics with a ``BaseException``, so ``Exception`` is not enough. Without
    ``tell`` the reason is only the kind of error, because the text of a damaged header may hold
    a patient's name.
    """
    try:
        yield
    except (FilmError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = _reason(error) if tell else type(error).__name__
        raise FilmError(f"{name}: {fault} ({reason})") from error


@contextmanager
def silence() -> Iterator[None]:
    """Keeps back the warnings and the log of a reader, which may quote a header.

    Both belong to the whole process, so one thread at a time may change them.
    """
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger = logging.getLogger("pydicom")
        before = logger.propagate, logger.handlers
        logger.propagate, logger.handlers = False, [logging.NullHandler()]
        try:
            yield
        finally:
            logger.propagate, logger.handlers = before


def stretch(
    name: str, values: Shaped[np.ndarray, "h w"], low: float, high: float
) -> Float32[np.ndarray, "h w"]:
    """Grey values with ``low`` at 0 and ``high`` at 1, clipped.

    Raises:
        FilmError: the film is blank, or holds values that are not finite.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        raise FilmError(f"{name}: grey values are not finite")
    if not values.min() < values.max():
        raise FilmError(f"{name}: blank, every pixel has the same grey value")
    scaled = np.subtract(values, low, dtype=np.float32)
    scaled /= np.float32(high - low)
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:160] or type(error).__name__
