"""The films of fine-tuning's benchmark are drawn by study, and its page says what it measured."""

import importlib.util
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from spondyl.data.leaks import find_leaks
from spondyl.data.splitting import Link, Split

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def whole() -> Split:
    """Studies of one to four films, two of them tied; fifty films to judge on."""
    keys = {f"{part}{n}": f"{part}{n // (1 + n % 4)}" for part in "ab" for n in range(200)}
    groups = {key: f"study {group}" for key, group in keys.items()}
    train = tuple(key for key in keys if key.startswith("a"))
    test = tuple(key for key in keys if key.startswith("b"))
    return Split(train, (), test, 0, groups, (Link("a0", "a7", "one exposure"),))


def test_fewer_films_are_among_more_films_and_no_study_is_divided(whole: Split) -> None:
    drawn = [load("fine_tuning").drawn(whole, films) for films in (10, 30, 100)]
    for split, films, chosen in zip(drawn, (10, 30, 100), (2, 6, 20), strict=True):
        assert (len(split.train), len(split.val)) == (films - chosen, chosen)
        assert split.test == whole.test
        assert find_leaks(split) == []
        assert set(split.groups) == {*split.train, *split.val, *split.test}
    for fewer, more in pairwise(drawn):
        assert set(fewer.train) < set(more.train)
        assert set(fewer.val) < set(more.val)


def test_the_page_is_generated_from_the_results() -> None:
    results = load("fine_tuning_page")
    text = results.PAGE.read_text()
    assert results.page(text) == text
