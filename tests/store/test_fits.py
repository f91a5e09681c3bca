import json
import os
import shutil
import sqlite3
import zlib
from dataclasses import replace

import numpy as np
import pytest
from damage import change_row, pages_of, zero_page
from made_fits import CARD, changes, fill, group_of, install, rows_of, turned, undo, wrong_rows
from made_rows import FEATURES, VECTORS, unit

from mmsearch.errors import IndexDamaged, StoreError
from mmsearch.exchange.export import export
from mmsearch.store import database, fits, fulltext
from mmsearch.store.backup import backup
from mmsearch.store.bulk import AddRows
from mmsearch.store.changes import NewItem, NewSegment, Put, Remove
from mmsearch.store.compact import compact
from mmsearch.store.covers import Cover
from mmsearch.store.repair import repair
from mmsearch.store.store import Store
from mmsearch.store.structures import Standing
from mmsearch.store.verify import verify

A, B = b"a content", b"another"
SEEDS = range(12)


def several(seed):
    """A picture with features, a text and a sound."""
    rows = {VECTORS: unit(seed), FEATURES: np.full(4, seed, np.float16)}
    others = (replace(VECTORS, modality="text"), replace(VECTORS, modality="audio"))
    segments = [NewSegment("image", None, None, None, rows)]
    segments += [NewSegment(g.modality, None, None, None, {g: unit(seed + 100 + i)}) for i, g in enumerate(others)]
    return Put((NewItem(tuple(segments), str(seed)),))


@pytest.fixture
def filled(store):
    with store.writer() as writer:
        writer.commit([several(seed) for seed in SEEDS])
    return store


def kept(store):
    return {fit.name: fit for fit in fits.read(store.query)}


def sql(store, statement, values=()):
    connection = sqlite3.connect(store.folder / database.CATALOG)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def files(store, of="*"):
    return {path: path.read_bytes() for path in (store.folder / "shards").glob(f"{of}/**/*.vec")}


def fit_files(store):
    return {path.relative_to(store.folder / "shards").as_posix() for path in files(store) if fits.MARK in str(path)}


def sound(store):
    assert list(verify(store)) == []
    assert list(wrong_rows(store)) == []
    pictures = rows_of(store, store.snapshot().of("vectors", "space", "1", "image"))
    assert list(pictures) == [1 + 3 * seed for seed in SEEDS]
    np.testing.assert_array_equal(list(pictures.values()), [unit(seed) for seed in SEEDS])


def test_what_is_kept_is_read_with_or_without_its_content(store):
    with store.writer() as writer:
        fit_id = writer.keep_fit("mine", "space", "image", A, CARD)
    (fit,) = fits.read(store.query)
    assert fit == fits.Kept(fit_id, "mine", "space", "image", fits.version_of(A), 0, None, CARD, len(A))
    assert fits.content(store.query, fit_id) == A
    assert store.snapshot().fits == ()
    with pytest.raises(StoreError, match="no fit of the number 7"):
        fits.content(store.query, 7)


def test_a_fit_takes_the_place_of_one_of_the_same_name_that_is_not_in_use(filled):
    with filled.writer() as writer:
        first = writer.keep_fit("mine", "space", "image", A, CARD)
        second = writer.keep_fit("mine", "space", "image", B, {})
        assert [(fit.id, fit.card) for fit in fits.read(filled.query)] == [(second, {})]
        assert second != first
        fill(filled, writer, B)
        writer.activate_fit(second, "space", "image")
        with pytest.raises(StoreError, match="'mine' is in use"):
            writer.keep_fit("mine", "space", "image", A, CARD)
        with pytest.raises(StoreError, match="'mine' is in use"):
            writer.forget_fit(second)
    assert fits.content(filled.query, second) == B
    sound(filled)


@pytest.mark.parametrize(
    ("medium", "card", "said"),
    [
        ("text", {}, "'text' is neither"),
        ("video", {}, "'video' is neither"),
        ("image", {"gain": float("nan")}, "JSON values"),
        ("image", {"when": object()}, "JSON values"),
    ],
)
def test_what_cannot_be_kept(store, medium, card, said):
    with store.writer() as writer, pytest.raises(StoreError, match=said):
        writer.keep_fit("mine", "space", medium, A, card)
    assert fits.read(store.query) == ()


def test_rows_are_added_to_segments_that_are_there(filled):
    group = group_of(A, "image", "text")
    ids = [id_ for (id_,) in filled.query("SELECT id FROM segments WHERE modality = 'text' ORDER BY id")]
    rows = np.stack([unit(seed) for seed in SEEDS])
    with filled.writer() as writer:
        assert writer.commit([AddRows(group, ids[:8], rows[:8])]) == 0
        assert writer.commit([AddRows(group, ids[8:], rows[8:])]) == 0
        (held,) = filled.snapshot().of("vectors", group.name, group.version, "text")
        np.testing.assert_array_equal(held.matrix, rows)
        np.testing.assert_allclose(held.total, rows.sum(axis=0), atol=1e-5)
        assert filled.ids(held.id, 0, 12)[:, 0].tolist() == ids
        assert list(verify(filled)) == []


def test_rows_are_added_to_segments_of_the_same_commit(store):
    with store.writer() as writer:
        writer.commit([several(1), AddRows(group_of(A, "image", "image"), [1], unit(2)[None])])
        (held,) = store.snapshot().of("vectors", "space.fit-image", fits.version_of(A), "image")
        np.testing.assert_array_equal(held.matrix, unit(2)[None])


@pytest.mark.parametrize(
    ("ids", "shape", "said"),
    [
        ([1, 4], (1, 8), "for 2 segments"),
        ([1, 4], (2, 7), "none of 8 numbers"),
        ([1, 1], (2, 8), "must differ"),
        ([1, 999], (2, 8), "1 segments that are given image rows are gone"),
        ([1, 2], (2, 8), "1 segments that are given image rows"),
        ([4, 7], (2, 8), "1 segments have rows of space.fit-image"),
    ],
)
def test_rows_that_cannot_be_added(filled, ids, shape, said):
    group = group_of(A, "image", "image")
    with filled.writer() as writer:
        writer.commit([AddRows(group, [7], unit(7)[None])])
        before = filled.query("SELECT count(*) FROM rows")
        with pytest.raises(StoreError, match=said):
            writer.commit([AddRows(group, ids, np.full(shape, 8**-0.5, np.float32))])
        assert filled.query("SELECT count(*) FROM rows") == before
        writer.commit([AddRows(group, [1], unit(1)[None])])
        assert list(verify(filled)) == []


def test_a_fit_is_seen_when_all_of_it_is_there(filled):
    base = files(filled, "space")
    with filled.writer() as writer:
        fit_id = writer.keep_fit("mine", "space", "image", A, CARD)
        fill(filled, writer, A)
        assert filled.snapshot().fits == ()
        writer.activate_fit(fit_id, "space", "image")
        assert filled.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
        assert kept(filled)["mine"].active == filled.snapshot().version
    assert {path.split("/")[1] for path in fit_files(filled)} == {"image", "text"}
    sound(filled)
    assert files(filled, "space") == base


def test_a_fit_that_lacks_rows_is_not_used(filled):
    with filled.writer() as writer:
        first = install(filled, writer, "first", A)
        second = writer.keep_fit("second", "space", "image", B, CARD)
        *most, _ = changes(filled, B)
        writer.commit(most)
        with pytest.raises(StoreError, match="'second' cannot be used: 2 segments do not have one vector in it"):
            writer.activate_fit(second, "space", "image")
        assert kept(filled)["first"].active
        with pytest.raises(StoreError, match="no fit of the number 99 of space for image"):
            writer.activate_fit(99, "space", "image")
        with pytest.raises(StoreError, match=f"no fit of the number {first} of space for audio"):
            writer.activate_fit(first, "space", "audio")
        sound(filled)
        writer.drop_idle_fits()
        fill(filled, writer, B)
        writer.activate_fit(second, "space", "image")
    sound(filled)
    assert kept(filled)["second"].previous == first


def test_one_takes_the_place_of_another_and_undo_goes_back_through_all_of_them(filled):
    with filled.writer() as writer:
        first = install(filled, writer, "first", A)
        before = fit_files(filled)
        second = install(filled, writer, "second", B)
        assert not before & fit_files(filled)
        assert filled.snapshot().fits == (("space.fit-image", fits.version_of(B)),)
        with pytest.raises(StoreError, match="24 segments"):  # its rows are not there
            writer.undo_fit("space", "image")
        assert undo(filled, writer) == first
        assert kept(filled)["first"].previous is None
        assert not kept(filled)["second"].active
        sound(filled)
        assert undo(filled, writer) is None
        assert fit_files(filled) == set()
        assert filled.snapshot().fits == ()
        with pytest.raises(StoreError, match="no fit of space for image is in use"):
            writer.undo_fit("space", "image")
    sound(filled)
    assert {fit.id for fit in fits.read(filled.query)} == {first, second}
    assert fits.content(filled.query, second) == B


def test_a_fit_that_is_used_again_does_not_come_before_itself(filled):
    with filled.writer() as writer:
        first = install(filled, writer, "first", A)
        writer.activate_fit(first, "space", "image")
        assert kept(filled)["first"].previous is None
        second = install(filled, writer, "second", B)
        fill(filled, writer, A)
        writer.activate_fit(first, "space", "image")
        assert kept(filled)["first"].previous == second
        writer.forget_fit(second)
        assert kept(filled)["first"].previous is None
        assert undo(filled, writer) is None
        writer.forget_fit(first)
    assert fits.read(filled.query) == ()


def test_undo_goes_past_one_that_was_forgotten(filled):
    with filled.writer() as writer:
        first = install(filled, writer, "first", A)
        install(filled, writer, "second", B)
        install(filled, writer, "third", b"c")
        writer.keep_fit("second", "space", "image", b"d", CARD)
        assert undo(filled, writer) == first
    sound(filled)


def test_two_names_for_one_content_share_its_rows(filled):
    with filled.writer() as writer:
        first = install(filled, writer, "first", A)
        there = files(filled)
        second = writer.keep_fit("second", "space", "image", A, CARD)
        writer.activate_fit(second, "space", "image")
        assert files(filled) == there
        assert writer.undo_fit("space", "image") == first
        assert files(filled) == there
    sound(filled)


def test_switching_off_keeps_the_content(filled):
    with filled.writer() as writer:
        fit_id = install(filled, writer, "mine", A)
        writer.activate_fit(None, "space", "image")
        assert (filled.snapshot().fits, fit_files(filled)) == ((), set())
        fill(filled, writer, A)  # into new files: those are gone
        writer.activate_fit(fit_id, "space", "image")
    sound(filled)


def test_fits_of_two_media_do_not_touch_each_other(filled):
    with filled.writer() as writer:
        install(filled, writer, "pictures", A)
        fill(filled, writer, B, "audio")  # under way
        fit_id = writer.keep_fit("sounds", "space", "audio", B, CARD)
        fill(filled, writer, b"c")
        writer.activate_fit(writer.keep_fit("others", "space", "image", b"c", CARD), "space", "image")
        writer.activate_fit(fit_id, "space", "audio")
        sound(filled)
        versions = tuple(map(fits.version_of, (B, b"c")))
        assert filled.snapshot().fits == (("space.fit-audio", versions[0]), ("space.fit-image", versions[1]))
        writer.activate_fit(None, "space", "image")
    assert filled.snapshot().fits == (("space.fit-audio", fits.version_of(B)),)
    sound(filled)


def test_what_is_removed_is_removed_from_a_fit(filled):
    with filled.writer() as writer:
        install(filled, writer, "mine", A)
        writer.commit([Remove((2, 3))])
    assert list(verify(filled)) == []
    assert list(wrong_rows(filled)) == []
    (held,) = filled.snapshot().of("vectors", "space.fit-image", fits.version_of(A), "text")
    assert held.dead.tolist() == [1, 2]


def test_a_reader_of_the_version_before_goes_on(filled):
    with filled.writer() as writer:
        install(filled, writer, "first", A)
        reader = Store.open(filled.folder)
        with reader.view() as view:
            before = view.snapshot()
            (held,) = before.of("vectors", "space.fit-image", fits.version_of(A), "image")
            install(filled, writer, "second", B)
            assert not held.path.exists()
            assert view.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
            assert len(view.ids(held.id, 0, held.rows)) == len(SEEDS)
            np.testing.assert_array_equal(held.matrix, turned(np.stack([unit(seed) for seed in SEEDS]), A))
        assert reader.snapshot().fits == (("space.fit-image", fits.version_of(B)),)
        reader.close()


def test_an_installation_that_was_broken_off_is_cleared_away_by_the_next_writer(filled):
    base = files(filled, "space")
    with filled.writer() as writer:
        install(filled, writer, "first", A)
        there = files(filled)
        writer.keep_fit("second", "space", "image", B, CARD)
        fill(filled, writer, B)
        writer.commit([AddRows(group_of(b"c", "audio", "audio"), [3], unit(3)[None])])
    assert files(filled) != there
    assert list(verify(filled)) == []
    before = filled.snapshot()
    filled.writer().close()
    assert files(filled) == there
    sound(filled)
    assert filled.snapshot().version > before.version
    assert kept(filled)["first"].active
    assert files(filled, "space") == base
    filled.writer().close()
    assert filled.snapshot().version == before.version + 1  # nothing was left to do


def test_a_structure_goes_with_the_rows_that_it_is_over(filled):
    with filled.writer() as writer:
        install(filled, writer, "first", A)
        for name, version in (("space", "1"), ("space.fit-image", fits.version_of(A))):
            number, path = writer.room(name, "text")
            path.write_bytes(b"a structure")
            crc = zlib.crc32(b"a structure")
            covers = tuple(
                Cover(held.id, 0, held.rows) for held in filled.snapshot().of("vectors", name, version, "text")
            )
            writer.install(Standing(number, name, version, "text", "hnsw", path, 11, crc, 12, 1.0, covers))
        assert len(filled.snapshot().structures) == 2
        install(filled, writer, "second", B)
    assert [one.name for one in filled.snapshot().structures] == ["space"]
    assert len(list(filled.folder.rglob("*.ann"))) == 1
    assert filled.query("SELECT count(*) FROM covered") == [(1,)]
    sound(filled)


def test_compactions_and_copies_carry_fits(filled, tmp_path):
    with filled.writer() as writer:
        install(filled, writer, "mine", A)
        writer.commit([Remove(tuple(range(2, 9)))])
    done = compact(filled, dead_share=0.01)
    assert done.rows_dropped == 7 * 6  # three vectors, features, two rows of the fit
    backup(filled, tmp_path / "copy")
    copy = Store.open(tmp_path / "copy")
    for store in (filled, copy):
        assert list(verify(store)) == []
        assert list(wrong_rows(store)) == []
        assert store.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
        assert kept(store) == kept(filled)
    assert fits.content(copy.query, kept(copy)["mine"].id) == A
    copy.close()


def test_an_export_leaves_fits_out_unless_one_is_named(filled, tmp_path):
    with filled.writer() as writer:
        install(filled, writer, "mine", A)
        fill(filled, writer, B)
        assert export(filled, tmp_path / "all").rows == 3 * len(SEEDS)
        done = export(filled, tmp_path / "fit", space="space.fit-image")
    assert done.rows == 2 * len(SEEDS)
    lines = [json.loads(line) for line in (tmp_path / "fit" / "rows.jsonl").read_text().splitlines()]
    assert {(line["modality"], line["space"]) for line in lines} == {
        ("image", "space.fit-image"), ("text", "space.fit-image"),
    }  # fmt: skip
    vectors = np.load(tmp_path / "fit" / "vectors.npy")
    pictures = [number for number, line in enumerate(lines) if line["modality"] == "image"]
    np.testing.assert_array_equal(vectors[pictures], turned(np.stack([unit(seed) for seed in SEEDS]), A))


# What is done to an index with an active fit, what `verify` says, and whether the fit is lost by a repair.
DAMAGES = {
    "a row is missing": ("DELETE FROM rows WHERE segment_id = 4 AND shard_id IN ({fit})", "1 segments do not", False),
    "all are": ("DELETE FROM rows WHERE shard_id IN ({fit})", "24 segments do not have one vector", False),
    "the shards are": ("DELETE FROM shards WHERE id IN ({fit})", "24 segments do not have one vector", False),
    "a row is of another segment": (
        "UPDATE rows SET segment_id = 7 WHERE segment_id = 4 AND shard_id IN ({fit})", "2 segments do not", False
    ),
    "a row is of another modality": (
        "UPDATE shards SET modality = 'text' WHERE modality = 'image' AND id IN ({fit})", "12 segments do not", False
    ),
    "the content is another": ("UPDATE fits SET content = x'00' WHERE name = 'mine'", "not what was kept", True),
    "the content is a text": ("UPDATE fits SET content = 'a content' WHERE name = 'mine'", "not what was kept", True),
    "the version is another": ("UPDATE fits SET version = 'x' WHERE name = 'mine'", "not what was kept", True),
    "the card is none": ("UPDATE fits SET card = '[]' WHERE name = 'mine'", "card", True),
    "the card is a blob": ("UPDATE fits SET card = x'7b7d' WHERE name = 'mine'", "card", True),
    "the space is none": ("UPDATE fits SET space = x'00' WHERE name = 'mine'", "its space", True),
    "the medium is none": ("UPDATE fits SET medium = 'smell' WHERE name = 'mine'", "its medium", True),
    "it is in use since no number": ("UPDATE fits SET active = 'yes' WHERE name = 'mine'", "its place", True),
}  # fmt: skip


@pytest.fixture
def fitted(filled):
    with filled.writer() as writer:
        writer.keep_fit("other", "space", "image", B, CARD)
        install(filled, writer, "mine", A)
    sound(filled)
    return filled


@pytest.mark.parametrize("what", DAMAGES)
def test_what_a_catalog_cannot_say_of_a_fit_is_found_and_costs_no_item(fitted, what):
    statement, said, lost = DAMAGES[what]
    before = files(fitted, "space")
    sql(fitted, statement.format(fit="SELECT id FROM shards WHERE name LIKE '%.fit-%'"))
    assert any("the fit 'mine'" in one and said in one for one in verify(fitted)), list(verify(fitted))
    done = repair(fitted.folder)
    assert (done.lost, done.again, done.left, done.kept) == ((), (), (), len(SEEDS))
    (told,) = [one for one in done.done if "the fit 'mine'" in one]
    assert ("was forgotten" in told) == lost
    assert lost or f"`mmsearch fit --use mine --index {fitted.folder}` installs it again" in told
    assert set(kept(fitted)) == ({"other"} if lost else {"other", "mine"})
    assert (fitted.snapshot().fits, fit_files(fitted)) == ((), set())
    assert files(fitted, "space") == before
    sound(fitted)
    with fitted.writer() as writer:
        install(fitted, writer, "other", B)
    sound(fitted)
    assert repair(fitted.folder).done == ()


@pytest.mark.parametrize("how", ["a bit", "cut", "missing", "no checksums", "no vectors"])
def test_damaged_rows_of_a_fit_cost_the_fit_and_no_item(fitted, how):
    before = files(fitted, "space")
    (held,) = fitted.snapshot().of("vectors", "space.fit-image", fits.version_of(A), "image")
    content = held.path.read_bytes()
    match how:
        case "a bit":
            change_row(held.path, 5, held.group)
        case "cut":
            os.truncate(held.path, len(content) - 3)
        case "missing":
            held.path.unlink()
        case _:
            sql(fitted, "DELETE FROM blocks WHERE shard_id = ?", (held.id,))
            if how == "no vectors":
                held.path.write_bytes(content[: -held.group.row_bytes] + bytes(held.group.row_bytes))
    assert list(verify(fitted))
    done = repair(fitted.folder)
    assert (done.lost, done.again, done.left, done.kept) == ((), (), (), len(SEEDS))
    off = how != "no checksums"
    assert any("'mine' was switched off (some of its rows were lost)" in said for said in done.done) == off
    assert (fitted.snapshot().fits == ()) == off
    assert kept(fitted).keys() == {"mine", "other"}
    assert files(fitted, "space") == before
    sound(fitted)


def test_a_lost_item_takes_its_rows_of_a_fit_along_and_the_fit_stays(fitted):
    sql(fitted, "DELETE FROM rows WHERE segment_id = 4 AND shard_id IN (SELECT id FROM shards WHERE name = 'space')")
    assert any("segments have no vector" in said for said in verify(fitted))
    done = repair(fitted.folder)
    assert (len(done.lost), done.left) == (1, ())
    assert fitted.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
    assert list(verify(fitted)) == list(wrong_rows(fitted)) == []


def test_a_repair_clears_away_an_installation_that_was_broken_off(fitted):
    with fitted.writer() as writer:
        fill(fitted, writer, B)
    for held in fitted.snapshot().of("vectors", "space.fit-image", fits.version_of(B), "image"):
        change_row(held.path, 0, held.group)
    assert list(verify(fitted))
    done = repair(fitted.folder)
    assert done.done == ("rows of fits that are not in use were left out",)
    assert fitted.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
    sound(fitted)


@pytest.mark.parametrize("page", [0, 1, 3, -1])
def test_what_can_be_read_of_the_fits_of_a_damaged_catalog_stays(filled, page):
    big = bytes(range(1, 256)) * 80  # several pages
    with filled.writer() as writer:
        install(filled, writer, "mine", big)
        writer.keep_fit("other", "space", "image", B, CARD)
    filled.close()
    zero_page(filled.folder, pages_of(filled.folder, "fits")[page])
    store = Store.open(filled.folder)
    assert list(verify(store))
    store.close()
    done = repair(filled.folder)
    assert (done.lost, done.left) == ((), ())
    again = Store.open(filled.folder)
    if page:
        assert fits.content(again.query, kept(again)["other"].id) == B
        assert "mine" not in kept(again)
    assert (again.snapshot().fits, fit_files(again)) == ((), set())
    sound(again)
    again.close()


def test_fits_survive_the_loss_of_another_page(fitted):
    fitted.close()
    zero_page(fitted.folder, pages_of(fitted.folder, "blocks")[0])
    assert repair(fitted.folder).left == ()
    again = Store.open(fitted.folder)
    assert again.snapshot().fits == (("space.fit-image", fits.version_of(A)),)
    assert fits.content(again.query, kept(again)["mine"].id) == A
    sound(again)
    again.close()


def test_an_odd_card_is_told_by_whoever_reads_it(fitted):
    sql(fitted, "UPDATE fits SET card = '{' WHERE name = 'mine'")
    with pytest.raises(IndexDamaged, match="'mine'.*verify --repair"):
        fits.read(fitted.query)
    sql(fitted, "UPDATE fits SET content = x'01' WHERE name = 'mine'")
    with pytest.raises(IndexDamaged, match="'mine'.*verify --repair"):
        fits.content(fitted.query, 2)


def test_an_index_of_the_format_before_gets_fits(filled, tmp_path):
    for name, kind in filled.query("SELECT name, type FROM sqlite_master WHERE type IN ('view', 'trigger')"):
        sql(filled, f"DROP {kind} {name}")
    for table in ("fits", "chains", "banks", "backgrounds", fulltext.SEGMENTS, fulltext.ITEMS):
        sql(filled, f"DROP TABLE {table}")
    sql(filled, "ALTER TABLE items DROP COLUMN tags")
    sql(filled, "PRAGMA user_version = 4")
    shutil.copytree(filled.folder, tmp_path / "old")
    store = Store.open(tmp_path / "old")
    with store.writer() as writer:
        install(store, writer, "mine", A)
    sound(store)
    store.close()
