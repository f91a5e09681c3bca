"""What the children do to an index, step by step, and what they tell of it.

Each line of the log is written when something is true: `begin` with what a commit is about to do, `done` when it has
returned, `failed` when it raised, `returned` when a call of the public API has. Every scenario can be run again from
its first step on whatever an earlier run left behind, and ends in the same state.
"""

import json
import os
import signal
import sqlite3
import time
from dataclasses import dataclass, field

import crash_state
import numpy as np
import soundfile
from damage import change, pages_of, projector, shard_of, zero_page
from made import RATE, picture, tone
from PIL import Image

import mmsearch
import mmsearch.cli.app
import mmsearch.evaluation.evaluate
import mmsearch.exchange.npy
import mmsearch.fitting.install
import mmsearch.indexing.pipeline
import mmsearch.indexing.run
from mmsearch import Record
from mmsearch.ann import tune
from mmsearch.encoders.fake import COLOURS, DIM, FakeEncoder, fake
from mmsearch.errors import QueryError, StoreError
from mmsearch.fitting.adapter import Adapter
from mmsearch.fitting.choose import Settings
from mmsearch.fitting.fit import Fit
from mmsearch.search.samples import LEAST
from mmsearch.store import migrations, shard
from mmsearch.store.bulk import AddRows
from mmsearch.store.repair import repair
from mmsearch.store.shard import Group
from mmsearch.store.store import Store
from mmsearch.store.structures import Setting
from mmsearch.store.writer import Writer
from mmsearch.types import Modality

SHARD_ROWS = 8
COMMIT_SEGMENTS = 5
MODALITIES = {"image": 2000, "text": 2100, "audio": 2200}  # and the seeds of their vectors


class Log:
    def __init__(self, path):
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def __call__(self, **said):
        os.write(self._handle, json.dumps({**said, "at": time.time()}).encode() + b"\n")


@dataclass(frozen=True)
class Scenario:
    """Steps under faults, between steps without any. A `repair` begins with an index that is damaged.

    Faults meet what is below the folder `place`: the index, or that of its copies.
    """

    steps: list
    prepare: list = field(default_factory=list)
    aftermath: list = field(default_factory=list)
    repair: bool = False
    place: str = "index"


def run(name, part, work, shim):
    log = Log(work / "log")
    shard.SHARD_ROWS = SHARD_ROWS
    watch(log)
    context = Context(work, log, shim)
    if part == "steps":
        shim.arm()
    for step in getattr(SCENARIOS[name], part):
        try:
            step(context)
        except StoreError as error:
            context.troubled(error)
            step(context)
        log(returned=step.__name__)
    context.close()
    log(finished=True, matched=shim.release())


def watch(log):
    """Tell of each change of the index before and after."""
    described = {
        "commit": crash_state.describe, "activate_fit": crash_state.activated, "undo_fit": crash_state.undone
    }  # fmt: skip
    for name, describe in described.items():
        setattr(Writer, name, told(log, getattr(Writer, name), describe))


def told(log, real, describe):
    def call(self, *arguments):
        connection = self._engine.raw_connection()
        try:
            begin = describe(*arguments, connection.cursor())
        finally:
            connection.close()
        log(begin=begin)
        try:
            made = real(self, *arguments)
        except BaseException as error:
            log(failed=type(error).__name__)
            raise
        log(done=True)
        return made

    return call


class Context:
    """The folders of a scenario, and its index once it is open."""

    def __init__(self, work, log, shim):
        self.work, self.media, self.log, self._shim = work, work / "media", log, shim
        self._index = None

    def troubled(self, error):
        """Tell of an error that is as it should be, and let the disk work again."""
        self.log(error=type(error).__name__, said=str(error), matched=self._shim.release())

    @property
    def index(self):
        if self._index is None:
            self._index = mmsearch.open(self.work / "index", model="fake")
        return self._index

    def close(self):
        if self._index is not None:
            self._index.close()
            self._index = None

    def often(self):
        mmsearch.indexing.run.COMMIT_SEGMENTS = COMMIT_SEGMENTS


def vector(seed):
    return np.random.default_rng(seed).standard_normal(DIM)


def record(number, seed=None):
    seed = number if seed is None else seed
    media = {"image": vector(seed)} if number % 3 else {"image": vector(seed), "audio": vector(seed + 10_000)}
    if number % 2:
        return Record(id=f"r{number}", vectors=media, metadata={"number": number})
    return Record(id=f"r{number}", text=f"text number{seed} of many words{seed * 7}", vectors=media)


def create(context):
    context.index.verify()  # also where it was killed later on, and has items by now


def add_records(context):
    context.often()
    context.index.add_items((record(number) for number in range(24)), isolate=False)


def replace_records(context):
    context.often()
    context.index.add_items((record(number, number + 500) for number in range(6, 16)), isolate=False)


def remove_records(context):
    for number in (3, 8, 20):
        try:
            context.index.remove(ids=[f"r{number}"])
        except QueryError:  # an earlier run did
            assert f"r{number}" not in {item.id for item in context.index.items()}


def striped(number):
    colours = list(COLOURS.values())
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, : number + 2] = colours[number % 10]
    pixels[:, number + 2 :] = colours[(number // 2 + 5) % 10]
    return Image.fromarray(pixels)


def write_media(context):
    """Twelve files of three kinds, and a file of records; what an earlier run had made of the folder is undone."""
    folder = context.media
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    for number in range(6):
        striped(number).save(folder / f"{number}.png")
    for pitch in ("low", "whistle"):
        soundfile.write(folder / "sounds" / f"{pitch}.wav", tone(pitch, 12.0), RATE)
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"text number{number} " + " ".join(f"w{i}" for i in range(number * 60)))
    (folder / "broken.png").write_bytes(b"no picture")


def add_folder(context):
    context.often()
    context.index.add([context.media], isolate=False)  # decoders crash elsewhere: tests/indexing/test_isolation.py


def change_media(context):
    folder = context.media
    picture("purple").save(folder / "0.png")
    os.utime(folder / "0.png", ns=(1, 1))
    (folder / "1.txt").write_text("something else entirely")
    (folder / "2.png").rename(folder / "renamed.png")
    (folder / "3.png").unlink()
    striped(9).save(folder / "new.png")
    (folder / "copy.txt").write_bytes((folder / "0.txt").read_bytes())


def remove_folder(context):
    try:
        context.index.remove(paths=[context.media / "sounds"])
    except QueryError:
        assert not any("sounds" in str(item.path) for item in context.index.items())


def leave_rubbish(context):
    """What crashes leave behind: tails, files that no row names, a catalog that was being made."""
    context.close()
    folder = context.work / "index"
    for path in sorted(folder.rglob("*.vec")):
        with path.open("ab") as file:
            file.write(os.urandom(3000))
    for number in (77, 78):
        (folder / "shards" / "fake" / "image" / f"{number}.vec").write_bytes(b"left")


def become_writer(context):
    context.index._store.writer().close()


def commit_rows(context):
    """One writer that goes on after an error: each commit is tried until it is done."""
    from made_rows import put

    with context.index._store.writer() as writer:
        for start in range(0, 40, 5):
            changes = [put(seed, f"w{seed}") for seed in range(start, start + 5)]
            try:
                writer.commit(changes)
            except StoreError as error:
                context.troubled(error)
                writer.commit([put(900, "w900")])  # other rows at the places of those that failed
                writer.commit(changes)
        writer.commit([put(900, "w900")])


def trickle(context):
    """Records that come one by one for a long time; for kills at random moments."""

    def slowly():
        for number in range(4000):
            time.sleep(0.004)
            yield Record(id=f"t{number}", vectors={"image": vector(number)})
            context.log(given=f"t{number}")

    context.index.add_items(slowly(), isolate=False)


def damage_shards(context):
    """A flipped bit, a header, a cut, a missing file: vectors and features."""
    context.close()
    folder = context.work / "index"
    change(shard_of(folder, "vectors", "text"), shard.HEADER_BYTES + 40)
    change(shard_of(folder, "vectors", "image"), 20, 200)
    change(shard_of(folder, "features", "image"), -1)
    path = shard_of(folder, "features", "text", 1)
    path.write_bytes(path.read_bytes()[:-1])
    shard_of(folder, "vectors", "audio").unlink()


def damage_catalog(context):
    context.close()
    for name in ("items", "rows", "shards"):
        zero_page(context.work / "index", pages_of(context.work / "index", name)[-1])


def repair_index(context):
    context.close()
    done = repair(context.work / "index", projector)
    assert done.left == (), done.left


def add_beside_a_reader(context):
    """The reader is in a process group of its own: it outlives what kills this one, and is killed by the aftermath."""
    reader = os.fork()
    if reader == 0:
        os.setpgid(0, 0)
        with mmsearch.open(context.work / "index", create=False) as index:
            index.search(vector=vector(0))
            (context.work / "reader").write_text(str(os.getpid()))
            time.sleep(30)
        os._exit(0)
    while not (context.work / "reader").exists():
        time.sleep(0.001)
    add_records(context)


def die_as_a_writer(context):
    """Become the writer, which cleans up; then everybody dies."""
    Store.open(context.work / "index").writer()
    os.kill(int((context.work / "reader").read_text()), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def add_carelessly(context):
    """What no writer may do: the catalog names rows that are written later."""
    write, commit, waiting = shard.append, Writer.commit, []

    def both(self, changes):
        added = commit(self, changes)
        while waiting:
            write(*waiting.pop(0))
        return added

    shard.append = lambda *rows: waiting.append(rows)
    Writer.commit = both
    try:
        add_records(context)
    finally:
        shard.append, Writer.commit = write, commit


def add_much(context):
    """Enough of each modality to train a structure with: 4-bit codes need 16 rows."""
    context.index.add_items(
        (Record(id=f"p{n}", vectors={kind: vector(n + seed) for kind, seed in MODALITIES.items()}) for n in range(20)),
        isolate=False,
    )


def add_more_pictures(context):
    context.index.add_items((Record(id=f"q{n}", vectors={"image": vector(n + 3000)}) for n in range(10)), isolate=False)


def remove_most(context):
    there = {item.id for item in context.index.items()}
    gone = there & {f"r{number}" for number in range(24) if number % 4}
    if gone:
        context.index.remove(ids=gone)


def compact_index(context):
    context.index.compact(dead_share=0.01)


def optimize_index(context, kind):
    """With settings that ask the structure, however small it is: what it does not find is not found."""
    real = tune.tune

    def asked(structure, ask, questions, wanted, **_):
        return Setting(structure.widest, structure.rows, 1.0, 1.0, 1.0, wanted, len(questions), 0.0, 1.0)

    tune.tune = asked
    try:
        context.index.optimize(structure=kind, texts=[f"question {number}" for number in range(LEAST)])
    finally:
        tune.tune = real


def optimize_hnsw(context):
    optimize_index(context, "hnsw")


def optimize_pq(context):
    optimize_index(context, "pq")


def copy_index(context):
    copy(context, "plain", link=False)


def link_index(context):
    copy(context, "linked", link=True)


def copy(context, name, link):
    """Copies that are whole stay: an earlier run made them."""
    place = context.work / "copies" / name
    if not (place / "catalog.sqlite").exists():
        context.index.snapshot(place, link=link)


def write_vectors(context):
    """Vectors of another program, some with ids that are in the index."""
    folder = context.work / "vectors"
    folder.mkdir()
    np.save(folder / "vectors.npy", np.array([vector(number + 4000) for number in range(40)], np.float32))
    (folder / "vectors.jsonl").write_text("".join(f'{{"id": "r{number}", "n": 1}}\n' for number in range(12, 52)))


def load_vectors(context):
    mmsearch.exchange.npy.BATCH_ROWS = 10
    loaded = context.index.load(context.work / "vectors" / "vectors.npy")
    assert (loaded.segments, loaded.rejected) == (40, 0)


def return_to_format_2(context):
    """Make of an index what an earlier mmsearch would have left."""
    context.close()
    catalog = context.work / "index" / "catalog.sqlite"
    catalog.rename(catalog.with_suffix(".new"))
    connection = sqlite3.connect(catalog, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in (statement for statements in migrations.MIGRATIONS[:2] for statement in statements):
        connection.execute(statement)
    connection.execute("ATTACH ? AS newer", (str(catalog.with_suffix(".new")),))
    connection.execute("BEGIN")
    for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        names = ", ".join(f'"{name}"' for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"DELETE FROM main.{table}")
        connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
    known = "(SELECT name FROM main.sqlite_master)"
    connection.execute(f"DELETE FROM main.sqlite_sequence WHERE name NOT IN {known}")
    connection.execute("PRAGMA user_version = 2")
    connection.execute("COMMIT")
    connection.execute("DETACH newer")
    assert migrations.layout(lambda statement: connection.execute(statement).fetchall()) == 2
    connection.close()
    catalog.with_suffix(".new").unlink()


def fit_made(medium, seed):
    """A fit that nobody learned: its maps are drawn."""
    (head,), draw = fake().heads, np.random.default_rng(seed)
    sizes = (FakeEncoder.dims[medium], FakeEncoder.dims[Modality.TEXT])
    maps = (Adapter(1.0, draw.random(n, np.float32), draw.random((n, 4), np.float32)) for n in sizes)
    encoders = {kind: (FakeEncoder.name, FakeEncoder.version) for kind in (medium, Modality.TEXT)}
    settings = Settings(1.0, 1.0, 1.0, 4, 0.5)
    return Fit(head.space.name, head.space.version, medium, encoders, settings, *maps)


def use_fit(context, name, medium=Modality.IMAGE):
    mmsearch.fitting.install.TOGETHER = COMMIT_SEGMENTS
    if not any(one.name == name and one.active for one in context.index.fits.kept()):
        context.index.fits.put(name, fit_made(medium, len(name)), {"pairs": 3})


def use_first_fit(context):
    use_fit(context, "first")


def use_second_fit(context):
    use_fit(context, "the second")


def use_fit_of_sounds(context):
    use_fit(context, "sounds", Modality.AUDIO)


def undo_fit(context):
    if any(one.name == "the second" and one.active for one in context.index.fits.kept()):
        context.index.fits.undo()


def begin_fit(context):
    """Half of an installation, as a process leaves it that dies."""
    fit = fit_made(Modality.IMAGE, 99)
    with context.index._store.writer() as writer:
        writer.keep_fit("half", fit.space, "image", fit.content, {})
        for name in ("image", "text"):
            ids = context.index._store.query("SELECT id FROM segments WHERE modality = ? ORDER BY id LIMIT 9", (name,))
            group = Group("vectors", "fake.fit-image", fit.version, name, "float32", DIM + 4)
            rows = np.full((len(ids), group.dim), group.dim**-0.5, np.float32)
            writer.commit([AddRows(group, [id_ for (id_,) in ids], rows)])


ADD = [create, write_media, add_folder, add_records]
SCENARIOS = {
    "create": Scenario([create]),
    "records": Scenario([create, add_records, replace_records, remove_records]),
    "folder": Scenario([create, write_media, add_folder, change_media, add_folder, remove_folder]),
    "recovery": Scenario([become_writer, replace_records], [create, add_records, leave_rubbish]),
    "writer": Scenario([create, commit_rows]),
    "repair shards": Scenario([repair_index], [*ADD, use_first_fit, damage_shards], repair=True),
    "repair catalog": Scenario([repair_index], [*ADD, use_first_fit, damage_catalog], repair=True),
    "compact": Scenario(
        [compact_index, replace_records, compact_index], [create, add_records, optimize_hnsw, remove_most]
    ),
    "optimize": Scenario([optimize_pq, add_more_pictures, optimize_pq], [create, add_records, add_much, optimize_hnsw]),
    "snapshot": Scenario(
        [copy_index, link_index], [create, add_records, replace_records, optimize_hnsw], place="copies"
    ),
    "fit": Scenario(
        [use_first_fit, replace_records, use_second_fit, undo_fit, compact_index],
        [create, add_records, use_fit_of_sounds],
    ),
    "half a fit": Scenario([become_writer, remove_records], [create, add_records, use_first_fit, begin_fit]),
    "load": Scenario([load_vectors], [create, add_records, write_vectors]),
    "migrate": Scenario([become_writer, remove_most], [create, add_records, replace_records, return_to_format_2]),
    "doubt": Scenario([add_beside_a_reader], [create, become_writer], [die_as_a_writer]),
    "careless": Scenario([add_carelessly], [create]),
    "trickle": Scenario([trickle], [create]),
}
