"""Forks children that have mmsearch loaded already, so that a scenario costs what it does and no start of Python.

Run with LD_PRELOAD set to the shim. Reads jobs from standard input, a JSON object a line, and answers each with the
child's exit status, negative if a signal ended it. A child is the leader of a process group, killed as a whole.
"""

import importlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import crash_scenarios
from crash_shim import Shim

PRELOADED = (  # children that are forked have them; the threads of FAISS come with its first use
    "faiss", "filelock", "numpy.random", "PIL.PngImagePlugin", "soxr", "sqlalchemy.dialects.sqlite", "mmsearch.engine",
    "mmsearch.ann.build", "mmsearch.encoders.bridge.shelf", "mmsearch.exchange.load", "mmsearch.fitting.active",
    "mmsearch.fitting.shelf", "mmsearch.indexing.roots", "mmsearch.media.audio.decode",
    "mmsearch.media.image.decode", "mmsearch.media.reader", "mmsearch.search.optimize", "mmsearch.search.searcher",
    "mmsearch.store.backup", "mmsearch.store.named",
)  # fmt: skip


def main():
    for name in PRELOADED:
        importlib.import_module(name)
    print(json.dumps(threading.active_count()), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            run(job)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(child, child)  # here and there: whoever comes first
        print(json.dumps(status_of(child, job.get("kill_at"), job.get("timeout", 60))), flush=True)


def status_of(child, kill_at, timeout):
    """Wait for the child; kill it, and what it started, after `kill_at` seconds, or if it hangs."""
    ended = os.pidfd_open(child)
    hung = False
    if not select.select([ended], [], [], kill_at if kill_at is not None else timeout)[0]:
        hung = kill_at is None
        os.killpg(child, signal.SIGKILL)
    os.close(ended)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "hung" if hung else status


def run(job):
    """Be the child: never returns."""
    os.setpgid(0, 0)
    work = Path(job["work"])
    null, out = os.open(os.devnull, os.O_RDWR), os.open(work / "output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    status = 1
    try:
        place = crash_scenarios.SCENARIOS[job["scenario"]].place
        shim = Shim(work / place, job.get("fault"), job.get("trace"))
        crash_scenarios.run(job["scenario"], job["part"], work, shim)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
