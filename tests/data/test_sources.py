import re
from pathlib import Path

import pytest

from spondyl.data.converting import TARGETS
from spondyl.data.folder import FORMATS
from spondyl.data.sources import NOT_VERIFIED, PUBLIC_SETS, describe, overview, public_set
from spondyl.errors import UsageError

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("each", PUBLIC_SETS, ids=lambda each: each.name)
def test_a_set_says_all_that_a_user_must_know(each):
    assert re.match(r"https?://", each.address)
    assert each.licence.endswith(".")
    assert each.licence.count(". ") == 0  # one sentence
    assert each.films
    assert each.size
    assert each.steps
    assert each.traps
    assert "\n" not in overview().split("\n\n")[0].splitlines()[0]
    text = describe(each)
    for fact in (each.title, each.address, each.licence, each.reading, *each.steps, *each.traps):
        assert fact in text


@pytest.mark.parametrize("each", PUBLIC_SETS, ids=lambda each: each.name)
def test_the_command_that_reads_it_exists(each):
    words = each.reading.split()
    assert words[:2] in (["spondyl", "convert"], ["spondyl", "predict"])
    if "--to" in words:
        assert words[words.index("--to") + 1] in TARGETS
    if "--from" in words:
        assert words[words.index("--from") + 1] in FORMATS


@pytest.mark.parametrize("each", PUBLIC_SETS, ids=lambda each: each.name)
def test_only_an_archive_that_may_be_fetched_has_an_address_and_a_checksum_is_one(each):
    if each.archive is None:
        assert "none known" in describe(each)
        return
    assert "CC BY" in each.licence
    assert each.archive.url.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{64}", each.archive.sha256)


@pytest.mark.parametrize("each", PUBLIC_SETS, ids=lambda each: each.name)
def test_the_page_gives_a_source_for_each_set(each):
    section = PAGE.split(f"\n## {each.name}\n")[1].split("\n## ")[0]
    assert each.address in section
    assert "| source |" in section
    if NOT_VERIFIED in each.size:
        assert NOT_VERIFIED in section


def test_an_unknown_set_is_refused_with_the_names_of_those_there_are():
    assert public_set("Mendeley").name == "mendeley"
    with pytest.raises(UsageError, match=r"unknown set 'x', need mendeley, buu-lspine, aasce"):
        public_set("x")
