"""The version is one, wherever it is asked for."""

from importlib.metadata import version

import spondyl
from spondyl.version import __version__


def test_the_package_and_its_metadata_say_the_same_version() -> None:
    assert spondyl.__version__ == __version__ == version("spondyl")
