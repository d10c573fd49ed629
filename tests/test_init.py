"""The public names exist, mean what they say, and cost nothing until they are used."""

import subprocess
import sys

import pytest

import spondyl


def test_every_public_name_is_there_and_comes_from_where_it_lives() -> None:
    for name in spondyl.__all__:
        assert getattr(spondyl, name) is not None
    from spondyl.spine.landmarks import Landmarks

    assert spondyl.Landmarks is Landmarks
    assert set(dir(spondyl)) == set(spondyl.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'vertebra'"):
        _ = spondyl.vertebra


def test_importing_the_package_loads_neither_numpy_nor_torch() -> None:
    code = "import sys, spondyl; sys.exit(bool({'numpy', 'torch', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
