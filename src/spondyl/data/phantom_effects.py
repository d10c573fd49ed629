"""Which effects does a rich phantom have, and how strong is each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

_AS_ON_FILMS: Final = 0.6  # share of films that stay near to real ones
_FIELDS: Final = {
    "ribs": ("ribs",),
    "chest": ("lungs",),
    "abdomen": ("gas", "calcified", "fold"),
    "arches": ("posterior",),
    "pelvis": ("pelvis", "sacrum", "hips"),
    "ailments": ("osteophytes", "sclerosis", "schmorl", "vacuum"),
    "obliquity": ("tilt", "scoliosis", "rotation", "divergence"),
    "metal": ("screws", "cages", "cement", "metal"),
    "beam": ("beam",),
    "console": ("console",),
    "print": ("labels", "drawn", "scale_bar", "mount", "stretch", "stored"),
}

RICH_EFFECTS: Final = tuple(_FIELDS)
"""What can be left out of a rich phantom, by name."""


@dataclass(frozen=True, slots=True)
class Effects:
    """How strong each effect is; 0 (or False) leaves it out.

    Bones: ``density`` scales all bone, ``grain`` is the trabecular texture, ``tilt`` and
    ``scoliosis`` the obliquity of the beam in rad (of the film and of the curve's apex),
    ``rotation`` the bodies' axial rotation in rad, ``divergence`` the beam's in 1/mm. The others
    of this kind are shares of vertebrae or discs that have them: ``osteophytes``, ``sclerosis``,
    ``schmorl``, ``vacuum``.
    Surroundings: ``posterior``, ``ribs``, ``pelvis``, ``sacrum`` in nepers; ``lungs`` and
    ``hips`` in mm of soft tissue less and more, ``fold`` in nepers, ``gas`` a number of clusters.
    Foreign: ``screws`` and ``cages`` count levels, ``cement`` bodies, ``metal`` things, and
    ``calcified`` vessels.
    On the film: ``labels``, ``drawn`` measurements, ``scale_bar``, ``mount`` (its margins' share),
    ``stretch`` (log of the aspect's change), ``stored`` (fewer greys and JPEG).
    ``beam`` blurs, scatters and has noise, ``console`` processes what arrives; a ``wild`` patient,
    beam and console stray far beyond those of films.
    """

    density: float = 1.0
    grain: float = 0.0
    tilt: float = 0.0
    scoliosis: float = 0.0
    rotation: float = 0.0
    divergence: float = 0.0
    osteophytes: float = 0.0
    sclerosis: float = 0.0
    schmorl: float = 0.0
    vacuum: float = 0.0
    posterior: float = 0.0
    ribs: float = 0.0
    pelvis: float = 0.0
    sacrum: float = 0.0
    lungs: float = 0.0
    hips: float = 0.0
    fold: float = 0.0
    gas: int = 0
    screws: int = 0
    cages: int = 0
    cement: int = 0
    metal: int = 0
    calcified: int = 0
    labels: int = 0
    drawn: int = 0
    scale_bar: bool = False
    mount: float = 0.0
    stretch: float = 0.0
    stored: bool = False
    beam: bool = False
    console: bool = False
    wild: bool = False

    def leaving_out(self, names: frozenset[str]) -> Effects:
        """The same effects less those of ``RICH_EFFECTS`` that are named.

        Raises:
            ValueError: a name that is not one of ``RICH_EFFECTS``.
        """
        if unknown := sorted(names - _FIELDS.keys()):
            known = ", ".join(RICH_EFFECTS)
            raise ValueError(f"without: unknown effects {unknown}; the rich style has {known}")
        absent: dict[str, Any] = {
            field: getattr(_NOTHING, field) for name in names for field in _FIELDS[name]
        }
        return replace(self, **absent)


_NOTHING: Final = Effects()


def sample_effects(rng: np.random.Generator) -> Effects:
    """Draws most films near to real ones, and the others much further apart than films are."""
    near, wild = rng.random() < _AS_ON_FILMS, _sample_wild(rng)
    return _brought_near(rng, wild) if near else wild


def _sample_wild(rng: np.random.Generator) -> Effects:
    """Draws effects further apart than films are: each is missing, common and extreme at times."""
    instrumented = rng.random() < 0.07
    return Effects(
        density=float(np.exp(rng.normal(-0.1, 0.35))),
        grain=float(rng.uniform(0.02, 0.2)),
        tilt=float(rng.normal(0, 0.05)),
        scoliosis=_at_times(rng, 0.35, 0.03, 0.3),
        rotation=float(rng.normal(0, 0.1)),
        divergence=float(rng.uniform(1 / 1800, 1 / 900)),
        osteophytes=_at_times(rng, 0.35, 0.1, 0.8),
        sclerosis=_at_times(rng, 0.3, 0.1, 0.6),
        schmorl=_at_times(rng, 0.15, 0.1, 0.5),
        vacuum=_at_times(rng, 0.1, 0.2, 0.6),
        posterior=float(rng.uniform(0.15, 0.7)),
        ribs=float(rng.uniform(0.05, 0.35)),
        pelvis=float(rng.uniform(0.05, 0.5)),
        sacrum=float(rng.uniform(0.05, 0.3)),
        lungs=_at_times(rng, 0.85, 10, 90),
        hips=_at_times(rng, 0.8, 3, 45),
        fold=_at_times(rng, 0.4, 0.05, 0.6),
        gas=int(rng.integers(0, 12)),
        screws=int(rng.integers(2, 5)) if instrumented else 0,
        cages=int(rng.integers(0, 3)) if instrumented else 0,
        cement=int(rng.integers(1, 3)) if rng.random() < 0.03 else 0,
        metal=int(rng.integers(1, 4)) if rng.random() < 0.12 else 0,
        calcified=int(rng.integers(1, 3)) if rng.random() < 0.25 else 0,
        labels=int(rng.integers(0, 4)),
        drawn=int(rng.integers(1, 4)) if rng.random() < 0.06 else 0,
        scale_bar=bool(rng.random() < 0.08),
        mount=_at_times(rng, 0.1, 0.02, 0.2),
        stretch=_at_times(rng, 0.12, 0.05, 0.3) * float(rng.choice([-1, 1])),
        stored=bool(rng.random() < 0.95),
        beam=True,
        console=True,
        wild=True,
    )


def _brought_near(rng: np.random.Generator, wild: Effects) -> Effects:
    """The anatomy complete and as strong as on films; ailments and implants stay as drawn."""
    return replace(
        wild,
        density=float(np.exp(rng.normal(0.05, 0.2))),
        grain=float(rng.uniform(0.02, 0.1)),
        tilt=float(rng.normal(0, 0.04)),
        scoliosis=_at_times(rng, 0.3, 0.03, 0.2),
        rotation=float(rng.normal(0, 0.06)),
        posterior=float(rng.uniform(0.3, 0.75)),
        ribs=float(rng.uniform(0.15, 0.5)),
        pelvis=float(rng.uniform(0.2, 0.7)),
        sacrum=float(rng.uniform(0.25, 0.6)),
        lungs=_at_times(rng, 0.97, 35, 120),
        hips=_at_times(rng, 0.85, 3, 35),
        fold=_at_times(rng, 0.5, 0.05, 0.4),
        gas=int(rng.integers(2, 12)),
        labels=int(rng.integers(1, 3)),
        drawn=0,
        scale_bar=False,
        mount=0.0,
        wild=False,
    )


def _at_times(rng: np.random.Generator, share: float, low: float, high: float) -> float:
    value = float(rng.uniform(low, high))
    return value if rng.random() < share else 0.0
