import numpy as np
import pytest

from spondyl.checking.order import Chain
from spondyl.checking.shape import Limits, check_shape
from spondyl.data.phantom import plan_phantom

from .columns import HEIGHT, STEP, WIDTH, body, column, kinds, listing

COLUMN = column()
DOWN, RIGHT = np.array([0.0, 1.0]), np.array([1.0, 0.0])


def found(points, **more):
    return check_shape(Chain.of(listing(points, **more)))


@pytest.mark.parametrize("angles", [(-12, -8, -4, 0, 4, 8, 12, 18), (0,) * 17, (30, 20, -10, -35)])
def test_regular_spines_have_no_fault(angles):
    assert found(column(angles)) == []


def test_no_vertebra_has_no_fault():
    assert found(np.zeros((0, 4, 2))) == []


def test_a_concave_vertebra_is_told_by_the_depth_of_its_corner():
    points = COLUMN.copy()
    points[3, 0] = points[3, 1:3].mean(axis=0) + [3.0, 2.0]  # beyond the diagonal
    (fault,) = (f for f in found(points) if f.kind == "non-convex quadrilateral")
    assert fault.vertebra == 4
    assert fault.severity == "error"


def test_corners_on_one_point_coincide():
    points = COLUMN.copy()
    points[2, 1] = points[2, 3] + 1.0
    faults = found(points)
    assert ("corners coincide", 3) in kinds(faults)
    assert "SR and IR lie 1.4 px apart" in faults[0].evidence


def test_a_vertebra_listed_twice_is_a_duplicate_to_leave_out():
    faults = found(np.concatenate([COLUMN, COLUMN[4:5]]))
    (fault,) = (f for f in faults if f.kind == "duplicate vertebra")
    assert fault.repair == "leave it out"
    assert kinds(faults) == {("duplicate vertebra", fault.vertebra)}


def test_a_vertebra_outlined_twice_is_a_duplicate_without_a_certain_repair():
    (fault,) = found(np.concatenate([COLUMN, COLUMN[4:5] + [3.0, 4.0]]))
    assert fault.kind == "duplicate vertebra"
    assert fault.repair is None


def test_two_vertebrae_that_reach_into_each_other_overlap():
    points = COLUMN.copy()
    points[4, :2] -= 22 * DOWN  # its top lies in the body above
    assert "overlapping vertebrae" in {f.kind for f in found(points)}


def test_a_level_left_out_leaves_a_gap():
    """Space = one body and two discs = 64 of 52 px a step."""
    faults = found(np.delete(COLUMN, 4, axis=0))
    assert kinds(faults) == {("gap", 5)}
    space = STEP + (STEP - HEIGHT)
    assert f"{space:.0f} px to the endplate of V4" in faults[0].evidence


def test_the_ends_may_stop_anywhere():
    assert found(COLUMN[2:6]) == []


def test_discs_outlined_as_vertebrae_are_endplates_shifted():
    """From the fifth endplate pair on, every outline is a disc and every space a body."""
    plates = COLUMN.reshape(-1, 2, 2)
    shifted = np.delete(plates, 8, axis=0)[:-1].reshape(-1, 4, 2)
    faults = found(shifted)
    assert [(f.kind, f.vertebra) for f in faults] == [("gap", 5), ("endplates shifted", 6)]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda q: q.mean(axis=0) + 1.6 * (q - q.mean(axis=0)), "implausible size"),
        (lambda q: q.mean(axis=0) + (q - q.mean(axis=0)) * [1.0, 0.5], "implausible height"),
        (lambda q: q + [[0, 0], [0, 0.65 * HEIGHT], [0, 0], [0, 0]], "implausible wedge"),
        (lambda q: q - [[0.7 * HEIGHT, 0], [0, 0], [0, 0], [0, 0]], "corner out of place"),
    ],
)
def test_a_vertebra_unlike_its_neighbours_is_ranked_for_review(change, kind):
    points = column((0,) * 8) * [1.0, 1.35]  # apart, so that nothing overlaps
    points[3] = change(points[3])
    faults = found(points, view="ap")
    assert kinds(faults) == {(kind, 4)}
    assert faults[0].severity == "warning"
    assert faults[0].size > 1


def test_the_corner_that_moved_is_named():
    points = COLUMN.copy()
    points[3, 2] += [0.6 * HEIGHT, -2.0]
    (fault,) = found(points)
    assert fault.evidence.startswith("IL lies")


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_what_lies_within_the_limits_is_not_told(share):
    points = COLUMN.copy()
    points[3, 0] += share * HEIGHT
    assert found(points) == []


def test_a_body_pushed_out_of_line_slips_out_and_back():
    points = COLUMN.copy()
    points[4] += 0.4 * WIDTH * RIGHT
    assert kinds(found(points)) == {("implausible slip", 5)}


def test_a_slip_that_the_spine_above_follows_needs_to_be_larger():
    """As in listhesis: it may well be true."""
    points = COLUMN.copy()
    points[:5] += 0.4 * WIDTH * RIGHT
    assert found(points) == []
    points[:5] += 0.3 * WIDTH * RIGHT
    assert kinds(found(points)) == {("implausible slip", 6)}


def test_the_sacrum_has_no_body_to_be_judged():
    points = COLUMN.copy()
    points[-1] = body(
        points[-1].mean(axis=0) + 6 * DOWN, 45, width=0.7 * WIDTH, height=1.7 * HEIGHT
    )
    names = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    assert found(points, levels=names) == []
    assert found(points) == []  # on a film that is not AP the last one may be the sacrum
    assert found(points, view="ap") != []


def test_limits_can_be_set():
    points = COLUMN.copy()
    points[3, 0, 0] -= 0.3 * HEIGHT
    chain = Chain.of(listing(points))
    assert check_shape(chain) == []
    assert check_shape(chain, limits=Limits(corner=0.2, spread=0))


def test_phantoms_without_a_fault_are_flagged_only_where_they_are_ill():
    flagged = []
    for index in range(60):
        plan = plan_phantom(np.random.default_rng([11, index]))
        faults = found(plan.landmarks.points, levels=plan.landmarks.names)
        assert not [f for f in faults if f.severity == "error"]
        if faults and not plan.flags & {"slip", "wedge", "fracture"}:
            flagged.append(index)
    assert flagged == []
