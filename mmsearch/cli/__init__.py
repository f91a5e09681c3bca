"""The command line: the only place that prints and exits."""

from __future__ import annotations

import gc
import sys

from mmsearch.errors import MmsearchError


def main() -> None:
    """Run `mmsearch`. Errors that mmsearch raises on purpose become one line and exit status 1."""
    gc.set_threshold(100_000)  # what a search imports is no garbage: looking for some took 6 % of its time
    from mmsearch.cli.app import app

    try:
        app(prog_name="mmsearch", standalone_mode=True)
    except MmsearchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    finally:
        gc.freeze()  # nor when the process ends: another 9 %
