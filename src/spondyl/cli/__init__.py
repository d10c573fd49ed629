"""What can be asked for at the command line, and what is said where it cannot be done?

Data go to stdout, messages to stderr. Exit codes: 0 done, 1 a fault of spondyl or a proof that
failed, 2 something that the user can put right (one unreadable film among many, too), 130
interrupted. Every command imports what it needs when it runs, so that ``--help`` never waits.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.exceptions import TyperException

from spondyl.cli.calibrating import calibrate
from spondyl.cli.checking import check
from spondyl.cli.comparing import compare
from spondyl.cli.converting import convert, data
from spondyl.cli.exporting import export
from spondyl.cli.films import draw, predict
from spondyl.cli.judging import evaluate, history
from spondyl.cli.measuring import measure
from spondyl.cli.splitting import split
from spondyl.cli.training import demo, phantom, train
from spondyl.errors import SpondylError
from spondyl.version import __version__

_EXTRAS: Final = {
    "train": ("torch", "torchvision", "timm", "lightning", "tensorboard", "safetensors", "onnx"),
    "eval": ("scipy", "matplotlib"),
    "data": ("pooch", "requests"),
}

_INTERRUPTED: Final = 130

app = typer.Typer(
    help="Vertebral landmarks on spine radiographs: find, name and judge.",
    epilog="Research use only; not a medical device.",
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _command in (
    demo, phantom, check, split, train, calibrate, predict, measure, evaluate, compare, draw,
    history, convert, data, export,
):  # fmt: skip
    app.command()(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; a user never sees a traceback.

    With ``SPONDYL_DEBUG`` set in the environment, a traceback comes before the line.
    """
    try:
        code = app(args=arguments, prog_name="spondyl", standalone_mode=False)
        if code == _INTERRUPTED:  # typer keeps the KeyboardInterrupt and returns this
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        print("spondyl: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SPONDYL_DEBUG"):
            traceback.print_exc()
        line, code = _explain(error)
        print(f"spondyl: {line}", file=sys.stderr)
        return code


def _explain(error: Exception) -> tuple[str, int]:
    """One line for the user, and the exit code."""
    if isinstance(error, SpondylError):
        return _one_line(str(error)), 2
    if isinstance(error, TyperException):
        return f"{_one_line(error.format_message()).rstrip('.')}; see spondyl --help", 2
    if isinstance(error, ImportError) and (extra := _extra_of(error)):
        return f"{error.name} is not installed; run: pip install 'spondyl[{extra}]'", 2
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror.lower()}", 2
    fault = f"internal error: {type(error).__name__}: {_one_line(str(error))}"
    return f"{fault}; please report it, with what SPONDYL_DEBUG=1 prints", 1


def _extra_of(error: ImportError) -> str | None:
    package = (error.name or "").partition(".")[0]
    return next((extra for extra, packages in _EXTRAS.items() if package in packages), None)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _show_version(asked: bool) -> None:
    if asked:
        print(f"spondyl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> Any:
    """Vertebral landmarks on spine radiographs: find, name and judge."""
