"""Figures, read back from their SVG."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from spondyl.judging import figures
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.taxonomy import CLASSES

from .spines import film, nobody, shifted, spine

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}href"
HOSTILE = ("<script>alert(1)</script>", r"$\unknown{a}$", "_hidden", "a\"&'b", "]]>")


def judged(dx: float) -> Evaluation:
    annotations = [film(k, spine(6), group=k) for k in "ab"]
    predictions = [film("a", shifted(spine(6), dx, 0)), film("b", spine(3))]
    return evaluate(predictions, annotations, thresholds=[2, 8])


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def coloured(svg: bytes, colour: str) -> list[np.ndarray]:
    """The corners of every path stroked or filled in a colour, SVG units."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if colour in path.get("style", ""):
            numbers = re.findall(r"-?\d+(?:\.\d+)?", path.get("d", ""))
            found.append(np.array(numbers, dtype=float).reshape(-1, 2))
    return found


def test_the_curve_rises_from_its_share_at_nought_to_its_share_at_the_end() -> None:
    result = judged(6)
    svg = figures.sdr_curves({"predictions": result}, protocols=("all",))
    x, y = max(coloured(svg, figures.COLOURS[0]), key=len).T
    radii, shares = np.array(result.curve.radii), np.array(result.curve.shares["all"])
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) <= 1e-6).all()  # SVG counts down
    scale = (y[0] - y[-1]) / (shares[-1] - shares[0])
    drawn = shares[0] + (y[0] - y) / scale
    at = radii[-1] * (x - x[0]) / (x[-1] - x[0])
    exact = np.interp(at, radii, shares)
    steep = np.abs(np.gradient(shares)).max()
    assert np.abs(drawn - exact).max() <= steep


def test_one_evaluation_is_told_apart_by_protocol_and_several_by_name() -> None:
    alone = texts(figures.sdr_curves({"predictions": judged(2)}))
    assert {"all", "ordinal", "matched"} <= set(alone)
    both = texts(figures.sdr_curves({"set": judged(2), "slots": judged(8)}))
    assert {"set", "slots", "all", "ordinal", "matched"} <= set(both)
    assert both.count("radial error, px at 512") == 3  # a panel a protocol
    assert both.count("slots") == 1  # one legend for all of them


def test_a_bar_is_as_wide_as_its_share() -> None:
    """Half of the corners are fine (found exactly), half are missed, on one film of two."""
    annotations = [film(k, spine(4), group=k) for k in "ab"]
    result = evaluate([film("a", spine(4)), film("b", nobody())], annotations, thresholds=[2])
    svg = figures.taxonomy_bars({"predictions": result})
    widths = {}
    for kind in ("fine", "missed"):
        paths = coloured(svg, figures._CLASS_COLOURS[kind])
        widths[kind] = max(np.ptp(path[:, 0]) for path in paths)
    assert widths["fine"] == pytest.approx(widths["missed"], rel=1e-3)
    assert set(CLASSES) <= set(texts(svg))


def test_every_class_has_its_own_colour() -> None:
    assert tuple(figures._CLASS_COLOURS) == CLASSES
    assert len(set(figures._CLASS_COLOURS.values())) == len(CLASSES)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_drawn_as_it_is_whatever_it_says(name: str) -> None:
    both = {name: judged(2), "other": judged(3)}
    for draw in (figures.sdr_curves, figures.taxonomy_bars):
        svg = draw(both)
        assert name in texts(svg)
        assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))


@pytest.mark.parametrize("draw", [figures.sdr_curves, figures.taxonomy_bars])
def test_the_same_figures_make_the_same_bytes(draw) -> None:
    named = {"predictions": judged(2)}
    for kind in ("svg", "png"):
        assert draw(named, format=kind) == draw(named, format=kind)
    with Image.open(io.BytesIO(draw(named, format="png"))) as image:
        assert image.format == "PNG"
        assert image.width == pytest.approx(7.2 * 160, abs=2)


def test_the_same_histories_make_the_same_bytes() -> None:
    both = {"a": history(1.0), "b": history(2.0)}
    for kind in ("svg", "png"):
        assert figures.history_curves(both, format=kind) == figures.history_curves(
            both, format=kind
        )


def test_drawing_leaves_no_setting_behind() -> None:
    before = dict(mpl.rcParams)
    figures.sdr_curves({"predictions": judged(2)})
    figures.history_curves({"run": [{"train_loss": 1.0}]})
    assert dict(mpl.rcParams) == before


def test_films_without_a_vertebra_have_an_empty_figure_and_no_warning() -> None:
    result = evaluate([film("a", nobody())], [film("a", nobody())], thresholds=[4])
    named = {"predictions": result}
    assert "radial error, px at 512" in texts(figures.sdr_curves(named))
    assert "annotated corners, %" in texts(figures.taxonomy_bars(named))


def test_a_history_has_a_gap_where_a_value_is_missing_or_endless() -> None:
    rows = [
        {"train_loss": 4.0, "val_loss": None, "learning_rate": 1e-3},
        {"train_loss": float("inf"), "val_loss": 2.0, "learning_rate": 1e-3},
        {"train_loss": 1.0, "val_loss": float("nan"), "learning_rate": 1e-4},
        {"train_loss": 0.5, "val_loss": 1.0, "learning_rate": 0.0},
    ]
    svg = figures.history_curves({"run": rows})
    assert {"training", "validation", "head", "epoch"} <= set(texts(svg))
    assert "backbone" not in texts(svg)
    training = max(coloured(svg, figures.COLOURS[0]), key=len)
    assert len(training) in (3, 4)
    assert len(coloured(svg, figures.COLOURS[1])) > 0


NINE = [f"{n}, {c}" for n in ("HRNet-W32", "ResNet-50", "U-Net") for c in ("set", "top", "b m")]


def history(scale: float) -> list[dict[str, float | None]]:
    keys = ("train_loss", "val_loss", "val_penalised_mre", "learning_rate")
    return [{"epoch": n, **dict.fromkeys(keys, scale / n)} for n in range(1, 21)]


@pytest.mark.parametrize(
    "names",
    [
        NINE,
        [f"{n}-{c}" for n in ("unet", "resnet50", "hrnet_w32") for c in ("set", "top", "slots-b")],
        [f"{n} {c}" for n in ("HRNet W32", "ResNet 50", "U Net") for c in ("set", "top", "b")],
    ],
)
def test_nine_models_have_a_colour_a_network_and_a_dash_an_encoding(names: list[str]) -> None:
    styles = [figures.line_styles(names)[name] for name in names]
    colours, dashes = ([getattr(s, part) for s in styles] for part in ("colour", "dash"))
    assert len(set(styles)) == 9
    assert [colours[i : i + 3] for i in (0, 3, 6)] == [[c] * 3 for c in figures.COLOURS[:3]]
    assert dashes == dashes[:3] * 3


@pytest.mark.parametrize("count", [1, 6, 7, 24])
def test_names_that_cannot_be_parted_are_told_apart_too(count: int) -> None:
    styles = figures.line_styles([chr(65 + i) for i in range(count)])
    assert len(set(styles.values())) == count


def test_few_models_have_a_colour_each() -> None:
    styles = figures.line_styles(["net-a", "net-b", "net-c"])
    assert [style.colour for style in styles.values()] == list(figures.COLOURS[:3])
    assert {style.dash for style in styles.values()} == {"-"}


def test_several_histories_have_a_line_each_in_every_panel() -> None:
    svg = figures.history_curves({name: history(n + 1.0) for n, name in enumerate(NINE)})
    found = texts(svg)
    for label in ("training loss", "validation loss", "misses charged, px at 512", "learning rate"):
        assert found.count(label) == 1
    assert all(found.count(name) == 1 for name in NINE)
    lines = [path for path in coloured(svg, figures.COLOURS[2]) if len(path) > 10]
    assert len(lines) == 3 * 4  # three of the nine have this colour


def test_a_run_without_a_series_has_no_line_in_its_panel() -> None:
    rows = [{"train_loss": 1.0 / n} for n in range(1, 30)]
    svg = figures.history_curves({"a": rows, "b": history(2.0)})
    first, second = ([p for p in coloured(svg, c) if len(p) > 10] for c in figures.COLOURS[:2])
    assert (len(first), len(second)) == (1, 4)


def test_a_model_keeps_its_line_where_others_have_no_history() -> None:
    svg = figures.history_curves({NINE[8]: history(1.0), NINE[4]: history(2.0)}, among=NINE)
    assert not coloured(svg, figures.COLOURS[0])
    assert coloured(svg, figures.COLOURS[1])
    assert coloured(svg, figures.COLOURS[2])


@pytest.mark.parametrize("count", [2, 9, 24])
def test_the_legend_of_many_covers_no_panel(monkeypatch, count: int) -> None:
    drawn = []
    save = figures._saved
    monkeypatch.setattr(figures, "_saved", lambda figure, kind: drawn.append(figure) or b"")
    names = [f"some network {i // 3}, encoding {i % 3}" for i in range(count)]
    evaluations = dict.fromkeys(names, judged(2))
    figures.sdr_curves(evaluations, ("all", "ordinal"))
    figures.taxonomy_bars(evaluations)
    figures.history_curves({name: history(1.0) for name in names})
    for figure in drawn:
        save(figure, "png")  # lays out
        [legend] = figure.legends
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_a_long_name_leaves_room_for_the_panels() -> None:
    names = ["a" * 100 + "-first", "a" * 100 + "-second"]
    for svg in (
        figures.sdr_curves(dict.fromkeys(names, judged(2))),
        figures.history_curves({name: history(1.0) for name in names}),
    ):
        shown = [text for text in texts(svg) if text.startswith("aaa")]
        assert [text[-4:] for text in shown] == ["irst", "cond"]
        assert all(len(text) <= 40 for text in shown)


def test_a_figure_within_a_page_scales_and_is_described() -> None:
    svg = figures.sdr_curves({"predictions": judged(2)})
    element = figures.inline_svg(svg, 'a "title" & more')
    root = ElementTree.fromstring(element)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "title" & more'
    assert root.get("width") is root.get("height") is None
    assert root.get("viewBox") == ElementTree.fromstring(svg).get("viewBox")


def test_ids_of_two_figures_never_meet_and_references_follow() -> None:
    svg = figures.sdr_curves({"predictions": judged(2)})
    ids, used = [], []
    for title in ("first figure", "second figure"):
        root = ElementTree.fromstring(figures.inline_svg(svg, title))
        ids.append({e.get("id") for e in root.iter() if e.get("id")})
        links = {e.get(XLINK, "")[1:] for e in root.iter() if e.get(XLINK)}
        clips = re.findall(r"url\(#([^)]+)\)", ElementTree.tostring(root, encoding="unicode"))
        used.append(links | set(clips))
    assert ids[0].isdisjoint(ids[1])
    assert all(used[i] and used[i] <= ids[i] for i in range(2))


def test_a_figure_says_neither_when_nor_with_what_it_was_drawn() -> None:
    """Else the same result had other bytes with the next release of matplotlib."""
    for draw in (figures.sdr_curves, figures.taxonomy_bars):
        svg = draw({"predictions": judged(2)})
        for trace in ("<metadata", "matplotlib.org", mpl.__version__):
            assert trace.encode() not in svg
        with Image.open(io.BytesIO(draw({"predictions": judged(2)}, format="png"))) as image:
            assert set(image.info) <= {"dpi"}
