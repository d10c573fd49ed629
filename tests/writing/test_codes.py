"""Codes: standard where there is one, each with one meaning, and the page lists them all."""

from itertools import chain
from pathlib import Path

import pytest
from dicom_films import everything
from pydicom.sr.codedict import codes as dcm

from spondyl.anatomy import LEVELS, VARIANT_LEVELS
from spondyl.spine.slip import MEYERDING
from spondyl.writing import codes

PAGE = Path(__file__).parents[2] / "docs" / "dicom-output.md"


def test_a_level_has_the_code_of_snomed_ct_and_its_code_gives_it_back():
    sites = {level: codes.site(level) for level in (*LEVELS, *VARIANT_LEVELS)}
    assert sites["L5"] == (dcm.SCT.L5Vertebra, None)
    assert sites["L5"].code.value == "49668003"
    assert sites["S1"].code == dcm.SCT.Sacrum
    assert len(set(sites.values())) == len(sites)
    assert {level: codes.level_of(site) for level, site in sites.items()} == {x: x for x in sites}


@pytest.mark.parametrize("name", ["V1", "V12"])
def test_a_vertebra_without_a_level_is_said_to_be_undetermined(name):
    site = codes.site(name)
    assert site.code.scheme_designator == codes.SCHEME
    assert site.code.meaning.endswith("level undetermined")
    assert codes.level_of(site) == name


def test_every_measurement_has_a_code_of_its_own_that_fits_dicom():
    """Code Meaning holds 64 characters; a share and a length of one name are two quantities."""
    known = list(chain(everything("lateral"), everything("ap")))
    names = {(m.name, m.unit == "%"): codes.measurement_code(m.name, m.unit) for m in known}
    assert len(set(names.values())) == len(names) > 15
    assert all(codes.measurement_name(code) == name for (name, _), code in names.items())
    methods = {m.definition: codes.method_code(m.definition) for m in known}
    assert len({code.value for code in methods.values()}) == len(methods)
    assert max(len(code.meaning) for code in chain(names.values(), methods.values())) <= 64
    assert codes.measurement_code("Cobb angle", "deg") == dcm.SCT.CobbAngle


def test_a_definition_that_is_too_long_for_a_code_is_cut():
    code = codes.method_code("from " + "very " * 20 + "far")
    assert len(code.meaning) == 64
    assert code != codes.method_code("from " + "very " * 21 + "far")


@pytest.mark.parametrize("grade", range(len(MEYERDING.words)))
def test_a_grade_is_read_back_from_its_code(grade):
    code = codes.grade_code(MEYERDING.name, float(grade))
    assert codes.grade_of(code) == grade
    assert code.meaning == f"Meyerding grade {MEYERDING.words[grade]}"


def test_private_codes_have_one_meaning_each_and_standard_ones_are_pydicoms():
    meanings = {}
    for _, code in codes.fixed_codes():
        assert len(code.meaning) <= 64
        assert meanings.setdefault((code.scheme_designator, code.value), code.meaning) == (
            code.meaning
        )


def test_the_page_lists_the_codes_that_the_code_uses():
    assert codes.code_table() in PAGE.read_text(encoding="utf-8"), (
        "run python -c 'from spondyl.writing.codes import code_table; print(code_table())'"
    )
