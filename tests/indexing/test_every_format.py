"""What a folder may hold: one real file, or a few, of every format, indexed side by side and found again."""

import pytest
import seeds

import mmsearch
from mmsearch.media.formats import format_of

PLACES = {
    "PDF": "p. 1",
    "SubRip": "0:01.0–0:04.0",
    "WebVTT": "0:01.0–0:04.0",
    "TIFF": "p. 1",
}
ITEMS = {"CSV": 3, "JSON Lines": 4}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """An index of every seed."""
    folder = tmp_path_factory.mktemp("everything")
    for number, name in enumerate(seeds.NAMES):
        data, _, suffix = seeds.seed(name)
        (folder / f"{number:02} {name.replace(',', '')}{suffix}").write_bytes(data)
    with mmsearch.open(tmp_path_factory.mktemp("index") / "all", model="fake") as index:
        yield index, index.add([folder])


def test_nothing_fails(everything):
    index, report = everything
    assert [(failure.path.name, failure.reason) for failure in report.failed] == []
    assert report.added == len(seeds.NAMES)
    assert index.verify() == []


@pytest.mark.parametrize("name", seeds.NAMES)
def test_every_format_is_indexed_and_found(everything, name):
    index, _ = everything
    _, modality, suffix = seeds.seed(name)
    number = f"{seeds.NAMES.index(name):02} "
    items = [item for item in index.items() if item.path.name.startswith(number)]
    assert len(items) == ITEMS.get(name, 1)
    assert {item.modalities for item in items} == {frozenset({modality})}
    assert format_of(items[0].path).modality is modality
    hits = index.search("a red fire", target=modality, k=100, where=f"path like '{number}%'")
    assert {hit.id for hit in hits} == {item.id for item in items}
    if modality == "audio":
        assert {hit.place for hit in hits} <= {"0:00.0–0:01.5", "0:00.0–0:01.6"}
        assert hits[0].properties["seconds"] == pytest.approx(1.5, abs=0.15)
    else:
        assert {hit.place for hit in hits} == {PLACES.get(name, "")}
    if modality == "image":
        assert sorted((hits[0].properties["width"], hits[0].properties["height"])) in ([36, 48], [64, 64])
