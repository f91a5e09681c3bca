"""Fixtures that all tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from made import RATE, picture, tone

import mmsearch

NOBODY = 65534

# Runs in decoding processes when they start: from then on, a text that says so does what native code may do to them.
HOSTILE = """
import os, signal, time
from mmsearch.media.text import plain as text
def read(source, real=text.read):
    said = source if isinstance(source, bytes) else source.read_bytes()
    if said == b"crash": os.kill(os.getpid(), signal.SIGSEGV)
    if said == b"hang": time.sleep(600)
    if said == b"slow": time.sleep(3)
    if said == b"exit": os._exit(3)
    if said == b"bomb": bytearray(64 << 30)
    if said == b"deep": read(b"deep")
    if said == b"bug": raise KeyError("x")
    return real(source)
text.read = read
"""


@pytest.fixture
def hostile_text(tmp_path, monkeypatch):
    """From now on, decoding processes that are started do what a text says: crash, hang, slow, exit, bomb, ..."""
    (tmp_path / "startup").mkdir()
    (tmp_path / "startup" / "sitecustomize.py").write_text(HOSTILE)
    package = Path(mmsearch.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'startup'}{os.pathsep}{package}")


@pytest.fixture
def media(tmp_path):
    """A folder of four pictures, two sounds, two texts."""
    folder = tmp_path / "media"
    (folder / "sounds").mkdir(parents=True)
    for colour in ("red", "green", "blue", "yellow"):
        picture(colour).save(folder / f"{colour}.png")
    for pitch in ("low", "whistle"):
        soundfile.write(folder / "sounds" / f"{pitch}.wav", tone(pitch), RATE)
    (folder / "fire.txt").write_text("a red fire engine")
    (folder / "sea.md").write_text("the blue sea")
    return folder


@pytest.fixture
def index(tmp_path):
    """An empty index of the fake model."""
    with mmsearch.open(tmp_path / "index", model="fake") as opened:
        yield opened


@pytest.fixture
def full(index, media):
    """An index of the folder `media`."""
    index.add([media])
    return index


@pytest.fixture
def as_nobody(tmp_path):
    """Run lines of Python in `tmp_path`, as a user whom file permissions stop; gives what they print.

    The lines `before` run as the user of now: what they import need not be found by the other one.
    """

    def run(code, before=""):
        # Root passes every check. The modules are imported before the change: the new user may not be able to.
        imports = (
            "import os, mmsearch\nfrom pathlib import Path\nfrom mmsearch.errors import MediaError\n"
            "from mmsearch.media import scan, sidecar\nfrom mmsearch.media.text import plain as text\n"
            "import mmsearch.media.audio.decode, mmsearch.media.image.decode\n"
        )
        drop = f"os.seteuid({NOBODY})\n" if os.geteuid() == 0 else ""
        tmp_path.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", imports + before + drop + code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        if "PermissionError" in done.stderr and "seteuid" in done.stderr:
            pytest.skip("root here may not become another user, and no file is unreadable to root")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
