"""What is written: pages that need nothing else and cannot be broken by a name."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.report import (
    history_figure,
    to_csv,
    write_comparison_page,
    write_evaluation,
)

from .spines import film, shifted, spine
from .test_evaluate import bent

NASTY = "=1+1\"'><script>alert(1)</script>"
HISTORY = [
    {"epoch": n, "train_loss": 1 / n, "val_loss": 2 / n, "learning_rate": 1e-3}
    | ({"val_mre": 9.0 / n} if n % 2 else {"val_mre": None})
    for n in range(1, 9)
]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    annotations = [film(NASTY, spine(6), group="-g"), film("c", bent(), view="ap")]
    predictions = [film(NASTY, shifted(spine(5), 3, 4)), film("c", shifted(bent(), 1, 2))]
    made_by = {"version": "<b>0.1</b>"}
    return evaluate(predictions, annotations, thresholds=[2, 24], made_by=made_by)


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "new"
    assert write_evaluation(evaluation, out, overlays=[(NASTY, png())]) == out / "report.html"
    return out


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1200, 2000), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


class Tags(HTMLParser):
    """Collects tags, ids and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_folder_holds_every_form_of_the_result(folder: Path, evaluation: Evaluation) -> None:
    names = {"evaluation.json", "metrics.csv", "per_film.csv", "report.html"}
    names |= {f"{figure}.{kind}" for figure in ("sdr_curve", "taxonomy") for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names
    assert Evaluation.read(folder / "evaluation.json") == evaluation
    with Image.open(folder / "sdr_curve.png") as image:
        assert image.width > 600


def test_the_page_needs_no_other_file_and_runs_nothing(folder: Path) -> None:
    tags = Tags((folder / "report.html").read_text(encoding="utf-8")).tags
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    sources = [value for _, a in tags for key, value in a.items() if key in ("src", "xlink:href")]
    assert all(source.startswith(("data:image/jpeg", "#")) for source in sources)
    assert not [key for _, a in tags for key in a if key.startswith("on")]


def test_a_name_with_markup_is_shown_as_text(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;b&gt;0.1" in text
    assert text.count("not a medical device") == 1


def test_ids_are_unique_and_every_reference_has_its_target(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    page = write_comparison_page(
        tmp_path / "a" / "index.html",
        "Two & more",
        {"set": evaluation, "slots": evaluation},
        overlays=[("film", png())],
        histories={"set": HISTORY, "slots": HISTORY},
    )
    text = page.read_text(encoding="utf-8")
    ids = [a["id"] for _, a in Tags(text).tags if "id" in a]
    assert len(ids) == len(set(ids)) > 20
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    assert used
    assert used <= set(ids)
    assert "Two &amp; more" in text


def test_metrics_csv_has_a_row_for_every_protocol_and_metric(
    folder: Path, evaluation: Evaluation
) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "metrics.csv").read_text("utf-8"))))
    by_name = {(row["protocol"], row["metric"]): row for row in rows}
    for name in ("all", "ordinal", "matched", "named"):
        for metric, estimate in evaluation.protocol(name).metrics.items():
            value = by_name[name, metric]["value"]
            assert (float(value) if value else None) == estimate.value
    assert float(by_name["cobb", "smape"]["value"]) == evaluation.cobb.smape.value
    assert len(rows) == len(by_name)


def test_per_film_csv_cannot_inject_a_formula(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "per_film.csv").read_text("utf-8"))))
    assert [row["key"] for row in rows] == [f"'{NASTY}", "c"]
    assert rows[0]["group"] == "'-g"
    assert (rows[0]["MT_annotated"], rows[0]["found"]) == ("", "5")
    assert float(rows[1]["MT_annotated"]) > 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_every_start_of_a_formula_is_disarmed_but_numbers_stay(start: str) -> None:
    rows = list(
        csv.reader(io.StringIO(to_csv([{"a": f"{start}x", "b": -1.5, "c": None}]), newline=""))
    )
    assert rows[1] == [f"'{start}x", "-1.5", ""]


def test_nothing_gives_an_empty_table() -> None:
    assert to_csv([]) == ""


def test_the_history_shows_what_is_there_and_leaves_gaps() -> None:
    text = history_figure(HISTORY)
    for words in ("training", "validation", "of the found", "learning rate", "epoch"):
        assert words in text
    assert "misses charged" not in text
    assert "$" not in text
    assert "epoch" in history_figure([])
    assert history_figure(HISTORY[:1]) == history_figure(HISTORY[:1])
