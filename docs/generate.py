"""What do the pages say that the code says already: commands, a recipe's settings, modules.

Run ``python docs/generate.py`` to write ``cli.md``, ``recipes.md`` and ``modules.md`` again.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from spondyl.atomic import write_text
from spondyl.cli import app
from spondyl.recipe import Recipe, Section

_WIDTH = 80

_CLI = """# Command line

Data go to stdout, messages to stderr. Exit codes: 0 done; 1 a fault of spondyl; 2 something that
you can put right, said in one line (a film that cannot be read is named, the others go on, and the
last line says how many failed); 130 interrupted. `SPONDYL_DEBUG=1` shows tracebacks.
"""

_RECIPES = """# Recipes

A recipe is a YAML file with the settings below; what it leaves out has its default, and a setting
that does not exist is refused. `--set section.key=value` changes one setting for one run. The run
folder keeps the whole recipe, defaults included, as `recipe.yaml`.

These come along, and can be given by name (`--recipe plan/unet`):

| recipe | what it is |
|---|---|
"""


_MODULES = """# Modules

Every module and the question it answers, floor by floor from the top; a module imports only from
floors below its own.
"""


def cli_page() -> str:
    """``docs/cli.md``: what ``--help`` of every command says."""
    group: Any = get_command(app)
    names = ["", *group.commands]
    return _CLI + "".join(f"\n{_help(group, name)}" for name in names)


def recipes_page() -> str:
    """``docs/recipes.md``: every setting with its default and what it means."""
    root = Path(__file__).parents[1] / "recipes"
    rows = [
        f"| `{path.relative_to(root).with_suffix('').as_posix()}` | {_about(path)} |\n"
        for path in sorted(root.rglob("*.yaml"))
    ]
    return _RECIPES + "".join(rows) + "".join(_section("", Recipe))


def modules_page() -> str:
    """``docs/modules.md``: the first line of every module, in the order of the floors."""
    root = Path(__file__).parents[1]
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [[name.strip() for name in re.split(r"[|:]", layer)] for layer in layers]
    return _MODULES + "".join(_floor(root / "src", floor) for floor in floors)


def _floor(source: Path, names: Sequence[str]) -> str:
    title = ", ".join(name.removeprefix("spondyl.") for name in names)
    rows = [
        f"| `{path.relative_to(source / 'spondyl').as_posix()}` | {_question(path)} |\n"
        for name in names
        for path in _modules(source.joinpath(*name.split(".")))
    ]
    return f"\n## {title}\n\n| module | |\n|---|---|\n{''.join(rows)}"


def _modules(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place.with_suffix(".py")]
    return sorted(path for path in place.rglob("*.py") if path.name != "__init__.py")


def _question(path: Path) -> str:
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _flat(told.split("\n\n")[0])


def _help(group: Any, name: str) -> str:
    quiet = {"resilient_parsing": True, "terminal_width": _WIDTH}
    command, title = group, "spondyl"
    context = group.make_context(title, [], **quiet)
    if name:
        command, title = group.commands[name], f"spondyl {name}"
        context = command.make_context(name, [], parent=context, **quiet)
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


def _about(path: Path) -> str:
    """The comment at the head of a recipe, as one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.lstrip("# ") for line in lines[:end])


def _section(name: str, section: type[BaseModel]) -> Iterator[str]:
    """One table a section, then its own sections."""
    inner: list[tuple[str, type[BaseModel]]] = []
    rows = []
    for key, setting in section.model_fields.items():
        below = _sections(setting)
        inner += [(f"{name}.{key}".strip("."), each) for each in below]
        if not below:
            rows.append(
                f"| `{key}` | `{_default(setting)}` | {_values(setting)} | {_text(setting)} |\n"
            )
    title = name or "At the top"
    kind = section.model_fields.get("name")
    if name == "codec" and kind is not None:
        title = f"{name}, with `name: {kind.default}`"
    yield f"\n## {title}\n\n{_flat(section.__doc__)}\n\n"
    yield "| setting | default | values | meaning |\n|---|---|---|---|\n" + "".join(rows)
    for path, each in inner:
        yield from _section(path, each)


def _sections(setting: FieldInfo) -> list[type[BaseModel]]:
    options = get_args(setting.annotation) or (setting.annotation,)
    return [each for each in options if isinstance(each, type) and issubclass(each, Section)]


def _default(setting: FieldInfo) -> str:
    value = setting.default
    shown = yaml.safe_dump(
        list(value) if isinstance(value, tuple) else value, default_flow_style=True
    )
    return shown.replace("\n...", "").strip()


def _values(setting: FieldInfo) -> str:
    """The allowed values, in words, from the schema of the setting."""
    owner = type("Owner", (BaseModel,), {"__annotations__": {"it": setting.annotation}})
    schema = owner.model_json_schema()["properties"]["it"]
    return _kind({**schema, **{k: v for m in setting.metadata for k, v in _bound(m)}})


def _bound(mark: Any) -> Iterator[tuple[str, Any]]:
    names = {
        "ge": "minimum",
        "gt": "exclusiveMinimum",
        "le": "maximum",
        "lt": "exclusiveMaximum",
        "multiple_of": "multipleOf",
    }
    for attribute, name in names.items():
        if (value := getattr(mark, attribute, None)) is not None:
            yield name, value


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        inner = schema.get("items") or schema["prefixItems"][0]
        count = f"{len(schema['prefixItems'])} x " if "prefixItems" in schema else "list of "
        return count + _kind(inner)
    kind = "file" if schema.get("format") == "path" else schema.get("type", "")
    bounds = [
        f"{sign} {schema[name]:g}"
        for name, sign in (
            ("minimum", ">="),
            ("exclusiveMinimum", ">"),
            ("maximum", "<="),
            ("exclusiveMaximum", "<"),
        )
        if name in schema
    ]
    if "multipleOf" in schema:
        bounds.append(f"a multiple of {schema['multipleOf']}")
    return " ".join([kind, ", ".join(bounds)]).strip()


def _text(setting: FieldInfo) -> str:
    return _flat(setting.description)


def _flat(text: str | None) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", " ".join((text or "").split()))


if __name__ == "__main__":
    folder = Path(__file__).parent
    write_text(folder / "cli.md", cli_page())
    write_text(folder / "recipes.md", recipes_page())
    write_text(folder / "modules.md", modules_page())
