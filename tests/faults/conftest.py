import shutil
import sys

import pytest
from crash_campaign import Campaign


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """Children under faults."""
    if not sys.platform.startswith("linux"):
        pytest.skip("faults are put under a process with LD_PRELOAD, which only Linux has")
    if not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("the shim has to be compiled, and there is no C compiler (cc)")
    with Campaign(tmp_path_factory.mktemp("faults")) as made:
        yield made
