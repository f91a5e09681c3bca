"""What the tests of media share."""

import os
import subprocess
import sys

import pytest

NOBODY = 65534


@pytest.fixture
def as_nobody(tmp_path):
    """Run lines of Python in `tmp_path`, as a user whom file permissions stop; gives what they print."""

    def run(code):
        # Root passes every check. The modules are imported before the change: the new user may not be able to.
        imports = "import os\nfrom pathlib import Path\nimport mmsearch.media.audio, mmsearch.media.image\n"
        imports += "from mmsearch.errors import MediaError\nfrom mmsearch.media import scan, sidecar, text\n"
        drop = f"os.seteuid({NOBODY})\n" if os.geteuid() == 0 else ""
        tmp_path.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", imports + drop + code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if "PermissionError" in done.stderr and "seteuid" in done.stderr:
            pytest.skip("root here may not become another user, and no file is unreadable to root")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
