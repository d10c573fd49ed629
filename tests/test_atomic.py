"""A file is the old one or the new one, never half of either."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from spondyl.atomic import write_bytes, write_json, write_text, write_with

OLD, NEW = b"old" * 100_000, b"new!" * 100_000


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path):
    write_bytes(tmp_path / "a", b"\x00\xff")
    write_text(tmp_path / "b", "Wirbelsäule\r\n")
    write_json(tmp_path / "c", {"ä": [1.5, None]})
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_bytes() == "Wirbelsäule\r\n".encode()
    assert json.loads((tmp_path / "c").read_text(encoding="utf-8")) == {"ä": [1.5, None]}
    assert left_behind(tmp_path) == ["a", "b", "c"]


def test_the_folder_is_made(tmp_path):
    write_text(tmp_path / "deep" / "er" / "a.txt", "x")
    assert (tmp_path / "deep" / "er" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_holds_no_number_that_json_has_not(tmp_path, number):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", [number])
    assert (tmp_path / "a.json").read_text() == "[\n 1\n]\n"


def test_a_write_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, OLD)

    def fail(temporary: Path):
        temporary.write_bytes(NEW[:1000])
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_with(path, fail)
    assert path.read_bytes() == OLD
    assert left_behind(tmp_path) == ["a.bin"]


def test_a_writer_that_replaces_its_file_is_followed(tmp_path):
    """Some libraries write beside the name they are given and rename."""

    def swap(temporary: Path):
        other = temporary.with_suffix(".other")
        other.write_bytes(NEW)
        other.replace(temporary)

    write_with(tmp_path / "a.bin", swap)
    assert (tmp_path / "a.bin").read_bytes() == NEW


def test_a_new_file_may_be_read_by_those_the_umask_lets(tmp_path):
    """Temporary files are private; the result is an ordinary file."""
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_folder_in_the_way_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_text(tmp_path / "a", "x")
    assert left_behind(tmp_path) == ["a"]


def write_for_ever(path: Path):
    while True:
        write_bytes(path, NEW)
        write_bytes(path, OLD)


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, OLD)
    context = multiprocessing.get_context("spawn")
    for round_number in range(3):
        writer = context.Process(target=write_for_ever, args=(path,))
        writer.start()
        seen = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == seen and writer.is_alive():
            time.sleep(0.01)
        time.sleep(0.003 * round_number)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        assert path.read_bytes() in (OLD, NEW)
