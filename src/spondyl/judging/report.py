"""How is a judgement handed over: one HTML page, CSV, JSON and figures."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spondyl.atomic import write_bytes, write_text
from spondyl.judging import figures, page
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.statistics import Estimate
from spondyl.spine.measurements import COBB_ANGLES

Overlay = tuple[str, Path | bytes]
"""Caption and picture: a file or the bytes of one."""

History = Sequence[Mapping[str, float | None]]
"""One row an epoch, as training writes them."""

_PICTURE_SIDE = 900  # px of an embedded picture: sharp on a page, and small


def write_evaluation(
    evaluation: Evaluation, out: Path, *, overlays: Sequence[Overlay] = ()
) -> Path:
    """Writes an evaluation into the folder ``out``; returns the path of its page.

    ``evaluation.json`` holds everything, ``metrics.csv`` one row a protocol and metric,
    ``per_film.csv`` one a film; ``sdr_curve`` and ``taxonomy`` are there as SVG and PNG;
    ``report.html`` needs no other file.
    """
    evaluation.write(out / "evaluation.json")
    write_text(out / "metrics.csv", to_csv(_metric_rows(evaluation)))
    write_text(out / "per_film.csv", to_csv([_film_row(asdict(f)) for f in evaluation.per_film]))
    named = {"predictions": evaluation}
    for name, draw in (("sdr_curve", figures.sdr_curves), ("taxonomy", figures.taxonomy_bars)):
        write_bytes(out / f"{name}.svg", draw(named))
        write_bytes(out / f"{name}.png", draw(named, format="png"))
    write_text(out / "report.html", _render(_evaluation_page(evaluation, overlays)))
    return out / "report.html"


def write_comparison_page(
    out: Path,
    title: str,
    evaluations: Mapping[str, Evaluation],
    *,
    overlays: Sequence[Overlay] = (),
    histories: Mapping[str, History] | None = None,
) -> Path:
    """Writes one page, ``out``, that shows evaluations of the same films side by side.

    Args:
        out: the HTML file.
        title: of the page.
        evaluations: at least one, by the name it is shown under.
        overlays: pictures to show.
        histories: of the trainings, by name.
    """
    sections = [
        *_pictures(overlays),
        *_shared_sections(evaluations),
        *_histories(histories or {}),
        page.provenance(evaluations),
    ]
    text = _render(page.Page(title, page.subtitle(evaluations), tuple(sections)))
    write_text(out, text)
    return out


def history_figure(history: History) -> str:
    """Losses, validation error and learning rate over the epochs, as an SVG file's text."""
    return figures.history_curves(history).decode("utf-8")


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the columns of the first, as CSV; missing is empty.

    A text that a spreadsheet would take for a formula (it begins with ``= + - @``, a tab or a line
    end) gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # its line end, CR LF, has it quote either in a text
    if rows:
        writer.writerow(map(_cell, rows[0]))
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value


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


def _film_row(film: dict[str, Any]) -> dict[str, Any]:
    """A film's score with one column an angle; its tallies are in the JSON alone."""
    angles = {}
    for which in ("predicted", "annotated"):
        for i, name in enumerate(COBB_ANGLES):
            measured = film[f"cobb_{which}"]
            angles[f"{name}_{which}"] = None if measured is None else measured[i]
    plain = {k: v for k, v in film.items() if not k.startswith("cobb_") and k != "tallies"}
    return plain | angles


def _evaluation_page(evaluation: Evaluation, overlays: Sequence[Overlay]) -> page.Page:
    named = {"predictions": evaluation}
    sections = [
        *_shared_sections(named),
        page.Section("Levels and corners", table=page.part_table(evaluation)),
        page.Section(
            "Films to look at first",
            "Largest error in px at 512 when a missed corner costs 48 px.",
            table=page.worst_table(evaluation),
        ),
        *_pictures(overlays),
        page.provenance(named),
    ]
    return page.Page("Evaluation", page.subtitle(named), tuple(sections), page.tiles(evaluation))


def _shared_sections(evaluations: Mapping[str, Evaluation]) -> Iterator[page.Section]:
    curve = figures.inline_svg(figures.sdr_curves(evaluations), "success detection rate")
    bars = figures.inline_svg(figures.taxonomy_bars(evaluations), "kinds of error")
    yield page.Section("Vertebrae", table=page.detection_table(evaluations))
    yield page.Section(
        "Success detection rate",
        "The share of corners within each distance of the annotation, by protocol.",
        figures=(page.Figure(curve),),
    )
    yield page.taxonomy_section(page.Figure(bars))
    yield page.protocol_section(evaluations)
    if (angles := page.cobb_table(evaluations)) is not None:
        yield page.Section("Cobb angles", "From predicted and annotated corners.", table=angles)


def _pictures(overlays: Sequence[Overlay]) -> list[page.Section]:
    if not overlays:
        return []
    pictures = tuple(page.Picture(_embedded(picture), caption) for caption, picture in overlays)
    return [page.Section("Films", "Predicted in amber, annotated in blue.", pictures=pictures)]


def _histories(histories: Mapping[str, History]) -> list[page.Section]:
    drawn = [
        page.Figure(figures.inline_svg(figures.history_curves(rows), f"training of {name}"), name)
        for name, rows in histories.items()
    ]
    return [page.Section("Training", figures=tuple(drawn))] if drawn else []


def _embedded(picture: Path | bytes) -> str:
    """A data URI of the picture, reduced to what a page shows."""
    from PIL import Image

    source = io.BytesIO(picture if isinstance(picture, bytes) else picture.read_bytes())
    with Image.open(source) as image:
        small = image.convert("RGB")
    small.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _render(content: page.Page) -> str:
    """The page as HTML; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spondyl.judging"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=content)
