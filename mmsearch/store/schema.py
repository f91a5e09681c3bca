"""The catalog's tables, for queries. How they come to be on disk is told by `migrations`.

::

    roots ─< files ─< items ─< segments ─< rows >─ shards ─< blocks
                                                     ├─< tombstones
                                                     └─< covered >─ structures ─< settings

    fits (rows of one that is active are in shards that have its name: see `fits`)
    banks, backgrounds (what calibrates scores, a cache: see `backgrounds`)
    segment_words, item_words (full text, which SQLAlchemy does not know of: see `fulltext`)
"""

from __future__ import annotations

from sqlalchemy import REAL, Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# Counters and facts about the whole index: `version` (grows with every commit), `model`, `written_by`.
meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# Folders that were indexed. `relative` is the way from the index folder, so that both can move together.
roots = Table(
    "roots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),
    Column("relative", LargeBinary, nullable=False),
)

# Media files, those that could not be read (`error`) included, so that they are not opened again until they change, or
# a later `reader`, the version of what reads files, may do better.
files = Table(
    "files",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("root_id", Integer, ForeignKey("roots.id"), nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("hash", LargeBinary),
    Column("error", Text),
    Column("reader", Integer, nullable=False),
)

# Files of metadata beside media files, as they were when they were last applied.
sidecars = Table(
    "sidecars",
    metadata,
    Column("root_id", Integer, ForeignKey("roots.id"), primary_key=True),
    Column("folder", LargeBinary, primary_key=True),
    Column("signature", Text, nullable=False),
)

# What the user added and what a hit shows. `key` is the public id and never changes. `tags` are those of the fields in
# `metadata` that a classification wrote, see `tags`.
items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("file_id", Integer, ForeignKey("files.id")),
    Column("width", Integer),
    Column("height", Integer),
    Column("seconds", REAL),
    Column("characters", Integer),
    Column("taken", Text),
    Column("metadata", Text, nullable=False),
    Column("pages", Integer),
    Column("tags", Text),
)

# The parts that are searched. `start` and `end` are seconds of a sound or characters of a text, `time_start` and
# `time_end` the seconds in which a subtitle is shown.
segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item_id", Integer, ForeignKey("items.id"), nullable=False),
    Column("modality", Text, nullable=False),
    Column("start", REAL),
    Column("end", REAL),
    Column("excerpt", Text),
    Column("page", Integer),
    Column("time_start", REAL),
    Column("time_end", REAL),
)

# Files of rows of one space's vectors or one encoder's features, of one modality. Only the first `rows` rows exist:
# what lies beyond was written by a process that died before its commit. `total` is the float64 sum of the live rows,
# `dead` the number of tombstones.
shards = Table(
    "shards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("file", Text, nullable=False, unique=True),
    Column("rows", Integer, nullable=False),
    Column("sealed", Integer, nullable=False),
    Column("total", LargeBinary, nullable=False),
    Column("dead", Integer, nullable=False),
)

# crc32 of each block of a shard; the last block may be partial.
blocks = Table(
    "blocks",
    metadata,
    Column("shard_id", Integer, ForeignKey("shards.id"), primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("crc", Integer, nullable=False),
)

# Where the vector or the features of a segment lie. The only join between the catalog and the shards.
rows = Table(
    "rows",
    metadata,
    Column("shard_id", Integer, ForeignKey("shards.id"), primary_key=True),
    Column("offset", Integer, primary_key=True),
    Column("segment_id", Integer, ForeignKey("segments.id"), nullable=False),
)

# Rows that no longer stand for anything. Every committed row is either in `rows` or here.
tombstones = Table(
    "tombstones",
    metadata,
    Column("shard_id", Integer, ForeignKey("shards.id"), primary_key=True),
    Column("offset", Integer, primary_key=True),
)

# Approximate structures over vectors of one space and one modality, in files that can be built again: a cache.
structures = Table(
    "structures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("file", Text, nullable=False, unique=True),
    Column("bytes", Integer, nullable=False),
    Column("crc", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("seconds", REAL, nullable=False),
)

# Which rows a structure knows: `rows` labels from `first` on stand for rows of a shard from `start` on, in their order,
# but for those that compactions left out, in `gone`: numbers from 0, sorted, as `covers.pack` writes them.
covered = Table(
    "covered",
    metadata,
    Column("structure_id", Integer, ForeignKey("structures.id"), primary_key=True),
    Column("shard_id", Integer, nullable=False),
    Column("first", Integer, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("gone", LargeBinary),
)

# How a structure is asked by questions of the modality `asked`: `effort` (lists probed, or the length of HNSW's queue)
# and candidates to `fetch`, with the recall@10 against exact search that was measured (95 % interval), the recall that
# was `wanted`, and median seconds a question of this and of exact search.
settings = Table(
    "settings",
    metadata,
    Column("structure_id", Integer, ForeignKey("structures.id"), primary_key=True),
    Column("asked", Text, primary_key=True),
    Column("effort", Integer, nullable=False),
    Column("fetch", Integer, nullable=False),
    Column("recall", REAL, nullable=False),
    Column("low", REAL, nullable=False),
    Column("high", REAL, nullable=False),
    Column("wanted", REAL, nullable=False),
    Column("queries", Integer, nullable=False),
    Column("seconds", REAL, nullable=False),
    Column("exact_seconds", REAL, nullable=False),
)

# Heads that were learned for a space and a medium against text. `version` is that of the content, `card` a JSON object.
# One of a space and a medium is `active` at most: the version of the index in which it became so, 0 for the others.
# `previous` is the one that was active before it, if there was one.
fits = Table(
    "fits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("space", Text, nullable=False),
    Column("medium", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("active", Integer, nullable=False),
    Column("previous", Integer),
    Column("card", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# Rerankers that measured best for questions of the modality `asked` about `target`, in one version of a space: steps
# with commas between them, which may be none. `card` is a JSON object.
chains = Table(
    "chains",
    metadata,
    Column("asked", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("space", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("chain", Text, nullable=False),
    Column("card", Text, nullable=False),
)

# Vectors `(2 b, dim)` float16 of the made questions of a space, in one version of it.
banks = Table(
    "banks",
    metadata,
    Column("space", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("bank", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("vectors", LargeBinary, nullable=False),
)

# How well the questions of a bank score on answers of the modality `target`: `best`, `(b, width)` float32, on the rows
# that are `covered`, a JSON object of numbers of rows by shard; `shared`, as many float16, is what they share in
# classes.
backgrounds = Table(
    "backgrounds",
    metadata,
    Column("asked", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("space", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("bank", Text, nullable=False),
    Column("covered", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("best", LargeBinary, nullable=False),
    Column("shared", LargeBinary),
)
