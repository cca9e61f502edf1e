"""Runs AOTInductor in a process of its own, and its C++ through the compiler.

As a program (`python -m torchship.compiling.inductor JOB.json`) it turns one exported program into
one package. A process of its own, because the compiler sets process-wide switches, prints, and may
crash or never end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from torchship.compiling import process
from torchship.compiling.decompositions import decompose
from torchship.compiling.settings import Settings
from torchship.compiling.target import Target, compiling_for
from torchship.errors import EngineError

# Not wanted in what is shipped: debug lines, and warnings about generated code.
_LEFT_OUT = {"g1", "Wall", "pedantic", "fno-omit-frame-pointer"}


def compile_program(
    program: Path,
    settings: Settings,
    target: Target,
    package: Path,
    *,
    operator_libraries: tuple[str, ...] = (),
    seconds: float | None = None,
) -> bool:
    """Compile an exported program (a file of torch.export.save) to a package (.pt2).

    Returns whether its results are memory that it will use again in the thread's next call.

    Raises EngineError with the compiler's own last words, or when it takes longer than `seconds`.
    """
    job = {
        "program": str(program),
        "options": settings.options,
        "decompositions": list(settings.decompositions),
        "isa": target.isa,
        "threads": target.threads,
        "device": target.device,
        "package": str(package),
        "operator_libraries": list(operator_libraries),
    }
    with tempfile.TemporaryDirectory(prefix="torchship-compile-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job))
        # A cache of its own: nobody else's code gets into what is shipped. The compilers' temporary
        # files are in the folder as well, and go with it, however the compilers end.
        environment = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": folder,
            "TMPDIR": folder,
            "OMP_NUM_THREADS": str(target.threads),
        }
        try:
            command = [sys.executable, "-m", "torchship.compiling.inductor", str(file)]
            done = process.run(command, environment, seconds)
        except subprocess.TimeoutExpired:
            raise EngineError(f"the compiler took longer than {seconds:.0f} s") from None
    if done.returncode != 0:
        raise EngineError(f"the compiler failed: {_last_words(done.stderr)}")
    return json.loads(done.stdout.splitlines()[-1])["keeps_results"]


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or lines or ["it said nothing"])[-1][:500]


def _run(job: dict[str, Any]) -> None:
    import torch
    from torch._inductor import aoti_compile_and_package

    torch.set_num_threads(job["threads"])
    decompose(job["decompositions"])
    for library in job["operator_libraries"]:
        torch.ops.load_library(library)
    program = torch.export.load(job["program"])
    target = Target(job["isa"], job["threads"], job["device"])
    if not target.on_cpu:
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, target.device)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), compiling_for(target) as options:
        made = Path(folder) / "made.pt2"
        # Code for the CPU is built here; a GPU's has several compilers, which PyTorch knows.
        options["aot_inductor.package_cpp_only"] = target.on_cpu
        aoti_compile_and_package(
            program, package_path=str(made), inductor_configs={**job["options"], **options}
        )
        with zipfile.ZipFile(made) as written:
            written.extractall(folder)
        (model,) = Path(folder).glob("*/data/aotinductor/model")
        library = _build(model, target) if target.on_cpu else _built(model)
        _package(model, library, Path(job["package"]))
        # The generator's name for a result that it allocates once for each thread.
        sources = model.glob("*.wrapper.cpp")
        keeps = any("ThreadLocalCachedOutput" in each.read_text() for each in sources)
        print("\n" + json.dumps({"keeps_results": keeps}))


def _built(folder: Path) -> Path:
    """The library that PyTorch built, without the folders of this machine in it."""
    (library,) = folder.glob("*.so")
    if shutil.which("patchelf"):
        _call("patchelf", "--remove-rpath", str(library))
    return library


def _build(folder: Path, target: Target) -> Path:
    """Compile and link what the compiler generated, as its own notes say but for what follows.

    Note [What compiled engines are linked with]
    OpenMP is not named: its functions are found in the library that LibTorch itself brings, so that
    a process has one OpenMP and not two. No path is written into the file.
    """
    (source,) = folder.glob("*.wrapper.cpp")
    # Generated code reports errors twice: as a status, and on the terminal, which is not its own.
    source.write_text(re.sub(r"std::cerr\s*<<[^;]*;", ";", source.read_text()))
    flags = json.loads(source.with_name(f"{source.stem}_compile_flags.json").read_text())
    objects = source.with_suffix(".o")
    # PyTorch before 2.13 takes every target for this machine.
    cflags = [f for f in flags["cflags"] if f not in _LEFT_OUT and not f.startswith("march=")]
    compiler = flags["compiler"]
    _call(
        compiler,
        "-c",
        f"-march={target.isa}",
        *(f"-{flag}" for flag in cflags),
        *(f"-D{name.strip()}" for name in flags["definitions"]),
        *(f"-I{path}" for path in flags["include_dirs"]),
        *(part for text in flags["passthrough_args"] for part in text.split()),
        "-w",
        "-fvisibility=hidden",
        "-fvisibility-inlines-hidden",
        str(source),
        "-o",
        str(objects),
    )
    from torch.utils.cpp_extension import TORCH_LIB_PATH

    library = source.with_suffix(".so")
    _call(
        compiler,
        "-shared",
        str(objects),
        *(str(constants) for constants in folder.glob("*.weights.o")),
        f"-L{TORCH_LIB_PATH}",
        "-Wl,--as-needed,-z,noexecstack,-s",
        "-ltorch_cpu",
        "-lc10",
        "-o",
        str(library),
    )
    _append_weights(source, library)
    return library


def _append_weights(source: Path, library: Path) -> None:
    """Weights too large for a library's sections follow it, where it looks for them."""
    weights = source.with_name(f"{source.stem}_serialized_weights.bin")
    if not weights.exists():
        return
    with open(library, "ab") as file:
        page = 16384
        file.write(b" " * (page - file.tell() % page))
        file.write(weights.read_bytes())


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise EngineError(f"{command[0]} failed: {(errors or [done.stderr])[0]}")


def _package(folder: Path, library: Path, package: Path) -> None:
    from torch.export.pt2_archive._package import package_pt2

    kernels = [*folder.glob("*.cubin"), *folder.glob("*.fatbin")]
    notes = [*folder.glob("*_metadata.json"), *folder.glob("*.wrapper.json")]
    wanted = [library, *notes, *kernels]
    package_pt2(str(package), aoti_files={"model": [str(path) for path in wanted]})


if __name__ == "__main__":
    _run(json.loads(Path(sys.argv[1]).read_text()))
