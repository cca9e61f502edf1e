"""ONNX Runtime or OpenVINO on one .onnx file, at the orders of benchmarks/compare.py.

The same options and the same line protocol as runner.cpp. Inputs and outputs are buffers that are
made once: a call copies nothing across the border of Python.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import load_file, save_file

SHORTEST_BLOCK = 200e-6  # Seconds; as in runner.cpp.


class Runner(Protocol):
    """A loaded model with its inputs."""

    outputs: list[np.ndarray]

    def call(self) -> None: ...


class OnnxRuntime:
    def __init__(self, archive: Path, inputs: list[np.ndarray], threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(archive), options, providers=["CPUExecutionProvider"]
        )
        make = onnxruntime.OrtValue.ortvalue_from_numpy  # Shares the array's memory on the CPU.
        self.outputs = [np.empty(output.shape, np.float32) for output in session.get_outputs()]
        self.binding = session.io_binding()
        for slot, array in zip(session.get_inputs(), inputs, strict=True):
            self.binding.bind_ortvalue_input(slot.name, make(array))
        for slot, array in zip(session.get_outputs(), self.outputs, strict=True):
            self.binding.bind_ortvalue_output(slot.name, make(array))
        self.session = session

    def call(self) -> None:
        self.session.run_with_iobinding(self.binding)


class OpenVino:
    def __init__(self, archive: Path, inputs: list[np.ndarray], threads: int) -> None:
        import openvino

        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Where the processor has bfloat16 OpenVINO computes in it, unless told.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = openvino.Core().compile_model(str(archive), "CPU", settings)
        self.outputs = [np.empty(tuple(output.shape), np.float32) for output in model.outputs]
        self.request = model.create_infer_request()
        for index, array in enumerate(inputs):
            self.request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        for index, array in enumerate(self.outputs):
            self.request.set_output_tensor(index, openvino.Tensor(array, shared_memory=True))

    def call(self) -> None:
        self.request.infer(share_outputs=True)


WAYS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def read_inputs(path: Path) -> list[np.ndarray]:
    tensors = load_file(path)
    inputs = []
    while (name := f"input.{len(inputs)}") in tensors:
        inputs.append(np.ascontiguousarray(tensors[name]))
    if not inputs:
        raise ValueError(f"{path}: holds no tensor 'input.0'")
    return inputs


def about_seconds(runner: Runner) -> float:
    """As about_seconds() of runner.cpp."""
    fastest = math.inf
    for _ in range(3):
        start = time.perf_counter()
        runner.call()
        fastest = min(fastest, time.perf_counter() - start)
        if fastest >= SHORTEST_BLOCK:
            break
    return max(fastest, 1e-9)


def time_calls(runner: Runner, calls: int) -> dict[str, Any]:
    """As time_calls() of runner.cpp."""
    clock, call = time.perf_counter, runner.call
    about = about_seconds(runner)
    block = min(calls, max(1, int(SHORTEST_BLOCK / about)))
    seconds = []
    for _ in range(math.ceil(calls / block)):
        start = clock()
        for _ in range(block):
            call()
        seconds.append((clock() - start) / block)
    return {"calls_per_block": block, "seconds": seconds}


def memory() -> dict[str, int]:
    """Resident and private bytes of this process, Python among them."""
    kilobytes: dict[str, int] = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        key, amount = line.split()[:2]
        kilobytes[key] = int(amount)
    own = kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]
    return {"resident_bytes": kilobytes["Rss:"] * 1024, "private_bytes": own * 1024}


class Session:
    """Loads and answers the commands."""

    def __init__(self, options: argparse.Namespace) -> None:
        if not options.archive.exists():
            raise FileNotFoundError(f"{options.archive}: no such file")
        self.options = options
        self.inputs = read_inputs(options.inputs)
        self.runner: Runner | None = None

    def answer(self, line: str) -> dict[str, Any]:
        command, _, argument = line.partition(" ")
        if command == "first":
            return self.first()
        if command == "memory":
            return memory()
        if self.runner is None:
            raise ValueError(f"'{command}' comes before 'first', which loads the model")
        if command == "call":
            return time_calls(self.runner, int(argument))
        if command == "outputs":
            self.runner.call()
            save_file({f"output.{i}": a for i, a in enumerate(self.runner.outputs)}, argument)
            return {"file": argument}
        raise ValueError(
            f"command '{command}' is not one of: first, call N, outputs FILE, memory, quit"
        )

    def first(self) -> dict[str, float]:
        __import__(self.options.way)  # A program has its libraries loaded by then.
        clock = time.perf_counter
        start = clock()
        self.runner = WAYS[self.options.way](
            self.options.archive, self.inputs, self.options.threads
        )
        loaded = clock()
        self.runner.call()
        return {"load_seconds": loaded - start, "first_call_seconds": clock() - loaded}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", required=True, choices=WAYS)
    parser.add_argument("--archive", required=True, type=Path)
    parser.add_argument("--inputs", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=1)
    try:
        session = Session(parser.parse_args())
        while (line := sys.stdin.readline().strip()) and line != "quit":
            print(json.dumps(session.answer(line)), flush=True)
    except Exception as error:  # Whatever it is, the driver reports it and goes on.
        print("peers.py: error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
