"""The rules that tools hold: format, lint, types, import floors, and the sizes of the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "spondyl"
MODULES = sorted(PACKAGE.rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_is_formatted() -> None:
    run("-m", "ruff", "format", "--check", "--quiet", ".")


def test_the_linter_finds_nothing() -> None:
    run("-m", "ruff", "check", "--quiet", ".")


def test_the_import_floors_hold() -> None:
    run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")


@pytest.mark.slow
def test_the_types_are_right() -> None:
    run("-m", "mypy")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_says_what_it_answers_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400


def functions() -> list[Function]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in MODULES)
    nodes = chain.from_iterable(ast.walk(tree) for tree in trees)
    return [node for node in nodes if isinstance(node, Function)]


def body_lines(function: Function) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def test_functions_are_short() -> None:
    sizes = sorted(body_lines(function) for function in functions())
    assert sizes[len(sizes) // 2] <= 6
    assert sizes[int(0.9 * len(sizes))] <= 25
    assert sizes[-1] <= 60
