import json
import sqlite3

import pytest
from made import picture

import mmsearch
from mmsearch.store import database, fulltext, migrations
from mmsearch.store.repair import repair
from mmsearch.store.store import Store
from mmsearch.store.verify import verify


def found(index, words, table=fulltext.ITEMS):
    """Rows of one of the tables with the words."""
    return [row for (row,) in index.query(f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY 1", (words,))]


def paths(store, words):
    """Names of the files whose names or metadata have the words."""
    of = "SELECT f.path FROM items i JOIN files f ON f.id = i.file_id WHERE i.id = ?"
    return [store.query(of, (item,))[0][0].decode() for item in found(store, words)]


@pytest.fixture
def store(full):
    """What is in the index `full`, for reading."""
    opened = Store.open(full.folder)
    yield opened
    opened.close()


def edit(folder, *statements):
    with sqlite3.connect(folder / database.CATALOG) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IMG_beach-2024.jpg", {"beach", "2024", "img", "jpg"}),
        ("myHolidayPhoto.png", {"holiday", "photo", "myholidayphoto"}),
        ("dog1.jpg", {"dog", "dog1"}),
        ("Überfahrt.HTMLPage.png", {"uberfahrt", "html", "page"}),
        ("2090545563_a4e66ec76b.jpg", {"2090545563", "a4e66ec76b"}),
    ],
)
def test_a_file_is_found_by_the_words_of_its_name(index, media, name, words):
    picture("red").save(media / "plain.png")
    (media / "plain.png").rename(media / name)
    index.add([media])
    store = Store.open(index.folder)
    assert [paths(store, f'"{word}"') for word in sorted(words)] == [[name]] * len(words)
    store.close()


def test_pieces_that_are_no_words_are_left_out():
    _, name, _ = fulltext.item_row(1, b"a/2090545563_a4e66ec76b.jpg", {})
    assert name == "2090545563_a4e66ec76b.jpg"
    assert fulltext.item_row(1, b"x/\xff\xfe.jpg", {})[1]  # whatever a disk says
    assert fulltext.item_row(1, None, {"year": 2024, "tags": []}) is None


def test_strings_among_metadata_are_found_however_deep(index):
    deep = {"a": {"b": [{"c": "Quagga"}, "half \ud800 pair"]}, "year": 1883}
    index.add_items([mmsearch.Record(id="x", text="nothing", metadata=deep)])
    store = Store.open(index.folder)
    assert len(found(store, "quagga")) == len(found(store, "pair")) == 1
    assert found(store, "1883") == []
    assert list(verify(store)) == []
    store.close()


def test_all_of_a_passage_is_found_without_case_accents_and_english_endings(index):
    index.add_items([mmsearch.Record(id="x", text=" ".join(["filler"] * 60) + " Café dogs")])
    store = Store.open(index.folder)
    assert found(store, "CAFE", fulltext.SEGMENTS) == found(store, "dog", fulltext.SEGMENTS) != []
    store.close()


def test_what_changes_is_found_by_its_new_words_only(full, media):
    def now(words):
        with Store.open(full.folder).view() as view:
            return paths(view, words)

    (media / "red.png").rename(media / "crimsonZebra.png")
    full.add([media])
    assert (now("zebra"), now('"red.png"')) == (["crimsonZebra.png"], [])
    (media / "metadata.csv").write_text("file_name,title\ncrimsonZebra.png,Quagga\nsea.md,Ocean\n")
    full.add([media])
    assert (now("quagga"), now("ocean"), now("zebra")) == (["crimsonZebra.png"], ["sea.md"], ["crimsonZebra.png"])
    (media / "sea.md").write_text("a green hill")
    full.add([media])
    store = Store.open(full.folder)
    assert found(store, "blue", fulltext.SEGMENTS) == []
    assert len(found(store, "hill", fulltext.SEGMENTS)) == 1
    store.close()
    full.remove(paths=[media / "crimsonZebra.png"])
    assert (now("quagga"), now("ocean")) == ([], ["sea.md"])
    full.compact()
    assert now("ocean") == ["sea.md"]
    assert full.verify() == []


def test_items_and_rows_that_are_replaced_leave_no_words(index):
    for text in ("one apple", "two pears"):
        index.add_items([mmsearch.Record(id="x", text=text, metadata={"said": text})])
    store = Store.open(index.folder)
    assert (found(store, "apple"), found(store, "apple", fulltext.SEGMENTS)) == ([], [])
    assert (len(found(store, "pear")), len(found(store, "pear", fulltext.SEGMENTS))) == (1, 1)
    store.close()


OLD = (
    "INSERT INTO roots VALUES (1, CAST('/media' AS BLOB), CAST('../media' AS BLOB))",
    "INSERT INTO files (id, root_id, path, size, mtime_ns) VALUES (1, 1, CAST('a/myZebra.txt' AS BLOB), 5, 6)",
    "INSERT INTO items (id, key, file_id, metadata) VALUES (7, 'x', 1, '{\"title\": \"Quagga\"}')",
    "INSERT INTO segments (id, item_id, modality, excerpt) VALUES (8, 7, 'text', 'a red fire engine')",
    "INSERT INTO segments (id, item_id, modality) VALUES (9, 7, 'image')",
)


def test_an_index_without_full_text_gets_it(tmp_path, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: migrations.WITHOUT_WORDS])
        then.setattr(migrations, "FORMAT", migrations.WITHOUT_WORDS)
        Store.create(tmp_path / "index", {"name": "fake"}).close()
    edit(tmp_path / "index", *OLD)
    store = Store.open(tmp_path / "index")
    assert (found(store, "zebra"), found(store, "quagga"), found(store, "engine", fulltext.SEGMENTS)) == ([7], [7], [8])
    assert list(fulltext.problems(store.engine.connect().exec_driver_sql)) == []
    store.close()


DAMAGE = {
    "a row of a segment": f"DELETE FROM {fulltext.SEGMENTS}_docsize WHERE id = (SELECT min(id) FROM spoken)",
    "a row of an item": f"DELETE FROM {fulltext.ITEMS} WHERE rowid = (SELECT min(id) FROM items)",
    "a row too many": f"INSERT INTO {fulltext.SEGMENTS} (rowid, excerpt) VALUES (99, 'ghost')",
    "other words": f"UPDATE {fulltext.ITEMS} SET name = 'ghost' WHERE rowid = (SELECT min(id) FROM items)",
    "other text": "UPDATE segments SET excerpt = 'ghost' WHERE excerpt IS NOT NULL",
    "no words": f"DELETE FROM {fulltext.SEGMENTS}_data WHERE id > 10",
    "broken words": f"UPDATE {fulltext.SEGMENTS}_data SET block = x'00' WHERE id > 10",
    "no trigger": "DROP TRIGGER segment_said",
    "no table": f"DROP TABLE {fulltext.ITEMS}",
    "a table lost": f"DROP TABLE {fulltext.ITEMS}_docsize",
    "no settings": f"DELETE FROM {fulltext.SEGMENTS}_config",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_and_made_good(full, media, damage):
    folder = full.folder
    full.close()
    edit(folder, DAMAGE[damage])
    store = Store.open(folder)
    told = list(verify(store))
    store.close()
    assert told
    done = repair(folder)
    assert done.left == ()
    store = Store.open(folder)
    assert len(found(store, "whistle")) == 1
    assert found(store, "ghost") == []
    store.close()
    with mmsearch.open(folder) as again:
        again.add([media])
        again.remove(paths=[media])
        assert again.verify() == []


def test_verifying_writes_nothing(full):
    full.close()
    uri = (full.folder / database.CATALOG).as_uri()
    for mode in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{uri}?{mode}", uri=True)
        assert list(fulltext.problems(connection.execute)) == []
        connection.close()


def test_metadata_are_read_as_they_are_stored():
    known = {"t": ("a", {"b": "c"}), "n": None}
    assert fulltext.item_row(1, None, known) == fulltext.item_row(1, None, json.loads(json.dumps(known)))
