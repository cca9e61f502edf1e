"""What compiled code is made for: a level of the x86-64 architecture, or this very CPU."""

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from torchship.errors import EngineError

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
    """`isa` is one of CHOICES."""

    isa: str
    threads: int

    def describe(self) -> dict[str, str]:
        """As the manifest has it."""
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
        return self.isa == NATIVE or level_offered(self.isa)


def require_x86_64() -> None:
    if platform.machine() != "x86_64":
        raise EngineError(
            f"compiled engines are made for x86-64, and this is {platform.machine()}",
            "the interpreter runs the archive here",
        )


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
    from torch._inductor import cpu_vec_isa

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
    settings |= {"cpp.march": target.isa, "cpp.simdlen": bits, "cpp.vec_isa_ok": True}
    # The compiler would look at this machine's CPU, and add what no level has.
    with (
        mock.patch.object(cpu_vec_isa, "valid_vec_isa_list", lambda: usable),
        mock.patch.object(torch.cpu, "_is_avx512_bf16_supported", lambda: False),
    ):
        yield settings
