"""The documentation: generated pages are up to date, links lead somewhere, words are ours."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from spondyl.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

CLAIMS = (
    r"\bdiagnos(es|e|is|tic) (a |the )?(patient|disease|spondylolisthesis|scoliosis|fracture)",
    r"detects (spondylolisthesis|scoliosis|fractures)",
    r"clinical(ly)? (validated|proven|approved)",
    r"\b(FDA|CE)[- ](cleared|approved|marked)",
    r"state[- ]of[- ]the[- ]art",
)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli", "recipes"])
def test_a_generated_page_says_what_the_code_says(generate: ModuleType, name: str) -> None:
    written = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert written == getattr(generate, f"{name}_page")(), "run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [t for t in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in t]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_makes_a_medical_claim(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    found = [claim for claim in CLAIMS if re.search(claim, text, re.IGNORECASE)]
    assert found == []


def test_the_readme_says_once_what_it_is_for() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert text.lower().count("research use only; not a medical device") == 1


def test_the_readme_lists_every_module() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "spondyl"
    modules = [path for path in package.rglob("*.py") if path.name != "__init__.py"]
    assert [path.name for path in modules if path.name not in text] == []


def test_the_readmes_test_line_is_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("pip install")]
    assert len(lines) == 2
    pattern = re.search(r"grep -m 1 '(.+)' README", (ROOT / ".ci" / "run").read_text())
    assert pattern
    assert [bool(re.search(pattern[1], line)) for line in lines] == [False, True]


def test_the_readmes_example_is_python() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
        for line in block.splitlines():
            if line.startswith(("from spondyl", "import spondyl")):
                exec(line, {})


def test_every_command_in_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    main(["--help"])
    known = set(re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, flags=re.MULTILINE))
    used = set(re.findall(r"^spondyl ([a-z]+)", readme, flags=re.MULTILINE))
    assert used
    assert used <= known


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "*.md", "*.toml", "*.yaml", "*.txt", "*.cff", ".ci", "src"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode:
        pytest.skip("not a git checkout")
    places = re.compile(r"(?<![\w.])/(home|root|work|Users)/|file://|localhost|/simple\b")
    named = [
        name
        for name in tracked.stdout.split("\0")
        if name and (ROOT / name).is_file() and places.search((ROOT / name).read_text("utf-8"))
    ]
    assert named == []
