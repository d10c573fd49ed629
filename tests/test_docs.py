"""The documentation: generated pages are up to date, links lead somewhere, words are ours."""

from __future__ import annotations

import importlib.util
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from spondyl.cli import app, main
from spondyl.recipe import Recipe, read_recipe, shipped_recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

CLAIMS = (
    r"\bdiagnos(es|e|is|tic) (a |the )?(patient|disease|spondylolisthesis|scoliosis|fracture)",
    r"detects (spondylolisthesis|scoliosis|fractures)",
    r"clinical(ly)? (validated|proven|approved)",
    r"\b(FDA|CE)[- ](cleared|approved|marked)",
    r"state[- ]of[- ]the[- ]art",
)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return script("generate")


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return script("figures")


@pytest.mark.parametrize("name", ["cli", "recipes", "modules"])
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


def test_the_page_of_modules_lists_every_one() -> None:
    package = ROOT / "src" / "spondyl"
    modules = [path for path in package.rglob("*.py") if not path.name.startswith("__")]
    text = page("modules")
    paths = [path.relative_to(package).as_posix() for path in modules]
    assert [path for path in paths if f"| `{path}` | " not in text] == []


def test_the_readmes_test_line_is_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("pip install")]
    assert len(lines) == 3
    pattern = re.search(r"grep -m 1 '(.+)' README", (ROOT / ".ci" / "run").read_text())
    assert pattern
    assert [bool(re.search(pattern[1], line)) for line in lines] == [False, False, True]


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
    places = re.compile(rb"(?<![\w.])/(home|root|work|Users)/|file://|localhost|/simple\b")
    named = [
        name
        for name in tracked.stdout.split("\0")
        if name and (ROOT / name).is_file() and places.search((ROOT / name).read_bytes())
    ]
    assert named == []


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def words(name: str) -> str:
    """A page without its line ends."""
    return " ".join(page(name).split())


@pytest.mark.parametrize("table", ["protocols", "penalised", "taxonomy", "units"])
def test_the_worked_example_is_what_evaluate_says(figures: ModuleType, table: str) -> None:
    assert getattr(figures, f"{table}_table")() in page("evaluation"), "run python docs/figures.py"


def test_the_figure_of_the_worked_example_is_up_to_date(figures: ModuleType) -> None:
    drawn = (ROOT / "docs" / "images" / "protocols.svg").read_text(encoding="utf-8")
    assert drawn == figures.figure(), "run python docs/figures.py"


def test_the_worked_example_agrees_with_arithmetic(figures: ModuleType) -> None:
    """One vertebra is 46 px at 512 and every corner is off by (3, 4) px at 512."""
    _, more, _, fewer, misnamed = map(figures.judge, figures.cases())
    shifted_up, shifted_down = math.hypot(3, 4 - 46), math.hypot(3, 4 + 46)
    assert more.protocol("ordinal").metrics["mre_512"].value == pytest.approx(shifted_up)
    assert misnamed.protocol("named").metrics["mre_512"].value == pytest.approx(shifted_down)
    assert fewer.protocol("all").metrics["penalised_mre_512"].value == pytest.approx(
        (8 * 5 + 4 * 48) / 12
    )


def test_published_errors_are_converted_right() -> None:
    """Pixels of a square input to px at 512 and to % of the square's diagonal."""
    rows = re.findall(r"\| MRE ([\d.]+) px of (\d+) \| ([\d.]+) \| ([\d.]+) \|", page("evaluation"))
    assert len(rows) >= 4
    for error, side, at_512, diagonal in rows:
        share = float(error) / float(side)
        assert float(at_512) == pytest.approx(512 * share, abs=0.005)
        assert float(diagonal) == pytest.approx(100 * share / math.sqrt(2), abs=0.005)


def test_published_thresholds_and_medians_are_converted_right() -> None:
    """A share of the diagonal is less px at 512 the narrower the film."""
    text = words("evaluation")
    shares = [f"{100 * px / (512 * math.sqrt(2)):.2f}" for px in (4, 8, 12)]
    assert shares == [f"{100 * px / (640 * math.sqrt(2)):.2f}" for px in (5, 10, 15)]
    assert f"{shares[0]}, {shares[1]}, {shares[2]} % of a square film's diagonal" in text
    low, high = (512 * 0.00203 * math.hypot(1, narrow) for narrow in (0.52, 0.83))
    assert f"| {low:.2f} to {high:.2f} | 0.203 |" in text


def test_the_plans_plateau_follows_from_its_own_figures() -> None:
    """What the corners within each distance leave, of the mean, for those beyond."""
    limits, shares = (0, 6, 12, 18, 24), (0, 26.14, 38.82, 42.28, 43.65)
    parts = [b - a for a, b in pairwise(shares)]
    beyond = 100 - shares[-1]
    assert f"| {' | '.join(f'{part:.2f}' for part in (*parts, beyond))} |" in page("plan")
    nearest = sum(part * limit for part, limit in zip(parts, limits[:-1], strict=True))
    farthest = sum(part * limit for part, limit in zip(parts, limits[1:], strict=True))
    low, high = ((4385 - total) / beyond for total in (farthest, nearest))
    assert f"a mean of {low:.1f} to {high:.1f} px" in words("plan")


def test_the_loss_of_an_empty_map_is_what_the_page_on_the_plan_says() -> None:
    """A Gaussian of peak 1 has the squared sum pi sigma^2."""
    seven, ten = (math.pi * 6**2 / 512**2 * count / 10 for count in (7, 10))
    assert f"error of {seven:.4f} with 7 vertebrae and {ten:.4f} with 10" in words("plan")


def test_what_the_plans_snippet_builds_is_what_its_page_says() -> None:
    import torch
    from torch import nn

    from spondyl.learning.networks import _timm

    def millions(*modules: nn.Module) -> str:
        return f"{sum(p.numel() for m in modules for p in m.parameters()) / 1e6:.2f} M"

    with torch.device("meta"):
        build = _timm().create_model
        stem = build("hrnet_w32", features_only=True, out_indices=(0,))
        wide = build("hrnet_w32", features_only=True, out_indices=(1,))
        finest = build("hrnet_w32", features_only=True, out_indices=(1,), feature_location="")
        small = [
            nn.Sequential(nn.Conv2d(width, 64, 3), nn.BatchNorm2d(64), nn.Conv2d(64, 40, 1))
            for width in (64, 32)
        ]
        layers = [
            m for width in (128, 256) for m in (nn.Conv2d(width, 256, 3), nn.BatchNorm2d(256))
        ]
        large = nn.Sequential(*layers, nn.Conv2d(256, 40, 1))
    learning = sum(p.numel() for m in (stem.conv1, stem.bn1, small[0]) for p in m.parameters())
    text = words("plan")
    assert f"{learning:,} of its {millions(stem, small[0])}" in text
    assert f"128 channels at stride 4, {millions(wide)}" in text
    assert f"{millions(wide, large)}: the plan's count" in text
    assert f"32 channels at stride 4, {millions(finest)}" in text
    assert f"{millions(finest, small[1])} with its head" in text


PLAN_SECTIONS = """
    1.1 1.2 1.3 2.1 2.2 2.3 3.1 3.2 3.3 4.1 4.2 5.1 5.2 6. 7. 8.1 8.2 8.3 9. 10.1 10.2 10.3 10.4 11.
"""
PLAN_SETTINGS = """
    name pretrained num_keypoints output_size freeze_backbone freeze_stages epochs batch_size
    optimizer learning_rate weight_decay scheduler warmup_epochs min_lr loss horizontal_flip
    rotation_range scale_range brightness contrast train_split val_split image_size heatmap_size
    sigma save_best sdr_thresholds
"""


def test_the_page_on_the_plan_goes_through_every_section_and_setting() -> None:
    text = page("plan")
    missing = [n for n in PLAN_SECTIONS.split() if not re.search(rf"\b{re.escape(n)}", text)]
    assert missing == []
    settings = text.split("### 4.1")[1].split("### 4.2")[0]
    assert re.findall(r"^\| `(\w+):", settings, flags=re.MULTILINE) == PLAN_SETTINGS.split()


def our_words(name: str) -> list[str]:
    """Code spans of a page, and lines of its code; the first column of a table is others' words."""
    blocks = re.findall(r"```\n(.*?)```", page(name), flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
    ours = re.sub(r"^\|[^|]*\|", "|", prose, flags=re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [*re.findall(r"`([^`]+)`", ours), *lines]


def settings_of(section: type[BaseModel], above: str = "") -> Iterator[str]:
    for key, setting in section.model_fields.items():
        yield above + key
        for option in (setting.annotation, *get_args(setting.annotation)):
            if isinstance(option, type) and issubclass(option, BaseModel):
                yield from settings_of(option, f"{above}{key}.")


def test_every_setting_that_the_page_on_the_plan_names_exists() -> None:
    known = set(settings_of(Recipe))
    sections = "|".join(sorted({path.partition(".")[0] for path in known if "." in path}))
    named = [
        found[1] for w in our_words("plan") if (found := re.match(rf"((?:{sections})\.[\w.]+)", w))
    ]
    assert len(named) >= 40
    assert [setting for setting in named if setting not in known] == []


def test_every_value_of_the_plans_recipe_is_the_one_its_page_gives() -> None:
    import yaml

    settings = page("plan").split("### 4.1")[1].split("### 4.2")[0]
    recipe = read_recipe(shipped_recipe("plan/hrnet_w32")).model_dump()
    rows = re.findall(r"^\| `\w+: ([^`]+)`[^|]*\| `([\w.]+)`", settings, flags=re.MULTILINE)
    assert len(rows) > 20
    for value, path in rows:
        ours = recipe
        for key in path.split("."):
            ours = ours[key]
        said = yaml.safe_load(value)
        wanted = set(said) if isinstance(said, list) else {said}
        assert wanted <= (set(ours) if isinstance(ours, tuple) else {ours}), path


def test_every_file_that_the_page_on_the_plan_names_exists() -> None:
    named = [w for w in our_words("plan") if re.fullmatch(r"[\w/]+\.py|[\w/]*/[\w/]+\.yaml", w)]
    roots = (ROOT, ROOT / "src" / "spondyl")
    assert len(named) >= 25
    assert [n for n in named if not any((root / n).is_file() for root in roots)] == []


def test_every_test_and_class_that_the_page_on_the_plan_names_exists() -> None:
    folders = (ROOT / "tests", ROOT / "src" / "spondyl")
    code = "\n".join(f.read_text(encoding="utf-8") for d in folders for f in d.rglob("*.py"))
    named = our_words("plan")
    tests = [w for w in named if re.fullmatch(r"test_\w+", w)]
    classes = [w for w in named if re.fullmatch(r"([A-Z]+[a-z]+)+", w)]
    assert len(tests) >= 6
    assert len(classes) >= 3
    assert [t for t in tests if f"def {t}(" not in code] == []
    made = {c for c in classes if re.search(rf"^(class {c}\b|{c} = )", code, re.MULTILINE)}
    assert set(classes) == made


@pytest.mark.parametrize("name", ["plan", "evaluation"])
def test_every_command_that_a_page_names_can_be_given(name: str) -> None:
    group = get_command(app)
    options = {n: {o for p in c.params for o in p.opts} for n, c in group.commands.items()}
    lines = [word.split() for word in our_words(name) if word.startswith(("spondyl ", "--"))]
    assert lines
    for line in lines:
        given = {word for word in line if word.startswith("--")}
        allowed = options[line[1]] if line[0] == "spondyl" else set().union(*options.values())
        assert given <= allowed, " ".join(line)
        for before, value in pairwise(line):
            if before == "--recipe" and not value.isupper():
                shipped_recipe(value)
