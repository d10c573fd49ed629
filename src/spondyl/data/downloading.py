"""How is a public archive fetched, so that half of it or another one is never taken for it?"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, Final

from spondyl.data.sources import Archive
from spondyl.errors import DownloadError
from spondyl.version import __version__

_PATIENCE: Final = 30.0  # s without a byte
_CHUNK: Final = 2**16


def download(archive: Archive, out: Path) -> Path:
    """Fetches an archive into the folder ``out`` through pooch, and returns its path.

    The file appears under its name only when it is whole and its SHA-256 is the one expected.
    pooch itself begins again after an interruption; here the part that came is kept beside it
    and gone on with, where a checksum is known that proves the whole. A file that is there
    already and has the checksum is not fetched again.

    Raises:
        DownloadError: it cannot be reached, broke off or is another file, or another file of that
            name is in ``out`` already.
    """
    import pooch
    from requests import RequestException

    path = out / archive.name
    if path.exists() and archive.sha256 != pooch.file_hash(str(path)):
        raise DownloadError(f"{path}: is there already and may be another file; move it away")
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            archive.url, archive.sha256, fname=archive.name, path=out, downloader=_fetch(archive)
        )
    except ValueError as error:  # pooch has no exception of its own
        raise DownloadError(
            f"{archive.url}: what came has not the SHA-256 {archive.sha256}; nothing was kept"
        ) from error
    except (RequestException, OSError) as error:
        raise DownloadError(f"{archive.url}: {_reason(error)}") from error
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    import pooch

    return pooch.file_hash(str(path))


def _fetch(archive: Archive) -> Any:
    """A downloader as pooch calls it, that goes on where an earlier one broke off."""
    import requests

    def fetch(url: str, output_file: str, _: object) -> None:
        part = Path(output_file).parent / f".{archive.name}.part"
        had = part.stat().st_size if archive.sha256 and part.exists() else 0
        headers = {"User-Agent": f"spondyl/{__version__}"} | (
            {"Range": f"bytes={had}-"} if had else {}
        )
        with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as response:
            if response.status_code == 416:  # nothing is left: the part is whole, or another file
                part.replace(output_file)
                return
            response.raise_for_status()
            goes_on = response.status_code == 206
            with part.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
        shutil.move(part, output_file)

    return fetch


def _reason(error: Exception) -> str:
    """Why it failed, in one line."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code}, need 200"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off; run the same command to go on"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached; is this computer online?"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_PATIENCE:g} s; run the same command to go on"
    return f"cannot be fetched ({' '.join(str(error).split())[:120]})"
