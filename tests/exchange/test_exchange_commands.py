"""`mmsearch snapshot`, `export` and `import`, as a user runs them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.errors import MmsearchError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


def test_out_and_in(run, full, tmp_path):
    index = full.folder
    said = json.loads(run("export", "out.parquet", "-i", index, "--target", "image", "--json").stdout)
    assert (said["format"], said["rows"]) == ("parquet", 4)
    assert "8 rows" in run("export", "out", "-i", index).stdout
    assert "8 added, 0 replaced, 0 rows rejected" in run("import", "out", "-i", "new", "--model", "fake").stdout
    said = json.loads(run("import", "out.parquet", "-i", "new", "--json").stdout)
    assert (said["added"], said["replaced"], said["rejected"], said["failed"]) == (0, 4, 0, [])
    assert run("verify", "-i", "new").exit_code == 0
    assert "export" in run("--help").stdout


def test_snapshot(run, full, tmp_path):
    said = json.loads(run("snapshot", "copy", "-i", full.folder, "--json").stdout)
    assert said["snapshot"] == str(tmp_path / "copy")
    with mmsearch.open(tmp_path / "copy", create=False) as copy:
        assert [item.id for item in copy.items()] == [item.id for item in full.items()]
        assert copy.search("red", target="image")[0].path.name == "red.png"
        assert copy.verify() == []
    with pytest.raises(MmsearchError, match="no empty folder"):
        run("snapshot", "copy", "-i", full.folder)
    assert "shards" in run("snapshot", "other", "-i", full.folder, "--link").stdout


def test_a_bridge_comes_along(full, tmp_path):
    (full.folder / "bridge.npz").write_bytes(b"a bridge")
    full.snapshot(tmp_path / "copy")
    assert (tmp_path / "copy" / "bridge.npz").read_bytes() == b"a bridge"


def test_an_index_into_which_nothing_came_is_not_left_behind(run, tmp_path):
    with pytest.raises(MmsearchError, match="no file"):
        run("import", "nowhere.parquet", "-i", "new", "--model", "fake")
    np.save(tmp_path / "wide.npy", np.ones((2, 512)))
    with pytest.raises(MmsearchError, match="needs 64"):
        run("import", "wide.npy", "-i", "new", "--model", "fake")
    np.save(tmp_path / "bad.npy", np.zeros((2, 64)))
    assert run("import", "bad.npy", "-i", "new", "--model", "fake").exit_code == 1
    assert not (tmp_path / "indexes" / "new").exists()
    np.save(tmp_path / "half.npy", np.eye(64)[:2] * [[1], [0]])
    assert run("import", "half.npy", "-i", "new", "--model", "fake", "--strict").exit_code == 1
    assert run("import", "half.npy", "-i", "new", "--id", "x").exit_code == 0
