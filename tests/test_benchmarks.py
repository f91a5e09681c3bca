import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = [path for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py") if path.name != "reference.py"]


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_each_says_what_it_measures(path):
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    assert "usage" in done.stdout
