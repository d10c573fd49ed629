"""How is a judgement handed over: one HTML page, CSV, JSON, Markdown and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from spondyl.atomic import write_bytes, write_text
from spondyl.judging import comparison_page, figures, page
from spondyl.judging.agreement import Agreement
from spondyl.judging.agreement_page import agreement_sections
from spondyl.judging.bland_altman import bland_altman, shown_scores
from spondyl.judging.comparison import Comparison
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.figures import History
from spondyl.judging.measures import comparison_rows
from spondyl.judging.pairing import MeasuredPair
from spondyl.judging.paper import paper_table
from spondyl.judging.risk_page import risk_figure, risk_sections
from spondyl.judging.statistics import Estimate
from spondyl.spine.curvature import COBB_ANGLES
from spondyl.writing.page import Figure, Overlay, Page, Picture, Section, embedded, render
from spondyl.writing.table import to_csv

_Drawings = Mapping[str, Callable[..., bytes]]  # by the name of the file; each takes a format

_ACROSS = 6  # pictures side by side, as far as the number of models allows


def write_evaluation(
    evaluation: Evaluation,
    out: Path,
    *,
    overlays: Sequence[Overlay] = (),
    measured: Sequence[MeasuredPair] = (),
) -> Path:
    """Writes an evaluation into the folder ``out``; returns the path of its page.

    ``evaluation.json`` holds every figure, ``metrics.csv`` one row a protocol and metric,
    ``per_film.csv`` one a film; ``sdr_curve`` and ``taxonomy`` are there as SVG and PNG. With
    ``measured``, what the agreement is of, ``measurements.csv`` has one row a pair, and
    ``bland_altman`` shows them; with doubts, ``risk`` shows what
    leaving doubtful films out gains. ``report.html`` needs no other file.
    """
    evaluation.write(out / "evaluation.json")
    write_text(out / "metrics.csv", to_csv(_metric_rows(evaluation)))
    write_text(out / "per_film.csv", to_csv([_film_row(asdict(f)) for f in evaluation.per_film]))
    named = {"predictions": evaluation}
    drawings: dict[str, Callable[..., bytes]] = {
        "sdr_curve": partial(figures.sdr_curves, named),
        "taxonomy": partial(figures.taxonomy_bars, named),
    }
    if measured:
        write_text(out / "measurements.csv", to_csv([pair.to_row() for pair in measured]))
    if evaluation.risk is not None:
        drawings["risk"] = partial(risk_figure, evaluation.risk)
    if measured and (scores := shown_scores(evaluation.agreement)):
        drawings["bland_altman"] = partial(bland_altman, scores, measured)
    drawn = _write_figures(out, drawings)
    content = _evaluation_page(evaluation, embedded(overlays), drawn)
    write_text(out / "report.html", render(content))
    return out / "report.html"


def write_comparison(
    comparison: Comparison,
    out: Path,
    *,
    title: str = "Comparison",
    overlays: Sequence[Overlay] = (),
    histories: Mapping[str, History] | None = None,
) -> Path:
    """Writes a comparison into the folder ``out``; returns the path of its page.

    ``comparison.json`` holds everything, ``comparison.csv`` one row a model, protocol and metric,
    ``comparison.md`` a table for a paper; ``sdr_curves``, ``taxonomy`` and, with ``histories``,
    ``history`` are there as SVG and PNG; ``comparison.html`` needs no other file.

    Args:
        comparison: what was judged.
        out: the folder.
        title: of the page.
        overlays: pictures to show, of the films with the largest error.
        histories: of the trainings, by the name of the model.
    """
    comparison.write(out / "comparison.json")
    write_text(out / "comparison.csv", to_csv(list(comparison_rows(comparison))))
    write_text(out / "comparison.md", paper_table(comparison))
    named = comparison.evaluations
    drawings: dict[str, Callable[..., bytes]] = {
        "sdr_curves": partial(figures.sdr_curves, named, ("all", "ordinal")),
        "taxonomy": partial(figures.taxonomy_bars, named),
    }
    if histories:
        drawings["history"] = partial(figures.history_curves, histories, among=list(named))
    drawn = _write_figures(out, drawings)
    content = _comparison_page(comparison, title, embedded(overlays), drawn)
    write_text(out / "comparison.html", render(content))
    return out / "comparison.html"


def history_figure(histories: Mapping[str, History]) -> str:
    """The trainings of one or several runs over the epochs, as an SVG file's text.

    One run shows all its losses, validation errors and learning rates; of several, each is a line
    in every panel.
    """
    return figures.history_curves(histories).decode("utf-8")


def _metric_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {"protocol": part, "metric": name, **asdict(estimate)}
        for part, name, estimate in _all_estimates(evaluation)
    ]


def _all_estimates(evaluation: Evaluation) -> Iterator[tuple[str, str, Estimate]]:
    for score in evaluation.protocols:
        yield from ((score.protocol, name, e) for name, e in score.metrics.items())
    detection = evaluation.detection
    yield "detection", "precision", detection.precision
    yield "detection", "recall", detection.recall
    yield "detection", "f1", detection.f1
    yield "naming", "right", evaluation.naming.share
    yield "naming with S1", "right", evaluation.naming_with_s1.share
    yield "naming with S1, five lumbar", "right", evaluation.naming_five_lumbar.share
    if evaluation.cobb is not None:
        yield from (("cobb", f"mae_{name}", e) for name, e in evaluation.cobb.mae.items())
        yield "cobb", "smape", evaluation.cobb.smape
        yield from (("cobb", f"icc_{name}", e) for name, e in evaluation.cobb.icc.items())
    if evaluation.agreement is not None:
        yield from _agreement_estimates(evaluation.agreement)


def _agreement_estimates(agreement: Agreement) -> Iterator[tuple[str, str, Estimate]]:
    for score in (*agreement.measurements, *agreement.by_level):
        part = f"{score.title}; {score.definition}"
        for metric in ("mae", "bias", "sd", "lower", "upper", "icc", "within_human", "coverage"):
            yield part, metric, getattr(score, metric)
        yield part, "interval_width", score.width
    for grade in agreement.grades:
        yield grade.name, "exact", grade.exact
        yield grade.name, "kappa_quadratic", grade.quadratic
        yield grade.name, "kappa_linear", grade.linear
        yield grade.name, "probability_stated", grade.stated
        yield grade.name, "probability_right", grade.right


def _film_row(film: dict[str, Any]) -> dict[str, Any]:
    """A film's score with one column an angle; its tallies are in the JSON alone."""
    angles = {}
    for which in ("predicted", "annotated"):
        for i, name in enumerate(COBB_ANGLES):
            measured = film[f"cobb_{which}"]
            angles[f"{name}_{which}"] = None if measured is None else measured[i]
    plain = {k: v for k, v in film.items() if not k.startswith("cobb_") and k != "tallies"}
    return plain | angles


def _write_figures(out: Path, drawings: _Drawings) -> dict[str, Figure]:
    """Writes every drawing as SVG and PNG; gives them back as elements of a page."""
    drawn = {}
    for name, draw in drawings.items():
        svg = draw()
        write_bytes(out / f"{name}.svg", svg)
        write_bytes(out / f"{name}.png", draw(format="png"))
        drawn[name] = Figure(figures.inline_svg(svg, _DESCRIPTIONS[name]))
    return drawn


_DESCRIPTIONS: Mapping[str, str] = {
    "sdr_curve": "success detection rate",
    "sdr_curves": "success detection rate",
    "taxonomy": "kinds of error",
    "bland_altman": "differences of measurements against their size",
    "risk": "error of the films kept against their share",
    "history": "training",
}


def _evaluation_page(
    evaluation: Evaluation,
    pictures: tuple[Picture, ...],
    drawn: Mapping[str, Figure],
) -> Page:
    named = {"predictions": evaluation}
    sections = [
        *page.coverage_sections(evaluation),
        Section("Vertebrae", table=page.detection_table(named)),
        page.curve_section(drawn["sdr_curve"]),
        page.taxonomy_section(drawn["taxonomy"]),
        page.protocol_section(evaluation),
        *page.cobb_sections(named),
        *agreement_sections(evaluation.agreement, drawn.get("bland_altman")),
        *risk_sections(evaluation.risk, drawn.get("risk")),
        Section("Levels and corners", table=page.part_table(evaluation)),
        Section(
            "Films to look at first",
            "Largest error in px at 512 when a missed corner costs 48 px.",
            table=page.worst_table(evaluation),
        ),
        *page.picture_sections(pictures),
        page.provenance(evaluation),
    ]
    return Page("Evaluation", page.subtitle(evaluation), tuple(sections), page.tiles(evaluation))


def _comparison_page(
    comparison: Comparison,
    title: str,
    pictures: tuple[Picture, ...],
    drawn: Mapping[str, Figure],
) -> Page:
    sections = [
        comparison_page.compared(comparison),
        comparison_page.results(comparison, "all"),
        *comparison_page.costs(comparison),
        comparison_page.results(comparison, "ordinal"),
        comparison_page.results(comparison, "matched"),
        *comparison_page.differences(comparison),
        page.curve_section(drawn["sdr_curves"]),
        page.taxonomy_section(drawn["taxonomy"]),
        *comparison_page.parts(comparison),
        *comparison_page.vertebrae(comparison),
        *comparison_page.training(drawn.get("history")),
        *comparison_page.worst(comparison),
        *page.picture_sections(pictures),
        *comparison_page.provenance(comparison),
    ]
    first, models = next(iter(comparison.evaluations.values())), len(comparison.evaluations)
    across = models * max(1, _ACROSS // models)  # a row is one film, or several whole ones
    return Page(title, page.subtitle(first), tuple(sections), across=across)
