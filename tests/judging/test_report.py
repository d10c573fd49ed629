"""What is written: pages that need nothing else and cannot be broken by a name."""

from __future__ import annotations

import base64
import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from spondyl.judging.compare import compare
from spondyl.judging.comparison import Comparison, Cost
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.report import (
    history_figure,
    write_comparison,
    write_evaluation,
)

from .models import compared
from .spines import film, nobody, shifted, spine
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
    page = write_comparison(
        compare({"set": evaluation, "slots": evaluation}, baseline="set"),
        tmp_path / "a",
        title="Two & more",
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


def test_the_history_shows_what_is_there_and_leaves_gaps() -> None:
    text = history_figure({"run": HISTORY})
    for words in ("training", "validation", "of the found", "learning rate", "epoch"):
        assert words in text
    assert "misses charged" not in text
    assert "$" not in text
    assert "epoch" in history_figure({"run": []})
    assert history_figure({"run": HISTORY[:1]}) == history_figure({"run": HISTORY[:1]})


NAMES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # fetched by nothing
HOSTILE = (
    "<script>alert(1)</script>",
    r"$\unknown{a}$",
    "_run",
    "{{ 7 * 7 }}",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><style>",
    "ä é 脊柱 \u202e",
)


def hostile_comparison(folder: Path) -> str:
    """A page where every name that a user can choose is a trap."""
    evaluations = {}
    for name in HOSTILE:
        predictions = [film(HOSTILE[0], shifted(spine(5), 3, 4)), film(HOSTILE[2], spine(6))]
        annotations = [
            film(key, spine(6), group=key, origin=key) for key in (HOSTILE[0], HOSTILE[2])
        ]
        evaluations[name] = evaluate(
            predictions, annotations, thresholds=[4], made_by={name: name}, ordinal_anchor="bottom"
        )
    device = Cost(training_device=HOSTILE[0], network=HOSTILE[0], parameters=1)
    page = write_comparison(
        compare(
            evaluations,
            baseline=HOSTILE[0],
            costs=dict.fromkeys(HOSTILE, device),
            made_by={HOSTILE[0]: HOSTILE[0]},
        ),
        folder,
        title=HOSTILE[0],
        overlays=[(name, png()) for name in HOSTILE],
        histories=dict.fromkeys(HOSTILE, HISTORY),
    )
    return page.read_text(encoding="utf-8")


class Texts(HTMLParser):
    """The text of a page as a reader sees it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hostile_comparison(tmp_path_factory.mktemp("hostile"))


def test_no_name_is_ever_markup_or_a_template(hostile: str) -> None:
    tags = Tags(hostile).tags
    assert not {"script", "iframe", "object", "link"} & {tag for tag, _ in tags}
    assert [tag for tag, _ in tags].count("style") == 1 + hostile.count("<defs>\n  <style")
    assert not [key for _, a in tags for key in a if key.startswith("on")]
    assert [a["src"] for tag, a in tags if tag == "img" and not a["src"].startswith("data:")] == []


def test_every_name_is_read_as_it_is(hostile: str) -> None:
    shown = set(Texts(hostile).found)
    for name in HOSTILE:
        assert name in shown, name
    assert "49" not in shown
    captions = {a["alt"] for tag, a in Tags(hostile).tags if tag == "img"}
    assert captions == set(HOSTILE)


def test_a_page_is_of_one_piece(hostile: str, folder: Path) -> None:
    for text in (hostile, (folder / "report.html").read_text(encoding="utf-8")):
        addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
        assert addresses <= NAMES
        for _, attributes in Tags(text).tags:
            for key in ("src", "href", "xlink:href", "action", "data", "poster"):
                assert (attributes.get(key) or "#").startswith(("#", "data:image/jpeg;base64,"))
        assert "@import" not in text
        assert not re.search(r"url\((?!#)", text)
        policy = [a for tag, a in Tags(text).tags if a.get("http-equiv")]
        assert policy[0]["content"].startswith("default-src 'none'; img-src data:")


def test_every_page_says_once_that_it_is_no_medical_device(hostile: str, folder: Path) -> None:
    for text in (hostile, (folder / "report.html").read_text(encoding="utf-8")):
        assert text.count("Research use only; not a medical device") == 1
        assert text.lower().count("medical device") == 1


def test_pictures_are_embedded_small_and_in_their_proportions(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    [source] = [a["src"] for tag, a in Tags(text).tags if tag == "img"]
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.size == (540, 900)
        red, green, blue = image.getpixel((270, 450))
    assert abs(red - 200) < 8
    assert abs(green - 30) < 8
    assert abs(blue - 30) < 8


def test_a_picture_may_be_a_file_and_grey(tmp_path: Path) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "a.png")
    result = evaluate([film("a", spine(3))], [film("a", spine(3))], thresholds=[4])
    page = write_evaluation(result, tmp_path / "out", overlays=[("a", tmp_path / "a.png")])
    assert page.read_text(encoding="utf-8").count("data:image/jpeg;base64,") == 1


def test_films_without_a_vertebra_or_a_name_have_a_report_all_the_same(tmp_path: Path) -> None:
    for annotated in (nobody(), spine(3, named=False)):
        result = evaluate([film("a", nobody())], [film("a", annotated)], thresholds=[4])
        page = write_evaluation(result, tmp_path / str(len(annotated)))
        text = page.read_text(encoding="utf-8")
        assert "nan" not in [word.lower() for word in Texts(text).found]
        assert "None" not in Texts(text).found
        assert Evaluation.read(page.parent / "evaluation.json") == result


def test_a_second_report_takes_the_place_of_the_first(
    folder: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    write_evaluation(evaluation, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = evaluate([film("z", spine(3))], [film("z", spine(3))], thresholds=[4])
    write_evaluation(other, tmp_path)
    assert NASTY not in (tmp_path / "per_film.csv").read_text("utf-8")
    write_evaluation(evaluation, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_page_has_angles_where_one_was_measured(evaluation: Evaluation, tmp_path: Path) -> None:
    both = compare({"frontal": evaluation, "other": evaluation}, baseline="other")
    text = write_comparison(both, tmp_path / "frontal").read_text(encoding="utf-8")
    assert "MT, MAE in deg" in Texts(text).found
    text = write_comparison(compared("a", "b"), tmp_path / "lateral").read_text(encoding="utf-8")
    assert "MT, MAE in deg" not in Texts(text).found


FILES = {"comparison.html", "comparison.json", "comparison.csv", "comparison.md"}
FILES |= {f"{name}.{kind}" for name in ("sdr_curves", "taxonomy") for kind in ("svg", "png")}


def test_a_comparison_is_handed_over_in_every_form(tmp_path: Path) -> None:
    both = compared("a", "b")
    page = write_comparison(both, tmp_path / "new", histories={"a": HISTORY})
    assert page == tmp_path / "new" / "comparison.html"
    assert {p.name for p in page.parent.iterdir()} == FILES | {"history.svg", "history.png"}
    assert Comparison.read(page.parent / "comparison.json") == both
    rows = csv.DictReader(io.StringIO((page.parent / "comparison.csv").read_text("utf-8")))
    by_name = {(row["model"], row["protocol"], row["metric"]): row for row in rows}
    row = by_name["b", "all", "penalised_mre_512"]
    assert (row["difference"], row["difference_low"]) == ("4.0", "4.0")
    assert 0 < float(row["p"]) < float(row["p_holm"]) < 0.05
    assert by_name["a", "all", "penalised_mre_512"]["p"] == ""
    text = page.read_text(encoding="utf-8")
    assert {"Training", "Costs"} <= set(Texts(text).found)
    assert "nan" not in text.lower().split()


def test_a_comparison_without_trainings_has_no_figure_of_them(tmp_path: Path) -> None:
    page = write_comparison(compared("a", "b", costs=False), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert not {"Training", "Films", "Costs"} & set(Texts(page.read_text("utf-8")).found)


def test_the_same_comparison_makes_the_same_bytes(tmp_path: Path) -> None:
    more = {"overlays": [("film", png())], "histories": {"a": HISTORY, "b": HISTORY}}
    for folder in ("first", "second"):
        write_comparison(compared("a", "b"), tmp_path / folder, **more)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("first", "second")
    )
    assert first == second


def test_the_models_of_one_film_stand_in_one_row_of_pictures(tmp_path: Path) -> None:
    for names, across in (("ab", 6), ("abcd", 4), ("abcdefg", 7)):
        page = write_comparison(compared(*names), tmp_path / names)
        assert f"repeat({across}, 1fr)" in page.read_text("utf-8")


def test_no_name_of_a_model_leaves_the_folder(tmp_path: Path) -> None:
    write_comparison(compared("../../out", "/etc/b"), tmp_path / "in" / "side")
    assert {path.name for path in (tmp_path / "in" / "side").iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["side"]


def test_every_film_has_its_row_and_every_score_its_column(
    folder: Path, evaluation: Evaluation
) -> None:
    text = (folder / "per_film.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row, score in zip(rows, evaluation.per_film, strict=True):
        for name in ("vertebrae", "found", "false", "ignored", "named_right"):
            assert int(row[name]) == getattr(score, name)
        for name in ("mre", "worst", "penalised"):
            assert float(row[name]) == getattr(score, name)  # every digit
        for which in ("predicted", "annotated"):
            angles = getattr(score, f"cobb_{which}")
            shown = [row[f"{name}_{which}"] for name in ("PT", "MT", "TL")]
            assert shown == (["", "", ""] if angles is None else [str(a) for a in angles])
