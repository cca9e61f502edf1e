"""A process that is ended with all that it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

_PATIENCE = 5.0  # seconds, for processes that were killed to be gone


def run(
    command: Sequence[str], environment: Mapping[str, str], seconds: float | None
) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run, in a process group of its own: a compiler has compilers of its own, that
    would go on. Raises TimeoutExpired."""
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, error = process.communicate(timeout=seconds)
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the group, and wait for it: its files are about to be deleted."""
    end = time.monotonic() + _PATIENCE
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.01)
