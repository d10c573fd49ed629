"""What becomes of real DICOM files? Every test file of pydicom, in a folder and named by itself.

Reads the files in pydicom's own wheel and, where it is installed, those of the package
pydicom-data. Writes ``dicom.json`` (one row a file) and the table of docs/dicom.md. With
``--expected`` it names the files on which an independent prototype's verdict differs.

    python benchmarks/dicom.py [--expected PATH/dicom_acceptance.csv]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pydicom.data

from spondyl.atomic import write_json, write_text
from spondyl.errors import FilmError
from spondyl.film.guarding import shown
from spondyl.film.radiograph import Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.film.study import choose_films

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "dicom.md"
TABLE = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
NO_FILES = {".py", ".pyc", ".md", ".txt", ".json"}  # the packages' own, beside their data
NAMED = 4  # files named in a row of the table


class Row(NamedTuple):
    """A file: what happens to it in a folder, and what reading it says when it is named."""

    set: str
    file: str
    in_folder: str
    by_itself: str
    line: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expected", type=Path, help="verdicts to compare with, a CSV file")
    asked = parser.parse_args()
    rows = [row for name, folder in sets().items() for row in walk(name, folder)]
    write_json(HERE / "dicom.json", {"files": [row._asdict() for row in rows]})
    text = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, TABLE.sub(lambda found: f"{found[1]}\n{table(rows)}{found[2]}", text))
    if asked.expected:
        print("\n".join(differences(rows, asked.expected)) or "no file differs")


def sets() -> Mapping[str, Path]:
    """The folders of files that are installed."""
    found = {"pydicom": Path(pydicom.data.__file__).parent}
    more = importlib.util.find_spec("data_store")
    if more and more.origin:
        found["pydicom-data"] = Path(more.origin).parent / "data"
    return found


def walk(name: str, folder: Path) -> Iterator[Row]:
    """A row for each file of a folder, in order."""
    chosen, skipped = choose_films([folder])
    taken = {film.path: "taken" for film in chosen}
    passed = {file.path: f"skipped: {file.reason}" for file in skipped}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in NO_FILES:
            fate = taken.get(path) or passed.get(path) or "passed over"
            yield Row(name, path.relative_to(folder).as_posix(), fate, *read(path))


def read(path: Path) -> tuple[str, str]:
    """Whether a file opens, and the line that says how, or why not."""
    try:
        return "opened", described(read_radiograph(path))
    except FilmError as error:
        return "refused", str(error).removeprefix(f"{shown(path)}: ")


def described(film: Radiograph) -> str:
    """Size, view, spacing and remarks of a film."""
    spacing = film.spacing
    length = f"{spacing.row_mm:g} x {spacing.column_mm:g} mm ({spacing.plane})" if spacing else None
    view = f"view {film.view}" if film.view else "view not stated"
    size = f"{film.width} x {film.height} px"
    return "; ".join(filter(None, (size, view, length, *film.notes)))


def table(rows: Iterable[Row]) -> str:
    """What happened to how many files; few are named."""
    rows = list(rows)
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        line = re.sub(r"\d+ x \d+ px(?=, need)", "too small", row.line)
        line = re.sub(r"same film as film-\w+", "same film as another", line)
        fate = re.sub(r"same film as film-\w+", "same film as another", row.in_folder)
        groups[fate, f"{row.by_itself}: {line}"].append(row.file)
    counts = {
        name: sum(row.set == name for row in rows) for name in dict.fromkeys(r.set for r in rows)
    }
    kinds = [row.by_itself for row in rows]
    lines = [
        ", ".join(f"{count} files of {name}" for name, count in counts.items())
        + f": {kinds.count('opened')} open when named, {kinds.count('refused')} are refused in one"
        " line, no other error.\n",
        "| files | such as | in a folder | named by itself |",
        "|---|---|---|---|",
    ]
    for (fate, line), files in sorted(groups.items(), key=order):
        names = ", ".join(f"`{file}`" for file in files[:NAMED])
        lines.append(f"| {len(files)} | {names} | {fate} | {line} |")
    return "\n".join(lines) + "\n"


def order(group: tuple[tuple[str, str], list[str]]) -> tuple[bool, str, int, str]:
    """What opens first, then by what happens in a folder."""
    (fate, line), files = group
    return not line.startswith("opened"), fate.split(":")[0], -len(files), line


def differences(rows: Iterable[Row], expected: Path) -> list[str]:
    """The files that the prototype opened and we refuse when named, or the other way."""
    with expected.open(encoding="utf-8") as file:
        verdicts = {row["file"]: row["our_verdict"] for row in csv.DictReader(file)}
    says = {"opened": "open", "refused": "refuse"}
    return [
        f"{row.file}: {row.by_itself}, expected {verdicts[row.file]}; {row.line}"
        for row in rows
        if row.file in verdicts and verdicts[row.file] != says[row.by_itself]
    ]


if __name__ == "__main__":
    main()
