"""The driver's side of the line protocol: one process that holds one way of running one case."""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PEERS = Path(__file__).with_name("peers.py")
PACKAGES = ("onnxruntime", "openvino")  # The ways that are packages, by their names.


class WorkerError(Exception):
    """The way cannot run this case; the message is one line."""


@dataclass(frozen=True)
class Setup:
    """What the processes of one comparison have in common."""

    folder: Path
    runner: Path
    threads: int
    cores: Collection[int]
    timeout: float = 300.0  # Seconds for one answer.


def printable(text: str) -> str:
    """One line without control characters: messages come out of files and other programs."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def command(way: str, case: str, setup: Setup) -> list[str]:
    """The command of a way. Raises WorkerError when something that it needs is not there."""
    peer = way in PACKAGES
    if peer and not find_spec(way):
        raise WorkerError(f"is not installed: pip install {way}")
    archive = setup.folder / f"{case}{'.onnx' if peer else '.pt'}"
    if peer and not archive.exists():
        raise WorkerError(f"{archive} is missing: pip install onnx onnxscript, run suite.py again")
    program = [sys.executable, str(PEERS)] if peer else [str(setup.runner)]
    inputs = setup.folder / f"{case}.inputs.safetensors"
    options = {"--way": way, "--archive": archive, "--inputs": inputs, "--threads": setup.threads}
    return program + [str(word) for pair in options.items() for word in pair]


class Worker:
    """A process pinned to the setup's cores. Use it in a `with` statement."""

    def __init__(self, way: str, case: str, setup: Setup) -> None:
        own = os.sched_getaffinity(0)
        arguments = command(way, case, setup)
        os.sched_setaffinity(0, setup.cores)  # The child inherits it before its first thread.
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"OPENVINO_TELEMETRY_OPT_OUT": "1"},
            )
        except OSError as error:
            raise WorkerError(f"{arguments[0]}: {error.strerror}") from error
        finally:
            os.sched_setaffinity(0, own)
        self.timeout = setup.timeout

    def ask(self, line: str) -> dict[str, Any]:
        """Sends one command and returns the answer. Raises WorkerError when there is none."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(self.timeout):
                self.process.kill()
                raise WorkerError(f"no answer to '{line}' in {self.timeout:g} seconds")
        answer = self.process.stdout.readline()
        if not answer:
            raise self._failure()
        return json.loads(answer)

    def _failure(self) -> WorkerError:
        """What the process said on standard error before it ended."""
        self.process.wait()
        lines = self.process.stderr.read().strip().splitlines()
        ended = f"ended with status {self.process.returncode} and said nothing"
        return WorkerError(printable(lines[-1]) if lines else ended)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass  # What was not sent is not needed.
