import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.drawing import QUADS, SIZE

from spondyl.data.facts import facts_of, with_facts
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks

PLAIN = Sample("a", Path("a.png"), **SIZE, landmarks=Landmarks(QUADS), group="a", origin="tool")


def test_facts_come_back_through_json():
    truth = replace(
        PLAIN, key="b/c", group="p", origin="o", complete_above=True, complete_below=True,
        landmarks=Landmarks(QUADS, facing="right"), aspect=None, view="ap",
        spacing=PixelSpacing(0.2, 0.1, "detector"), flags=frozenset({"L6"}),
    )  # fmt: skip
    found = with_facts(PLAIN, json.loads(json.dumps(facts_of(truth))))
    assert facts_of(found) == facts_of(truth)
    assert found.spacing == truth.spacing


def test_what_is_not_stated_stays_and_flags_are_added():
    flagged = replace(PLAIN, flags=frozenset({"corners repaired"}))
    found = with_facts(flagged, {"key": "", "group": None, "flags": ["L6"]})
    assert (found.key, found.group, found.origin) == ("a", "a", "tool")
    assert found.flags == {"corners repaired", "L6"}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"view": "side"}, 'view is "side", need lateral or ap'),
        ({"facing": 7}, "facing is 7, need left or right"),
        ({"facing": ["left"]}, 'facing is ["left"], need left or right'),
        ({"aspect": -1}, "aspect is -1, need above 0"),
        ({"aspect": float("nan")}, "aspect is NaN, need a finite number"),
        ({"spacing": {"row_mm": 1}}, "spacing has no 'column_mm'"),
        ({"spacing": {"row_mm": 1, "column_mm": -1}}, "spacing: column_mm is -1.0, need a finite"),
        ({"spacing": {"row_mm": 1, "column_mm": 1, "plane": "x"}}, 'plane is "x", need patient or'),
        ({"flags": "L6"}, 'flags is "L6", need a list'),
        ({"key": {"deep": [0] * 999}}, 'key is {"deep": [0, 0,'),
    ],
)
def test_an_impossible_fact_is_refused_in_one_short_line(facts, message):
    with pytest.raises(AnnotationError) as refused:
        with_facts(PLAIN, facts)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 100
