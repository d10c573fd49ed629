"""What is known of a phantom once it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from spondyl.film.radiograph import Radiograph
from spondyl.spine.landmarks import Landmarks


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A film and what is known of it, image px.

    ``landmarks`` is what the annotator drew, who may have stopped early at the top; ``truth`` is
    every vertebra whose centre lies in the exposed field. Corners outside the field are NaN in
    both. ``complete_above`` / ``complete_below`` say whether ``landmarks`` goes as far as
    ``truth``. ``flags``: L6, four lumbar, slip, fracture, wedge, cut; of a frontal film
    scoliosis, implant, brace, cut.
    """

    radiograph: Radiograph
    landmarks: Landmarks
    truth: Landmarks
    complete_above: bool
    complete_below: bool
    flags: frozenset[str]
