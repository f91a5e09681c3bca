"""The shim as Python sees it, inside the process that it was loaded into."""

import ctypes
import os

ACTIONS = ("count", "kill before", "kill after", "torn", "fail once", "fail from", "short", "full from")


class Shim:
    """Arms the shim for a folder with a fault `{op, kind, occurrence, action, error}`, or none, and a trace file."""

    def __init__(self, folder, fault, trace):
        self._library = ctypes.CDLL(None)  # it was preloaded: its functions are the process's own
        self._folder, self._fault = os.fsencode(folder), fault
        self._trace = os.open(trace, os.O_CREAT | os.O_WRONLY | os.O_APPEND) if trace else -1

    def arm(self):
        if self._fault is None and self._trace < 0:
            return
        fault = self._fault or {"op": "*", "kind": "*", "occurrence": 0, "action": "count"}
        self._library.fault_arm(
            self._folder,
            fault["op"].encode(),
            fault["kind"].encode(),
            ctypes.c_long(fault["occurrence"]),
            ACTIONS.index(fault["action"]),
            fault.get("error", 0),
            self._trace,
        )

    def release(self):
        """Faults end; how many calls matched."""
        return self._library.fault_release()
