"""Models with known errors, for the tests of comparisons."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from spondyl.judging.compare import compare
from spondyl.judging.comparison import Comparison, Cost
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation

from .spines import film, shifted, spine

FILMS = tuple(f"film-{i:02d}" for i in range(12))
COST = Cost(
    network="hrnet_w32",
    codec="set",
    input_size=512,
    parameters=31_780_000,
    gmacs=37.24,
    best_epoch=87,
    training_seconds=4.71 * 3600,
    training_memory_bytes=3 * 2**29,
    training_device="NVIDIA H200",
    latency_ms=812.4,
    latency_device="one core",
)


@cache
def model(dx: float, *, anchor: str = "top", levels: int = 6) -> Evaluation:
    """Twelve films of six vertebrae, ``levels`` of them found ``dx`` image px off (half at 512).

    A px more on every second film.
    """
    annotated = []
    for i, key in enumerate(FILMS):
        landmarks = replace(spine(6), facing=("left", "right", None)[i % 3])
        annotated.append(film(key, landmarks, group=key, origin=("ours", "theirs")[i % 2]))
    found = [
        film(key, shifted(spine(6).select(range(levels)), dx + i % 2, 0))
        for i, key in enumerate(FILMS)
    ]
    made_by = {"weights": f"{dx:g}.safetensors", "anchor": ""}
    return evaluate(
        found, annotated, thresholds=[6, 12, 18, 20, 24], ordinal_anchor=anchor, made_by=made_by
    )


def compared(*names: str, costs: bool = True) -> Comparison:
    """The first is the baseline and perfect; each other is 8 px (4 at 512) worse than the last."""
    evaluations = {name: model(8.0 * i) for i, name in enumerate(names)}
    known = dict.fromkeys(names, COST) if costs else {}
    return compare(evaluations, baseline=names[0], costs=known, made_by={"version": "1.2"})
