"""Which codes name a vertebra, a measurement, a unit or a doubt in the DICOM files we write?

SNOMED CT (SCT), DICOM (DCM, PS3.16 Annex D) and UCUM codes where they exist, as pydicom lists them;
else codes of our own under ``99SPONDYL``, which every file that uses them declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from spondyl.anatomy import CORNERS, LEVELS, VARIANT_LEVELS, Facing
from spondyl.spine.measurement import Unit
from spondyl.spine.slip import MEYERDING

SCHEME: Final = "99SPONDYL"
"""Private coding scheme; names that begin with 99 are left to everybody (PS3.16 Section 8.2)."""

_LONGEST_MEANING: Final = 64

SCHEME_NAME: Final = "spondyl: terms without a standard code"

UNITS: Final[dict[Unit, Code]] = {
    "mm": codes.UCUM.Millimeter,
    "px": Code("{pixels}", "UCUM", "pixels"),
    "deg": codes.UCUM.Degree,
    "%": codes.UCUM.Percent,
    "": codes.UCUM.NoUnits,
}
"""A grade has none: it is a code."""

STANDARD_MEASUREMENTS: Final[dict[str, Code]] = {"Cobb angle": codes.SCT.CobbAngle}


def private(value: str, meaning: str) -> Code:
    """A code of our own."""
    return Code(value, SCHEME, meaning)


COVERAGE: Final = private("coverage", "Share of true values in the uncertainty range")
CORNER_ORDER: Final = private("corner-order", "Corners of the outline, in its order")
FACING: Final = private("facing", "Side of the image that is anterior")
FACINGS: Final[dict[Facing, Code]] = {
    "left": private("image-left", "Left side of the image"),
    "right": private("image-right", "Right side of the image"),
}
INTENDED_USE: Final = private("intended-use", "Intended use of this report")
LEVEL_PROBABILITY: Final = private("level-chance", "Probability that the vertebra's name is right")
BODY: Final = private("body-corners", "Vertebral body, drawn between its corners")
REFUSAL: Final = private("refusal", "Reason why nothing was measured on this film")
WITHHELD_UNIT: Final = private("withheld-unit", "Unit of the value that is withheld")
CONFIDENCE: Final[dict[str, Code]] = {
    corner: private(f"confidence-{corner}", f"Confidence of corner {corner}") for corner in CORNERS
}

QUALITATIVE_EVALUATIONS: Final = Code("C0034375", "UMLS", "Qualitative Evaluations")
POPULATION_MEAN: Final = codes.SCT.MeanValueOfPopulation
POPULATION_SD: Final = codes.DCM.StandardDeviationOfPopulation
Z_SCORE: Final = codes.DCM.ZScoreOfMeasurement
POPULATION: Final = Code("121405", "DCM", "Population Description")
AUTHORITY: Final = Code("121406", "DCM", "Reference Authority")
LOWER_UNCERTAINTY: Final = codes.SCT.RangeOfLowerMeasurementUncertainty
UPPER_UNCERTAINTY: Final = codes.SCT.RangeOfUpperMeasurementUncertainty
METHOD: Final = codes.SCT.MeasurementMethod
NOTE: Final = codes.DCM.Comment
PROBABILITY: Final = codes.DCM.Probability
PROCEDURE: Final = codes.LN.XRUnspecifiedBodyRegion
SOURCE: Final = codes.SCT.Source
TITLE: Final = codes.DCM.ImagingMeasurementReport
WITHHELD: Final = codes.DCM.MeasurementNotAttempted


class Site(NamedTuple):
    """Where a finding is: a coded structure, and what narrows it down where needed."""

    code: Code
    modifier: Code | None = None


def site(name: str) -> Site:
    """The vertebra ``name``: a level, or V1, V2 ... from the top where the level is undetermined.

    PS3.16 CID 7603 has no sacral vertebra: S1 and S2 are the sacrum with a modifier of our own.
    """
    if name in ("S1", "S2"):
        return Site(codes.SCT.Sacrum, private(name, f"{name} vertebra"))
    if hasattr(codes.SCT, f"{name}Vertebra"):
        return Site(getattr(codes.SCT, f"{name}Vertebra"))
    if name in VARIANT_LEVELS:
        return Site(private(name, f"{name} vertebra"))
    return Site(private(name, f"Vertebra {name[1:]} from the top of the film, level undetermined"))


def level_of(where: Site) -> str:
    """The name that :func:`site` gave ``where`` for."""
    code = where.modifier or where.code
    return code.value if code.scheme_designator == SCHEME else _LEVELS[code.value]


_LEVELS: Final = {site(level).code.value: level for level in LEVELS if level != "S1"} | {
    site("C7").code.value: "C7"
}


def measurement_code(name: str, unit: Unit) -> Code:
    """What was measured; a share in % is another quantity than a length of the same name."""
    if name in STANDARD_MEASUREMENTS:
        return STANDARD_MEASUREMENTS[name]
    return private(_slug(name, unit), f"{name}, %" if unit == "%" else name)


def measurement_name(code: Code) -> str:
    """The name that :func:`measurement_code` was given."""
    standard = {each: name for name, each in STANDARD_MEASUREMENTS.items()}
    return standard.get(code) or code.meaning.removesuffix(", %")


def method_code(definition: str) -> Code:
    """The definition of a measurement (``docs/measurements.md``), cut where it is too long."""
    return private(f"method-{_slug(definition)}", definition[:_LONGEST_MEANING])


def grade_code(name: str, grade: float) -> Code:
    """A grade of the grading ``name``; Meyerding's are written in Roman numerals."""
    word = MEYERDING.words[int(grade)] if name == MEYERDING.name else f"{grade:g}"
    return private(f"{_slug(name)}-{grade:g}", f"{name} {word}")


def grade_of(code: Code) -> float:
    """The grade that :func:`grade_code` was given."""
    return float(code.value.rpartition("-")[2])


def fixed_codes() -> Iterator[tuple[str, Code]]:
    """Every code that does not depend on a film, with what it is used for."""
    for level in (*LEVELS, *VARIANT_LEVELS):
        yield f"finding site of {level}", site(level).code
        if modifier := site(level).modifier:
            yield f"its modifier for {level}", modifier
    yield "finding site of a vertebra without a level, here the first", site("V1").code
    yield from ((f"unit {unit or 'of a plain number'}", code) for unit, code in UNITS.items())
    yield from ((f"measurement: {name}", code) for name, code in STANDARD_MEASUREMENTS.items())
    grades = range(len(MEYERDING.words))
    yield from (("a grade", grade_code(MEYERDING.name, grade)) for grade in grades)
    named = sorted((k, v) for k, v in globals().items() if k.isupper() and isinstance(v, Code))
    yield from ((key.lower().replace("_", " "), code) for key, code in named)
    yield from ((f"facing {side}", code) for side, code in FACINGS.items())
    yield from (("confidence", code) for code in CONFIDENCE.values())


def code_table() -> str:
    """The fixed codes as a table of Markdown, for ``docs/dicom-output.md``."""
    rows = (
        f"| {use} | {code.scheme_designator} | `{code.value}` | {code.meaning} |\n"
        for use, code in fixed_codes()
    )
    return "| used for | scheme | code | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _slug(name: str, unit: Unit = "") -> str:
    words = re.findall(r"[a-z0-9]+", name.lower())
    return "-".join([*words, "share"] if unit == "%" else words)
