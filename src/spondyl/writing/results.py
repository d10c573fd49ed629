"""Which files does a call leave in its folder, what of it may be shown, and what made it?"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from spondyl.atomic import write_json, write_text, write_with
from spondyl.data.coco import relative_name, write_coco
from spondyl.data.facts import FIELD
from spondyl.data.slicer import SUFFIX, to_slicer
from spondyl.errors import SpondylError
from spondyl.film.radiograph import Radiograph
from spondyl.spine.drawing import describe, paint
from spondyl.spine.measurement import Intervals
from spondyl.writing.batch_report import Counts, Shown, batch_page
from spondyl.writing.film_report import film_page
from spondyl.writing.measured import (
    COLUMNS,
    MeasuredFilm,
    long_rows,
    marked_lines,
    measurements_json,
    summary_row,
    wide_table,
)
from spondyl.writing.page import Picture, embedded, render
from spondyl.writing.svg import overlay_svg
from spondyl.writing.table import to_csv

Also = Literal["svg", "slicer", "sr", "gsps"]

PREDICTIONS: Final = "predictions.json"
MEASUREMENTS: Final = "measurements.json"

_KINDS: Final = {
    "overlays": ".png", "svg": ".svg", "reports": ".html", "slicer": SUFFIX,
    "sr": ".dcm", "gsps": ".dcm",
}  # fmt: skip
_FOLDERS: Final = {kind: "overlays" if kind == "svg" else kind for kind in _KINDS}
_CAPTION: Final = "Amber: the landmarks. Magenta: what the first numbers were measured on."
_THUMBNAIL: Final = 220  # px of its longer side
_NAME: Final = 200  # bytes: most file systems take 255, with suffix and the mark of a draft


@dataclass(frozen=True, slots=True)
class Source:
    """Where a film is read for pictures and DICOM files: never written down."""

    path: Path
    read: Callable[[], Radiograph]
    frame: int | None = None


@dataclass(slots=True)
class Results:
    """The files of one call in ``out``: tables first, then each film's own, then the batch's page.

    ``also`` are the further files of each film. ``prefix`` begins the names of the tables and the
    page. Whatever is written is whole: a call that is killed leaves fewer files, never half one.
    """

    out: Path
    made_by: Mapping[str, str]
    intervals: Intervals | None = None
    prefix: str = ""
    overlays: bool = True
    reports: bool = True
    also: frozenset[Also] = frozenset()
    _shown: list[Shown] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def write_tables(self, films: Sequence[MeasuredFilm], *, landmarks: bool = True) -> Path:
        """Writes the tables of all films and, with ``landmarks``, the predictions; returns these.

        Of predictions that are replaced the files of their films go: they no longer hold.
        """
        path = self.out / f"{self.prefix}{PREDICTIONS}"
        remove_films(self.out, self.prefix)
        samples = [film.sample for film in films]
        self._names = film_names([film.key for film in films])
        if landmarks:
            write_coco(path, samples, made_by=self.made_by, intervals=self.intervals)
        rows = [summary_row(film.sample, notes=film.notes) for film in films]
        columns, wide = wide_table(films)
        self._write("summary.csv", to_csv(rows))
        self._write("measurements.csv", to_csv(list(long_rows(films)), columns=COLUMNS))
        self._write("measurements_wide.csv", to_csv(wide, columns=columns))
        everything = measurements_json(films, made_by=self.made_by, intervals=self.intervals)
        write_json(self._path(MEASUREMENTS), everything)
        write_json(self._path("provenance.json"), dict(self.made_by))
        return path if landmarks else self._path(MEASUREMENTS)

    def write_film(self, film: MeasuredFilm, source: Source) -> tuple[str, ...]:
        """Writes the files of one film; what could not be written, one line each.

        Its pixels are read where they are shown, and let go.
        """
        failures: list[str] = []
        picture = None
        try:
            if self._shows(film):
                picture = self._draw(film, source.read())
        except SpondylError as error:
            failures.append(str(error))
        if "slicer" in self.also:
            self._write_slicer(film)
        try:
            self._write_dicom(film, source)
        except SpondylError as error:
            failures.append(str(error))
        if self.reports:
            self._report(film, picture)
        return tuple(failures)

    def write_page(self, counts: Counts) -> None:
        """Writes the page of the batch, where reports are wanted."""
        if self.reports:
            page = batch_page(self._shown, counts, made_by=self.made_by)
            self._write("report.html", render(page))

    def _shows(self, film: MeasuredFilm) -> bool:
        return film.hidden is None and (self.overlays or "svg" in self.also)

    def _draw(self, film: MeasuredFilm, pixels: Radiograph) -> Image.Image:
        drawing = describe(
            film.sample.geometry, film.sample.landmarks, lines=marked_lines(film.measurements)
        )
        if "svg" in self.also:
            drawn = overlay_svg(pixels, drawing, made_by=self.made_by)
            write_text(self._film_path("svg", film.key), drawn)
        picture = paint(pixels, drawing)
        if self.overlays:
            known = PngInfo()
            known.add_itxt("made_by", json.dumps(dict(self.made_by), ensure_ascii=False))
            path = self._film_path("overlays", film.key)
            write_with(path, partial(picture.save, format="PNG", pnginfo=known))
        return picture

    def _write_slicer(self, film: MeasuredFilm) -> None:
        path = self._film_path("slicer", film.key)
        data = to_slicer(film.sample, relative_name(film.sample.path, path.parent))
        data[FIELD] |= {"made_by": dict(self.made_by)}
        write_json(path, data)

    def _write_dicom(self, film: MeasuredFilm, source: Source) -> None:
        """The DICOM objects: unlike all other files they say whose film it is."""
        if not {"sr", "gsps"} & self.also:
            return
        from spondyl.writing.dicom_file import write_dicom
        from spondyl.writing.presentation_state import presentation_state
        from spondyl.writing.structured_report import structured_report

        for kind, make in (("sr", structured_report), ("gsps", presentation_state)):
            if kind in self.also:
                made = make(source.path, film.sample.landmarks, film.measurements,
                            made_by=self.made_by, frame=source.frame)  # fmt: skip
                write_dicom(self._film_path(kind, film.key), made)

    def _report(self, film: MeasuredFilm, picture: Image.Image | None) -> None:
        path = self._film_path("reports", film.key)
        batch = f"{self.prefix}report.html"
        whole, small = (None, None) if picture is None else _embedded(picture)
        back = f"../{batch}", "All films"
        write_text(path, render(film_page(film, made_by=self.made_by, picture=whole, back=back)))
        self._shown.append(Shown(film, f"reports/{quote(path.name)}", small))

    def _write(self, name: str, text: str) -> None:
        write_text(self._path(name), text)

    def _path(self, name: str) -> Path:
        return self.out / f"{self.prefix}{name}"

    def _film_path(self, kind: str, key: str) -> Path:
        return film_path(self.out, kind, self._names.get(key, film_name(key)))


def film_path(out: Path, kind: str, name: str) -> Path:
    """Where one film's file of a kind is: overlays, svg, reports, slicer, sr or gsps."""
    return out / _FOLDERS[kind] / f"{name}{_KINDS[kind]}"


def film_names(keys: Sequence[str]) -> dict[str, str]:
    """The name of each film's files, without suffix, by its key: no two films share one.

    A ``/`` becomes ``_``. Of keys whose names would be the same then, or on a file system that
    does not tell capitals, each is marked with a digest of itself.
    """
    plain = {key: film_name(key) for key in keys}
    films = Counter(name.casefold() for name in plain.values())
    return {
        key: name if films[name.casefold()] == 1 else _marked(name, key)
        for key, name in plain.items()
    }


def film_name(key: str) -> str:
    """A film's key as the name of a file, without suffix; cut and marked where it is too long."""
    name = key.strip("/").replace("/", "_")
    return name if len(name.encode()) <= _NAME else _marked(name, key)


def _marked(name: str, key: str) -> str:
    kept = name.encode()[:_NAME].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def remove_films(out: Path, prefix: str) -> None:
    """Removes the files of the films that an earlier call has written about."""
    predicted = _keys(out / f"{prefix}{PREDICTIONS}", "images", "key")
    measured = _keys(out / f"{prefix}{MEASUREMENTS}", "films", "film")
    for name in {*film_names(predicted).values(), *film_names(measured).values()}:
        for kind in _KINDS:
            film_path(out, kind, name).unlink(missing_ok=True)


def _keys(path: Path, films: str, name: str) -> list[str]:
    """The films that a file of results names; none where there is none that can be read."""
    try:
        return [str(film[name]) for film in json.loads(path.read_bytes())[films]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _embedded(picture: Image.Image) -> tuple[Picture, Picture]:
    """The picture as a page shows it, and the small one of the batch."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    whole = embedded([(_CAPTION, buffer.getvalue())])[0]
    return whole, embedded([("", buffer.getvalue())], side=_THUMBNAIL)[0]
