"""Which commands move annotations between formats, and say where films come from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spondyl.cli.console import say
from spondyl.errors import UsageError

if TYPE_CHECKING:
    from spondyl.data.sources import Archive, PublicSet


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder of annotated films, or one file.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    to: Annotated[
        Literal["coco", "yolo-pose", "keypoint-rcnn", "buu", "labelme", "cvat", "slicer"],
        typer.Option(help="Format to write."),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--from", help="Format of IN, where it is not to be recognised.", show_default=False
        ),
    ] = None,
    copy_films: Annotated[
        bool, typer.Option("--copy-films", help="Copy the films beside the labels.")
    ] = False,
) -> None:
    """Write annotations in another format, and say what is lost.

    Films stay where they are and are referred to; IN is never changed. What is lost is said, and
    listed in OUT/losses.json. Prints OUT.
    """
    from spondyl.data import converting
    from spondyl.data.folder import read_annotations

    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out}: lies in {source}; need a folder outside it")
    found = read_annotations(source, format=format)
    done = converting.convert(found, out, to=to, copy_films=copy_films)
    for problem in (*found.problems, *done.refused):
        say(str(problem))
    for loss in done.losses:
        say(f"lost: {loss.kind} ({loss.count}, on {loss.films} films): {loss.reason}")
    print(out)
    if left := len(found.problems) + len(done.refused):
        say(f"{left} of {left + done.written} films were left out")
        raise typer.Exit(2)


def data(
    name: Annotated[
        str | None, typer.Argument(help="One set, to be shown in full.", show_default=False)
    ] = None,
    download: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Folder to fetch NAME into.", show_default=False),
    ] = None,
) -> None:
    """List public sets of spine films, their licences and their traps.

    With --download, fetches one whose licence and address allow it, checks it and prints its path;
    for the others it prints what to do by hand.
    """
    from spondyl.data.sources import describe, overview, public_set

    if name is None:
        if download is not None:
            raise UsageError("--download: need the name of a set too")
        print(overview())
        return
    public = public_set(name)
    if download is not None and public.archive is not None:
        print(_fetch(public, public.archive, download))
        return
    print(describe(public))
    if download is not None:
        raise UsageError(f"{public.name}: cannot be fetched directly; follow the steps above")


def _fetch(public: PublicSet, archive: Archive, out: Path) -> Path:
    from spondyl.data.downloading import download, sha256_of

    say(f"fetching {archive.url} to {out / archive.name} (size {public.size})")
    say(f"licence: {public.licence}")
    path = download(archive, out)
    if archive.sha256 is None:
        say(f"no checksum is known; the SHA-256 of what came is {sha256_of(path)}")
    return path
