import numpy as np
import pytest

from spondyl.data.buu import is_buu, read_buu
from spondyl.data.folder import read_annotations
from spondyl.errors import AnnotationError


def rows(*, slip_row=None, label=3):
    """L1 to S1: endplates of 300 px, 200 px of body and 50 of disc."""
    tops = [100 + 250 * (k // 2) + 200 * (k % 2) for k in range(11)]
    return [f"500,{y},800,{y + 10},{label if k == slip_row else 0}" for k, y in enumerate(tops)]


def read(tmp_path, make_film, lines):
    film = make_film(tmp_path / "0042-F-061Y1.png", height=1700, width=1200)
    label = tmp_path / "0042-F-061Y1.csv"
    label.write_text("\n".join(lines))
    return read_buu(label, film, key="k")


def test_rows_are_endplates_from_l1_to_the_sacrum(tmp_path, make_film):
    found = read(tmp_path, make_film, rows())
    assert found.landmarks.levels == ("L1", "L2", "L3", "L4", "L5", "S1")
    np.testing.assert_array_equal(
        found.landmarks.points[1], [[500, 350], [800, 360], [500, 550], [800, 560]]
    )
    np.testing.assert_array_equal(found.landmarks.points[5, :2], [[500, 1350], [800, 1360]])
    assert np.isnan(found.landmarks.points[5, 2:]).all()
    assert (found.group, found.origin, found.view) == ("BUU-0042", "buu", "lateral")
    assert found.landmarks.facing is None
    assert (found.complete_above, found.complete_below) == (False, True)
    assert found.flags == frozenset()


@pytest.mark.parametrize(
    ("row", "label", "flag"), [(7, 3, "anterolisthesis L4"), (9, 4, "retrolisthesis L5")]
)
def test_a_slip_label_becomes_a_flag(tmp_path, make_film, row, label, flag):
    assert read(tmp_path, make_film, rows(slip_row=row, label=label)).flags == {flag}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (rows()[:10], "10 rows, need 11"),
        ([*rows()[:10], "1,2,3"], "row 11 has 3 values, need x1, y1, x2, y2, label"),
        ([*rows()[:10], "1,2,3,x,0"], "row 11 is '1,2,3,x,0', need five numbers"),
        ([*rows()[:10], "1,2,3,nan,0"], "row 11 is NaN, need a finite number"),
    ],
)
def test_an_impossible_file_is_refused_in_one_line(tmp_path, make_film, lines, message):
    with pytest.raises(AnnotationError) as refused:
        read(tmp_path, make_film, lines)
    assert str(refused.value).startswith(message)


def test_the_format_is_recognised_by_its_rows():
    assert is_buu("\n".join(rows()) + "\n")
    assert not is_buu("\n".join(rows()[:10]))
    assert not is_buu("a\n" * 11)


def test_the_releases_own_files_are_read_without_repair(shared_data, tmp_path, make_film):
    """Steep sacra among them: the source's corners are right, and nothing touches them."""
    labels = sorted((shared_data / "buu-lspine-csv").glob("*.csv"))
    for label in labels:
        (tmp_path / label.name).write_bytes(label.read_bytes())
        make_film(tmp_path / f"{label.stem}.jpg", height=3600, width=3000)
    found = read_annotations(tmp_path)
    assert not found.problems
    assert [s.key for s in found.samples] == [label.stem for label in labels]
    for sample, label in zip(found.samples, labels, strict=True):
        stored = np.loadtxt(label, delimiter=",")[:, :4].reshape(-1, 2)
        np.testing.assert_array_equal(sample.landmarks.points.reshape(-1, 2)[:22], stored)
    flags = {flag for s in found.samples for flag in s.flags}
    assert len(flags) == 1  # one slip among the eleven films
    assert flags.pop().startswith("anterolisthesis L")
