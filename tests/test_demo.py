"""The demo goes the whole way, and treats both encodings alike."""

import json
from pathlib import Path

import pytest

from spondyl import demo
from spondyl.judging.evaluation import Evaluation
from spondyl.recipe import override, read_recipe, shipped_recipe


def test_both_encodings_share_everything_but_the_codec() -> None:
    base = read_recipe(shipped_recipe("demo"))
    made = [demo.with_codec(base, codec) for codec in demo.CODECS.values()]
    assert [recipe.codec.name for recipe in made] == ["set", "slots"]
    rest = [recipe.model_dump(exclude={"codec"}) for recipe in made]
    assert rest[0] == rest[1] == base.model_dump(exclude={"codec"})


def test_both_encodings_draw_corners_equally_wide() -> None:
    """``set`` counts its sigma in map px (4 input px), ``slots`` in px of a 512 px map."""
    base = read_recipe(shipped_recipe("demo"))
    found, slots = (demo.with_codec(base, codec).codec for codec in demo.CODECS.values())
    assert found.name == "set"
    assert slots.name == "slots"
    assert slots.sigma * base.data.image_size / 512 == pytest.approx(4 * found.corner_sigma)


def test_the_baseline_is_one_of_both_encodings() -> None:
    assert demo.BASELINE in demo.CODECS


@pytest.mark.slow
def test_the_demo_leaves_a_page_with_both_encodings(tmp_path: Path, monkeypatch) -> None:
    quick = override(
        read_recipe(shipped_recipe("demo")),
        ["data.image_size=64", "training.epochs=1", "training.validate_every=1"],
    )
    monkeypatch.setattr(demo, "read_recipe", lambda path: quick)
    page = demo.run_demo(tmp_path / "demo", seed=3, films=20)
    assert page == tmp_path / "demo" / "comparison.html"
    assert page.with_suffix(".md").is_file()
    text = page.read_text()
    assert text.count("Research use only; not a medical device") == 1
    assert "slots, k-th from the top" in text
    assert "<svg" in text
    assert "data:image/jpeg;base64," in text  # pictures travel with the page
    for name in ("set", "slots"):
        run = tmp_path / "demo" / name
        evaluation = Evaluation.read(run / "evaluation" / "evaluation.json")
        assert evaluation.films == 3
        split = json.loads((run / "split.json").read_text())["parts"]
        assert sum(map(len, split["test"].values())) == 3
        assert evaluation.made_by["codec"] == name
    splits = [(tmp_path / "demo" / name / "split.json").read_text() for name in ("set", "slots")]
    assert splits[0] == splits[1]
