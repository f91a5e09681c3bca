"""What a fit is worth, measured as everything else is: on the index itself, and on other data with its fit."""

import json

import numpy as np
import pytest
from made_pairs import caption, painting
from PIL import Image

import mmsearch
from mmsearch.errors import FitError


@pytest.fixture
def photos(tmp_path):
    """Forty pictures that the index does not hold, with a caption each."""
    (tmp_path / "photos").mkdir()
    random, entries = np.random.default_rng(9), []
    for number in range(40):
        pixels, names = painting(random)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
        entries.append({"image": f"{number}.png", "captions": [caption(random, names)]})
    (tmp_path / "photos" / "pairs.json").write_text(json.dumps(entries))
    return tmp_path / "photos" / "pairs.json"


def figure(evaluation, direction="text->image", name="hit@10"):
    return evaluation.directions[direction].measures[name].value


def test_other_data_is_measured_with_the_fit_of_an_index(taught, photos):
    before = mmsearch.evaluate(photos, "fake")
    after = mmsearch.evaluate(photos, fit_of=taught.folder)
    assert figure(after) > figure(before) + 0.3
    assert figure(after, "image->text") > figure(before, "image->text") + 0.3
    assert after.provenance["model"]["fits"] == {"fake.fit-image": taught.fits.kept()[0].version}
    assert "fits" not in before.provenance["model"]


def test_an_index_that_uses_a_fit_is_measured_with_it(taught, photos):
    taught.add([photos.parent])
    after = taught.evaluate(photos)
    taught.fits.undo()
    before = taught.evaluate(photos)
    assert figure(after) > figure(before) + 0.2  # among a hundred pictures
    taught.fits.use("colours")
    again = taught.evaluate(photos)
    assert {d: one.measures for d, one in again.directions.items()} == {
        d: one.measures for d, one in after.directions.items()
    }


def test_an_index_without_a_fit_has_none_to_measure_with(plain, photos):
    with pytest.raises(FitError, match=r"plain0 uses no fit; `mmsearch fit PAIRS --index .*plain0` makes one"):
        mmsearch.evaluate(photos, fit_of=plain.folder)


def test_what_is_found_is_what_is_measured(taught, photos):
    """`rank` and `search` ask in the same space."""
    taught.add([photos.parent])
    texts = ["rot und blau", "gruen", "lila und gelb und grau"]
    ranked = taught.rank([mmsearch.Query.text(text) for text in texts], "image", 10)
    assert ranked == [[hit.id for hit in taught.search(text, target="image", k=10, lexical="off")] for text in texts]
