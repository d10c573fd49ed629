"""Which command measures landmarks that are there, and what can every measuring be told?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from spondyl.cli.arguments import Format, OutFolder, Overwrite
from spondyl.errors import FilmError, UsageError

if TYPE_CHECKING:
    from spondyl.cli.batch import Batch, Predicted
    from spondyl.data.sample import AnnotationSet, Sample
    from spondyl.film.radiograph import Radiograph
    from spondyl.film.stating import Stated
    from spondyl.spine.measurement import Intervals
    from spondyl.spine.slip import SlipDefinition
    from spondyl.writing.measured import MeasuredFilm
    from spondyl.writing.results import Also

StatedView = Annotated[
    Literal["lateral", "ap"] | None,
    typer.Option(help="View of the films, whatever their files say.", show_default=False),
]
MmPerPx = Annotated[
    float | None,
    typer.Option(help="Width of a pixel in mm, for lengths in mm.", show_default=False),
]
RulerText = Annotated[
    str | None,
    typer.Option(
        "--ruler",
        metavar="X1,Y1,X2,Y2,MM",
        help="Two points in image px and the mm between them, for lengths in mm.",
        show_default=False,
    ),
]
Age = Annotated[
    float | None,
    typer.Option(min=0, max=130, help="In years, for published norms.", show_default=False),
]
Sex = Annotated[
    Literal["F", "M"] | None, typer.Option(help="For published norms.", show_default=False)
]
Slip = Annotated[
    str | None,
    typer.Option(help="Definition of slip, such as 'McCarty A/C'.", show_default=False),
]
Angles = Annotated[
    list[str] | None,
    typer.Option(
        "--angle",
        metavar="ENDPLATE:ENDPLATE",
        help="Angle to measure, too: T5.superior:T12.inferior; may be repeated.",
        show_default=False,
    ),
]
Overlays = Annotated[bool, typer.Option(help="Draw each film.")]
Reports = Annotated[bool, typer.Option(help="Write a page for each film, and one for all.")]
AlsoFiles = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[svg|slicer|sr|gsps]",
        help="Write for each film, too: a vector overlay, 3D Slicer markups, a DICOM structured "
        "report, a DICOM presentation state; may be repeated.",
        show_default=False,
    ),
]


def measure(
    data: Annotated[Path, typer.Argument(help="Folder of annotated films, or a predictions file.")],
    *,
    out: OutFolder,
    format: Format = None,
    view: StatedView = None,
    mm_per_px: MmPerPx = None,
    ruler: RulerText = None,
    age: Age = None,
    sex: Sex = None,
    slip: Slip = None,
    angle: Angles = None,
    overlays: Overlays = False,
    reports: Reports = True,
    also: AlsoFiles = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure annotated vertebrae, or predictions that somebody corrected.

    Needs no network. Writes and prints tables of measurements as predict does. Intervals are there
    where the file says how far off its corners are. Films are read only to draw them.
    """
    from spondyl.cli.batch import Batch, check_place, provenance, write_results
    from spondyl.writing.results import MEASUREMENTS, Results, Source

    check_place(out, "", overwrite=overwrite, name=MEASUREMENTS)
    asked, kinds = check_measuring(slip, angle), check_also(also)
    stated = stated_of(view, mm_per_px, ruler, age, sex)
    batch = Batch()
    found = _landmarks(data, format, batch)
    samples = found.samples
    check_person(stated, len(samples))
    batch.expect(len(samples))
    given = found.made_by or {"landmarks": "annotations"}
    made_by = provenance(given, found.intervals)
    results = Results(out, made_by, found.intervals, "", overlays, reports, kinds)
    done = list(_measured(samples, found.intervals, asked, stated, batch))
    sources = {each.key: Source(each.path, partial(_shown, each)) for each in samples}
    is_prediction = bool(found.made_by)
    print(write_results(results, done, sources, batch, landmarks=is_prediction))
    batch.finish()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured besides the usual."""

    slip: SlipDefinition
    angles: tuple[str, ...]


def check_measuring(slip: str | None, angles: Sequence[str] | None) -> Asked:
    """What is asked for, before any film is looked at.

    Raises:
        UsageError: a definition is unknown, or an angle does not name two endplates.
    """
    from spondyl.spine.curvature import asked_angle
    from spondyl.spine.slip import DEFINITION, SlipDefinition

    known = get_args(SlipDefinition)
    if slip is not None and slip not in known:
        raise UsageError(f"--slip {slip}: unknown definition; need {', '.join(known)}")
    for each in angles or ():
        asked_angle(each, ())
    chosen: Any = slip or DEFINITION
    return Asked(chosen, tuple(angles or ()))


def check_also(kinds: Sequence[str] | None) -> frozenset[Also]:
    """Which further files are asked for.

    Raises:
        UsageError: there is no such kind of file.
    """
    from spondyl.writing.results import Also

    known: dict[str, Also] = {kind: kind for kind in get_args(Also)}
    for kind in kinds or ():
        if kind not in known:
            raise UsageError(f"--also {kind}: need {', '.join(known)}")
    return frozenset(known[kind] for kind in kinds or ())


def stated_of(
    view: Literal["lateral", "ap"] | None,
    mm_per_px: float | None,
    ruler: str | None,
    age: float | None,
    sex: Literal["F", "M"] | None,
) -> Stated:
    """What the options state of films.

    Raises:
        UsageError: two do not fit each other, or the ruler is none.
    """
    from spondyl.film.stating import Ruler, Stated

    return Stated(view, mm_per_px, Ruler.parse(ruler) if ruler is not None else None, age, sex)


def check_person(stated: Stated, films: int) -> None:
    """Refuses to say one person's age or sex of several films.

    Raises:
        UsageError: there are several.
    """
    if (stated.age is not None or stated.sex is not None) and films > 1:
        raise UsageError(f"--age and --sex: {films} films; need one, they are of one person")


def measured(
    film: Predicted, intervals: Intervals | None, asked: Asked, *, deidentify: bool = True
) -> MeasuredFilm:
    """A film with what is measured on it."""
    from spondyl.film.radiograph import BURNED_IN
    from spondyl.spine.measurements import measure as measure_film
    from spondyl.writing.measured import MeasuredFilm

    hidden = "not shown: text may be burned in (--no-deidentify shows it)"
    return MeasuredFilm(
        film.sample,
        measure_film(
            film.sample.landmarks,
            film.geometry,
            intervals=intervals,
            slip=asked.slip,
            angles=asked.angles,
        ),
        film.notes,
        hidden if deidentify and BURNED_IN in film.notes else None,
    )


def _measured(
    samples: Sequence[Sample],
    intervals: Intervals | None,
    asked: Asked,
    stated: Stated,
    batch: Batch,
) -> Iterator[MeasuredFilm]:
    """Each film measured; one that a size cannot be stated of is refused."""
    from spondyl.cli.batch import Predicted

    for sample in samples:
        try:
            geometry = stated.geometry(sample.geometry, name=sample.key)
        except FilmError as error:
            batch.refuse(str(error))
            continue
        known = replace(sample, spacing=geometry.spacing, view=geometry.view)
        notes = stated.notes(sample.geometry)
        yield measured(Predicted(known, geometry, notes), intervals, asked)


def _shown(sample: Sample) -> Radiograph:
    """The film of a sample, to be drawn.

    Raises:
        FilmError: it cannot be read, or may show whose it is.
    """
    from spondyl.film.radiograph import BURNED_IN

    film = sample.radiograph()
    if BURNED_IN in film.notes:
        raise FilmError(f"{sample.path}: not drawn: {BURNED_IN}; spondyl draw shows it")
    return film


def _landmarks(data: Path, format: str | None, batch: Batch) -> AnnotationSet:
    """The films of a folder of annotations, or of a predictions file.

    Raises:
        AnnotationError: none can be used.
    """
    from spondyl.data.folder import read_annotations
    from spondyl.errors import AnnotationError

    found = read_annotations(data, format=format)
    for problem in found.problems:
        batch.refuse(str(problem))
    if not found.samples:
        raise AnnotationError(f"{data}: holds no landmarks that can be used")
    return found
