"""What compiled code is made for: a level of x86-64, this very CPU, or this machine's GPU."""

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from torchship.errors import DeviceError, EngineError

# https://gitlab.com/x86-psABIs/x86-64-ABI: what each level adds, as Linux calls it.
LEVELS = {
    "x86-64-v2": ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"),
    "x86-64-v3": ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}
NATIVE = "native"
CHOICES = (*LEVELS, NATIVE)

# Bits of the vectors that the compiler may use; 1 for none of its own.
_VECTORS = {"x86-64-v2": 1, "x86-64-v3": 256, "x86-64-v4": 512}


@dataclass(frozen=True)
class Target:
    """`isa` is one of CHOICES, or on a GPU as its maker calls it: "sm_90"."""

    isa: str
    threads: int
    device: str = "cpu"  # or "cuda", "cuda:1"

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"

    @property
    def name(self) -> str:
        """As it stands in the names of engines."""
        return f"{self.isa}-{self.threads}t" if self.on_cpu else self.isa

    @property
    def beside(self) -> str:
        """The engine that runs where there is no compiled one: what compiled ones must beat."""
        return "planned" if self.on_cpu else "interpreter"

    def describe(self) -> dict[str, str]:
        """As the manifest has it."""
        if not self.on_cpu:
            return {
                "device": "cuda",
                "arch": platform.machine(),
                "cuda_arch": self.isa.removeprefix("sm_"),
                "torch": torch.__version__.partition("+")[0],
            }
        native = {"features": " ".join(sorted(_features()))} if self.isa == NATIVE else {}
        return {
            "device": "cpu",
            "arch": platform.machine(),
            "isa": self.isa,
            "torch": torch.__version__.partition("+")[0],
            "threads": str(self.threads),
            **native,
        }

    def runs_here(self) -> bool:
        return not self.on_cpu or self.isa == NATIVE or level_offered(self.isa)


def require_x86_64() -> None:
    if platform.machine() != "x86_64":
        raise EngineError(
            f"compiled engines are made for x86-64, and this is {platform.machine()}",
            "the interpreter runs the archive here",
        )


def architecture_of(device: str) -> str:
    """The architecture of a GPU that is here: "sm_90"."""
    if device.partition(":")[0] != "cuda":
        raise DeviceError(f"engines are compiled for cpu, cuda and cuda:N, not for {device!r}")
    if not torch.cuda.is_available():
        why = "has no CUDA support" if torch.version.cuda is None else "sees no CUDA device"
        raise DeviceError(
            f"device {device!r}: PyTorch {torch.__version__} {why} here",
            "code for a GPU is made and measured on one: compile on a machine that has one",
        )
    major, minor = torch.cuda.get_device_capability(device)
    return f"sm_{major}{minor}"


def level_offered(level: str) -> bool:
    """Whether code for `level` runs on this CPU."""
    here = _features()
    wanted = [each for name in LEVELS if name <= level for each in LEVELS[name]]
    return here.issuperset(wanted)


def this_level() -> str:
    """The highest level that this CPU offers."""
    offered = [level for level in LEVELS if level_offered(level)]
    if not offered:
        raise EngineError("this CPU is older than x86-64-v2, for which nothing is compiled")
    return offered[-1]


def _features() -> set[str]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return set(line.partition(":")[2].split())
    return set()


@contextlib.contextmanager
def compiling_for(target: Target) -> Iterator[dict[str, Any]]:
    """The compiler's settings for a target; meanwhile it takes that target for this machine."""
    from torch._inductor import config, cpu_vec_isa

    if not target.on_cpu:
        # One file: the loader finds the GPU's code in the library.
        yield {"aot_inductor.embed_kernel_binary": True}
        return
    # Code for one thread has no other; code for more takes as many as its caller has.
    settings: dict[str, Any] = {
        "cpp.threads": target.threads,
        "cpp.dynamic_threads": target.threads > 1,
    }
    if target.isa == NATIVE:
        yield settings
        return
    vectors = {256: cpu_vec_isa.VecAVX2, 512: cpu_vec_isa.VecAVX512}
    bits = _VECTORS[target.isa]
    usable = [vectors[bits]()] if bits in vectors else []
    settings |= {"cpp.simdlen": bits, "cpp.vec_isa_ok": True}
    if hasattr(config.cpp, "march"):  # since PyTorch 2.13
        settings["cpp.march"] = target.isa
    # The compiler would look at this machine's CPU, and add what no level has.
    with (
        mock.patch.object(cpu_vec_isa, "valid_vec_isa_list", lambda: usable),
        mock.patch.object(torch.cpu, "_is_avx512_bf16_supported", lambda: False),
    ):
        yield settings
