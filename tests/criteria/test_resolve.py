"""Criteria by name, by `module:object`, or as objects; what is refused, and whose error it is."""

import re

import numpy as np
import pytest
import torch

from dstft_cli.criteria import resolve
from dstft_cli.errors import UsageError

MODULE = '''
import torch

class Share:
    direction = "maximize"
    def moments(self, a):
        return a, a**2
    def value(self, sums, cells):
        return sums[1] / sums[0]**2 * cells

share = Share()

class Holder:
    inside = Share()

class Root:
    """One moment, without a list, and with a slope that has no limit at zero."""
    moments = lambda self, a: a.sqrt()
    value = lambda self, sums, cells: sums[0] / cells

class NoValue:
    moments = lambda self, a: (a,)

class Sideways(Share):
    direction = "sideways"

class WrongShape(Share):
    moments = lambda self, a: (a.sum(), a)

class Nothing(Share):
    moments = lambda self, a: None

class Number(Share):
    value = lambda self, sums, cells: 3.0

class Broken(Share):
    moments = lambda self, a: (a, self.missing)

class Raising(Share):
    def value(self, sums, cells):
        raise ValueError("a long story\\nthat ends here")

class Moody(Share):
    def moments(self, a):
        if a.numel() > 12:
            raise RuntimeError("too many cells")
        return super().moments(a)

class NeedsArgument(Share):
    def __init__(self, something):
        self.something = something
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Name of a module of criteria that can be imported."""
    name = f"criteria_of_{re.sub(r'[^a-z0-9]', '_', tmp_path.name.lower())}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("raise RuntimeError('no luck')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def refused(*arguments):
    with pytest.raises(UsageError) as error:
        resolve(*arguments)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_refused_names_and_orders():
    assert "did you mean entropy?" in refused("entrpy")
    assert "'xyz' is unknown: use entropy" in refused("xyz")
    for name, order in (("renyi", 1.0), ("renyi", 0.0), ("renyi", -2.0), ("lp", 0.0), ("lp", 1.5)):
        assert f"order {order:g} of {name}: above 0" in refused(name, order)
    assert "order 2: criterion entropy has none" in refused("entropy", 2.0)


def test_objects_of_a_module(module):
    for attribute in ("share", "Share", "Holder.inside"):
        criterion = resolve(f"{module}:{attribute}")
        assert criterion.name == f"{module}:{attribute}"
        assert (criterion.direction, criterion.sums_per_frame) == ("maximize", 2)
        a = torch.tensor([[[1.0, 2.0, 3.0]]])
        rows, slopes = criterion.rows(a, torch.ones_like(a))
        assert rows.tolist() == [[6.0, 14.0]]
        assert slopes.tolist() == [[3.0, 12.0]]
        score, gradient = criterion.score_gradient(np.array([6.0, 14.0]), 3.0)
        assert score == pytest.approx(-14 / 36 * 3)
        assert gradient == pytest.approx([2 * 14 / 6**3 * 3, -3 / 36])
    sums = torch.tensor([[6.0, 14.0], [2.0, 3.0], [1.0, 1.0]])
    expected = [14 / 36 * 5, 3 / 4 * 5, 5.0]
    assert criterion.value(sums, 5.0).tolist() == pytest.approx(expected)
    assert criterion.score(sums, 5.0).tolist() == pytest.approx([-value for value in expected])
    root = resolve(f"{module}:Root")
    assert (root.direction, root.sums_per_frame) == ("minimize", 1)
    a = torch.tensor([[[0.0, 4.0]]])
    rows, slopes = root.rows(a, torch.ones_like(a))
    assert (rows.tolist(), slopes.tolist()) == ([[2.0]], [[0.25]])


def test_objects_that_are_no_criteria_and_errors_of_the_users_code(module):
    for attribute, said in {
        "NoValue": "no method value()",
        "Sideways": "'sideways'",
        "WrongShape": "moments() must return",
        "Number": "value() must return",
        "Broken": "moments() failed: AttributeError: ",
        "Nothing": "moments() failed: TypeError: ",
        "Raising": "value() failed: ValueError: that ends here",
        "NeedsArgument": "TypeError: ",
    }.items():
        text = refused(f"{module}:{attribute}")
        assert f"{module}:{attribute}" in text
        assert said in text
    moody = resolve(f"{module}:Moody")
    with pytest.raises(UsageError, match=r":Moody: its moments\(\) failed: RuntimeError: too many"):
        moody.rows(torch.ones(1, 5, 5))


def test_modules_that_do_not_help(module):
    assert f"{module!r} has no 'absent'" in refused(f"{module}:absent")
    text = refused(f"{module}_absent:x")
    assert f"'{module}_absent' cannot be imported" in text
    text = refused(f"{module}_broken:x")
    assert f"'{module}_broken' failed: RuntimeError: no luck" in text
