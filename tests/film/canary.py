"""A DICOM film that says a word of its own in every text that could name a person.

``plant`` writes it; ``leaks`` finds which of its words stand in what a program has written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import DicomDictionary, RepeatersDictionary
from pydicom.tag import Tag

from film.dx import make_dx, values

TEXTS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "AE", "UR")
DATES = ("DA", "DT")
PRIVATE = (0x0029, 0x0041)

# What tells a reader how to decode and show the film, and what it is of.
NEEDED = frozenset({
    "SpecificCharacterSet", "SOPClassUID", "TransferSyntaxUID", "Modality",
    "PhotometricInterpretation", "PixelPresentation",
})  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A film and its words, each with the place where it was planted."""

    path: Path
    words: dict[str, str]


class _Words:
    """Words that occur nowhere else; each is remembered with its place."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def __call__(self, place: str, kind: str = "LO") -> str:
        number = len(self.places)
        if kind in DATES:
            word = f"{date(1650, 1, 1) + timedelta(days=number):%Y%m%d}"
        else:
            word = f"2.25.7770{number:05}777" if kind == "UI" else f"ZQX{number:05}QZ"
        self.places[word] = place
        return word


def plant(folder: Path, *, stored=None, codes: bool = False, **tags: object) -> Planted:
    """Writes a film below ``folder`` whose name and whose every text is a word of its own.

    Every tag of the dictionary that holds text, a date or a UID, overlays, a nested sequence,
    private tags, file meta and preamble. With ``codes`` code strings as well, which no name should
    stand in, and sometimes does. ``tags`` are set last: they cause a fault, or make a good film.
    """
    word = _Words()
    data = make_dx(values() if stored is None else stored)
    kinds = (*TEXTS, *DATES, "UI", *(("CS",) if codes else ()))
    for place, (kind, _, _, _, name) in DicomDictionary.items():
        group = place >> 16
        if kind in kinds and name and name not in NEEDED and group not in (0x0000, 0x0002, 0x0004):
            data.add_new(place, kind, word(name, kind))
    for mask, (kind, _, _, _, name) in RepeatersDictionary.items():
        if kind in kinds and mask.startswith("60"):
            data.add_new(Tag(int(mask.replace("xx", "00"), 16)), kind, word(name, kind))
    data.RequestAttributesSequence = [_nested(word, depth=3)]
    data.OriginalAttributesSequence = [_nested(word, depth=1)]
    _plant_private(data, word)
    data.file_meta.SourceApplicationEntityTitle = word("file meta")
    data.file_meta.ImplementationVersionName = word("file meta, version")
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.preamble = word("preamble").encode().ljust(128, b"\0")
    for name, value in tags.items():
        setattr(data, name, value)
    path = folder / f"{word('file name')}.dcm"
    data.save_as(path, enforce_file_format=True)
    return Planted(path, {w: place for w, place in word.places.items() if place not in tags})


def leaks(planted: Planted, texts: Iterable[str | bytes]) -> list[str]:
    """The places whose words stand in one of the texts, in any case."""
    told = [
        text.decode("latin-1").upper() if isinstance(text, bytes) else text.upper()
        for text in texts
    ]
    return [place for word, place in planted.words.items() if any(word in text for text in told)]


def _nested(word: _Words, *, depth: int) -> Dataset:
    item = Dataset()
    item.PatientName = word(f"name, {depth} deep", "PN")
    item.RequestedProcedureDescription = word(f"procedure, {depth} deep")
    if depth > 1:
        item.RequestedProcedureCodeSequence = [_nested(word, depth=depth - 1)]
    return item


def _plant_private(data: Dataset, word: _Words) -> None:
    for group in PRIVATE:
        block = data.private_block(group, word(f"private creator {group:x}"), create=True)
        for offset, kind in enumerate(("PN", "LO", "UT", "LT"), start=1):
            block.add_new(offset, kind, word(f"private {kind} {group:x}"))
        block.add_new(9, "SQ", [_nested(word, depth=1)])
