"""Vertebral landmarks on spine radiographs: find, name and judge.

What is listed here is public and imported when it is first asked for, so that ``import spondyl``
costs nothing and torch is loaded only by what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spondyl.version import __version__

if TYPE_CHECKING:
    from spondyl.data.folder import read_annotations as read_annotations
    from spondyl.data.phantom import phantom as phantom
    from spondyl.errors import SpondylError as SpondylError
    from spondyl.film.radiograph import PixelSpacing as PixelSpacing
    from spondyl.film.radiograph import Radiograph as Radiograph
    from spondyl.film.reading import read_radiograph as read_radiograph
    from spondyl.judging.evaluate import evaluate as evaluate
    from spondyl.learning.detector import load_predictor as load_predictor
    from spondyl.learning.train import fit as fit
    from spondyl.recipe import read_recipe as read_recipe
    from spondyl.spine.drawing import draw_overlay as draw_overlay
    from spondyl.spine.landmarks import Landmarks as Landmarks

_HOMES = {
    "Landmarks": "spine.landmarks",
    "PixelSpacing": "film.radiograph",
    "Radiograph": "film.radiograph",
    "SpondylError": "errors",
    "draw_overlay": "spine.drawing",
    "evaluate": "judging.evaluate",
    "fit": "learning.train",
    "load_predictor": "learning.detector",
    "phantom": "data.phantom",
    "read_annotations": "data.folder",
    "read_radiograph": "film.reading",
    "read_recipe": "recipe",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'spondyl' has no attribute {name!r}")
    return getattr(import_module(f"spondyl.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
