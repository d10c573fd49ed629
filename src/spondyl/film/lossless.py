"""How is JPEG Lossless decoded, when some damaged streams make its decoder end the process?

gdcm is the only decoder of it under a permissive licence, and its C++ errors cannot be caught in
Python (tfmoraes/python-gdcm, issue 34). So it runs in a process of its own: this file as a script.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped

MAX_SECONDS: Final = 120


def decode_apart(path: Path, index: int | None) -> Shaped[np.ndarray, "*shape"]:
    """The stored values of a file, or of one of its frames (``index`` from 0).

    Raises:
        ValueError: the decoder failed, ended, or took too long.
    """
    script = [sys.executable, "-P", "-W", "ignore", __file__, str(path.resolve())]
    frame = [] if index is None else [str(index)]
    try:
        done = subprocess.run([*script, *frame], capture_output=True, timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"the decoder took more than {MAX_SECONDS} s") from error
    if done.returncode:
        raise ValueError("the decoder of JPEG Lossless failed")
    return np.load(io.BytesIO(done.stdout), allow_pickle=False)


def main() -> None:
    """Decodes the file that is the first argument, and writes its values to standard output."""
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    path, *frame = sys.argv[1:]
    index = int(frame[0]) if frame else None
    np.save(sys.stdout.buffer, pixel_array(dcmread(path), index=index, decoding_plugin="gdcm"))


if __name__ == "__main__":
    main()
