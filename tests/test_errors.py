"""Every error that a user can put right hangs on one tree."""

import inspect

import pytest

from spondyl import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_caught_by_the_root(kind):
    assert issubclass(kind, errors.SpondylError)
    with pytest.raises(errors.SpondylError, match=r"^a\.png: wrong$"):
        raise kind("a.png: wrong")


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_in_the_docstring_names_every_error(kind):
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__doc__


def test_no_error_hides_under_another_kind():
    """A batch goes on after a film it cannot read, and only after that."""
    below = [kind for kind in KINDS if kind is not errors.SpondylError]
    assert all(kind.__bases__ == (errors.SpondylError,) for kind in below)
