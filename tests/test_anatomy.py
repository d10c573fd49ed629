import pytest

from spondyl.anatomy import (
    CORNERS,
    IL,
    IR,
    LEVELS,
    MIRRORED_CORNERS,
    SL,
    SR,
    VARIANT_LEVELS,
    counts_five_lumbar,
    is_level,
    opposite,
)


def test_the_levels_run_from_t1_to_the_sacrum():
    assert len(LEVELS) == 12 + 5 + 1
    assert (LEVELS[0], LEVELS[11], LEVELS[12], LEVELS[-1]) == ("T1", "T12", "L1", "S1")
    assert not set(LEVELS) & set(VARIANT_LEVELS)


def test_a_variant_is_a_level_and_anything_else_is_not():
    assert all(is_level(name) for name in (*LEVELS, "L6", "T13", "S2", "C7"))
    assert not any(is_level(name) for name in ("", "l5", "L0", "T14", "V1", "sacrum"))


def test_each_corner_is_named_by_its_endplate_and_its_end():
    assert [CORNERS[k] for k in (SL, SR, IL, IR)] == ["SL", "SR", "IL", "IR"]


def test_a_mirrored_corner_keeps_its_endplate_and_changes_its_end():
    for corner, mirrored in enumerate(MIRRORED_CORNERS):
        assert CORNERS[corner][0] == CORNERS[mirrored][0]
        assert CORNERS[corner][1] != CORNERS[mirrored][1]
        assert MIRRORED_CORNERS[mirrored] == corner


def test_the_other_side_of_left_is_right():
    assert (opposite("left"), opposite("right")) == ("right", "left")


@pytest.mark.parametrize(
    ("names", "usual"),
    [
        (("L4", "L5", "S1"), True),
        (("T12", "L1", "L2"), True),
        (("L3", None, "L5"), True),
        ((None, None), True),
        ((), True),
        (("L5", "L6", "S1"), False),
        (("T12", "L2", "L3"), False),  # four lumbar vertebrae: there is no L1
        (("L3", "L5"), False),
    ],
)
def test_a_spine_with_another_lumbar_count_contradicts_the_numbering(
    names: tuple[str | None, ...], usual: bool
) -> None:
    assert counts_five_lumbar(names) is usual
