"""The command line: the only place that prints and exits."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from mmsearch.errors import MmsearchError

USAGE = 2  # the exit status of a command that cannot be read


def main() -> None:
    """Run `mmsearch`. Errors that mmsearch raises on purpose become one line and exit status 1."""
    if sys.stderr is None:  # closed by whoever started us: what is said there is lost, the work is not
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (as long as the process)
    gc.set_threshold(100_000)  # what a search imports is no garbage: looking for some took 6 % of its time
    from mmsearch.cli.app import app

    try:
        app(prog_name="mmsearch", standalone_mode=True)
    except SystemExit as end:
        taken = next((one for one in sys.argv if one.startswith("- ")), None)
        if end.code == USAGE and taken is not None and "--" not in sys.argv:
            print(f"hint: {taken!r} is read as an option; put it last, behind --", file=sys.stderr)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
        except OSError as error:
            sys.exit(_said(error))
        raise
    except (MmsearchError, OSError, RuntimeError) as error:
        # Beside our own: paths that are no paths (too long, or `~nobody/x`), folders that must not be entered.
        if isinstance(error, RuntimeError) and "home directory" not in str(error):
            raise
        sys.exit(_said(error))
    finally:
        gc.freeze()  # nor when the process ends: another 9 %


def _said(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1
