"""The commands convert and data: what they print, write, refuse and answer with."""

import json
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from spondyl.cli import main
from spondyl.data import sources
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command; gives its exit code, what it printed and its messages."""
    monkeypatch.delenv("SPONDYL_DEBUG", raising=False)

    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err.splitlines()

    return call


@pytest.fixture
def phantoms(tmp_path):
    write_phantoms(tmp_path / "in", films=2, seed=3, long_side=160)
    return tmp_path / "in"


def test_convert_writes_says_what_is_lost_and_prints_the_folder(tmp_path, run, phantoms):
    out = tmp_path / "out"
    code, printed, said = run("convert", phantoms, out, "--to", "yolo-pose", "--copy-films")
    assert (code, printed) == (0, f"{out}\n")
    assert any(line.startswith("lost: level (") for line in said)
    assert len(read_annotations(out).samples) == 2
    assert json.loads((out / "losses.json").read_text())["films_written"] == 2


def test_convert_reads_a_single_file_and_a_named_format(tmp_path, run, phantoms):
    file = phantoms / "annotations.json"
    code, _, said = run("convert", file, tmp_path / "out", "--to", "cvat", "--from", "coco")
    assert (code, said) == (0, [])
    code, _, said = run("convert", phantoms, tmp_path / "x", "--to", "cvat", "--from", "buu")
    assert code == 2
    assert said == [f"spondyl: {phantoms}: no annotations found, need buu"]


def test_what_could_not_be_used_is_said_and_the_exit_code_is_2(tmp_path, run, phantoms):
    run("convert", phantoms, tmp_path / "labels", "--to", "labelme", "--copy-films")
    (tmp_path / "labels" / "phantom-00000.json").write_text('{"shapes": [], "imagePath": "a"}')
    code, printed, said = run("convert", tmp_path / "labels", tmp_path / "out", "--to", "coco")
    assert (code, printed) == (2, f"{tmp_path / 'out'}\n")
    assert said == [
        f"{tmp_path / 'labels' / 'phantom-00000.json'}: no film named a was found",
        "1 of 2 films were left out",
    ]


def test_in_is_never_written_to(tmp_path, run, phantoms):
    for out in (phantoms, phantoms / "sub"):
        code, _, said = run("convert", phantoms, out, "--to", "coco")
        assert code == 2
        assert said == [f"spondyl: {out}: lies in {phantoms}; need a folder outside it"]
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    code, _, said = run("convert", phantoms, tmp_path / "used", "--to", "coco")
    assert (code, len(said)) == (2, 1)
    assert "is in use; need a new folder" in said[0]


def test_data_lists_the_sets_and_shows_one_in_full(run):
    code, printed, said = run("data")
    assert (code, said) == (0, [])
    assert all(each.name in printed and each.licence in printed for each in sources.PUBLIC_SETS)
    code, printed, _ = run("data", "aasce")
    assert code == 0
    assert "Six studies are in both published parts" in printed
    assert run("data", "nothing")[0] == 2


@pytest.mark.parametrize("name", ["buu-lspine", "aasce", "vindr-spinexr", "nhanes2"])
def test_a_set_that_cannot_be_fetched_is_explained_and_refused(tmp_path, run, name):
    code, printed, said = run("data", name, "--download", tmp_path / "out")
    assert code == 2
    assert "steps" in printed
    assert said == [f"spondyl: {name}: cannot be fetched directly; follow the steps above"]
    assert not (tmp_path / "out").exists()


def test_download_needs_a_name(tmp_path, run):
    code, _, said = run("data", "--download", tmp_path)
    assert (code, said) == (2, ["spondyl: --download: need the name of a set too"])


def test_offline_is_one_clear_line_after_what_was_to_be_fetched(tmp_path, run, monkeypatch):
    pytest.importorskip("pooch")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/set.zip"
    public = sources.public_set("mendeley")
    offline = replace(public, archive=replace(public.archive, url=url))
    monkeypatch.setattr(sources, "public_set", lambda _: offline)
    code, printed, said = run("data", "mendeley", "--download", tmp_path)
    assert (code, printed) == (2, "")
    assert said == [
        f"fetching {url} to {tmp_path / '5jdfdgp762-1.zip'} (size not verified)",
        f"licence: {public.licence}",
        f"spondyl: {url}: cannot be reached; is this computer online?",
    ]


def test_listing_needs_neither_torch_nor_pooch():
    code = (
        "import sys; sys.modules['pooch'] = sys.modules['torch'] = None\n"
        "from spondyl.cli import main\n"
        "assert main(['data']) == 0\n"
        "sys.exit(main(['data', 'mendeley', '--download', 'nowhere']) != 2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pooch is not installed; run: pip install 'spondyl[data]'" in done.stderr
