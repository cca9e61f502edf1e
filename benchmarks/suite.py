"""The models that the runtimes are compared on: `python benchmarks/suite.py [FOLDER]`.

Writes for each case `NAME.pt` (torchship.trace), `NAME.onnx` (torch.onnx) and
`NAME.inputs.safetensors`: the inputs, and the outputs of the eager model. Nothing is trained;
weights come from fixed seeds. What is there already, and newer than the scripts, stays. With
`--compile` the archives get compiled engines for one thread besides, which takes minutes each.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import networks
import torch
import torchship
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from safetensors.torch import save_file
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[1] / "models"))

import toy_mlp  # noqa: E402

FOLDER = Path("build/suite")
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]

    def inputs(self) -> tuple[Tensor, ...]:
        return (torch.randn(self.shape, generator=torch.Generator().manual_seed(1)),)

    def module(self) -> nn.Module:
        """The same weights each time, in eval mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.build().eval()
        return module.requires_grad_(False)


CASES = [
    Case("one_operator", nn.ReLU, (1,)),
    Case("seed_mlp_1", toy_mlp.build, (1, 3)),
    Case("seed_mlp_1024", toy_mlp.build, (1024, 3)),
    Case("pointwise", networks.Pointwise, (1024, 1024)),
    Case("mlp_8", networks.mlp, (8, 512)),
    Case("lstm", networks.Lstm, (1, 50, 64)),
    Case("mobilenet_v3", networks.MobileNetV3, (1, 3, 224, 224)),
    Case("resnet18", networks.ResNet18, (1, 3, 224, 224)),
    Case("transformer_64", networks.transformer, (1, 64, 384)),
    Case("transformer_256", networks.transformer, (1, 256, 384)),
]


def chosen(names: list[str] | None) -> list[Case]:
    """The cases of these names, or all of them. Raises ValueError for a name that is none."""
    known = {case.name: case for case in CASES}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"there is no case {unknown[0]!r}; the cases are: {', '.join(known)}")
    return [known[name] for name in names or known]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's and the tracer's advice."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def denormals(tensor: Tensor) -> int:
    if not tensor.is_floating_point():
        return 0
    return int(((tensor != 0) & (tensor.abs() < SMALLEST_NORMAL)).sum())


def require_normal(case: Case, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Denormal numbers are many times slower, and runtimes differ in what they do with them."""
    found: dict[str, int] = {}

    def look(name: str, *tensors: Tensor) -> None:
        found[name] = found.get(name, 0) + sum(map(denormals, tensors))

    def look_at_output(part: nn.Module, _, output: Tensor | tuple) -> None:
        if isinstance(output, Tensor):
            look(type(part).__name__, output)

    look("the weights", *module.state_dict().values())
    hooks = [part.register_forward_hook(look_at_output) for part in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    slow = [f"{count} in {name}" for name, count in found.items() if count]
    if slow:
        raise ValueError(f"case {case.name} meets denormal numbers: {', '.join(slow)}")


def write_inputs(case: Case, path: Path) -> None:
    module, inputs = case.module(), case.inputs()
    with torch.inference_mode():
        require_normal(case, module, inputs)
        result = module(*inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    tensors = {f"input.{i}": tensor for i, tensor in enumerate(inputs)}
    tensors |= {f"output.{i}": tensor.contiguous() for i, tensor in enumerate(outputs)}
    save_file(tensors, path)


def write_archive(case: Case, path: Path) -> None:
    with quiet():
        torchship.trace(case.module(), case.inputs(), dynamic={}).save(path)


def write_onnx(case: Case, path: Path) -> None:
    with quiet():
        program = torch.onnx.export(case.module(), case.inputs(), dynamo=True, verbose=False)
    program.save(path, external_data=False)


WRITERS = {"pt": write_archive, "onnx": write_onnx}


def writers_of(formats: list[str], console: Console) -> dict[str, Callable[[Case, Path], None]]:
    writers = {".inputs.safetensors": write_inputs}
    writers |= {f".{name}": WRITERS[name] for name in formats}
    missing = [name for name in ("onnx", "onnxscript") if not find_spec(name)]
    if ".onnx" in writers and missing:
        del writers[".onnx"]
        console.print(f"no .onnx files: pip install {' '.join(missing)}")
    return writers


def build(folder: Path, cases: list[Case], formats: list[str], console: Console) -> None:
    """Writes what is missing or older than its source."""
    folder.mkdir(parents=True, exist_ok=True)
    writers = writers_of(formats, console)
    sources = (__file__, networks.__file__, toy_mlp.__file__)
    changed = max(Path(source).stat().st_mtime for source in sources)
    columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(cases) * len(writers))
        for case in cases:
            for ending, write in writers.items():
                path = folder / f"{case.name}{ending}"
                progress.update(task, description=str(path.name))
                if not path.exists() or path.stat().st_mtime < changed:
                    partial = path.with_name(f"partial.{path.name}")
                    write(case, partial)
                    partial.replace(path)
                progress.advance(task)
        progress.update(task, description=f"{len(cases)} cases in {folder}")


def compile_engines(folder: Path, cases: list[Case], threads: int, console: Console) -> None:
    """Adds engines to the archives that have none for that many threads."""
    for case in cases:
        path = folder / f"{case.name}.pt"
        made = {engine.target["threads"] for engine in torchship.info(path).engines}
        if str(threads) in made:
            continue
        console.print(f"{case.name}: compiling")
        try:
            # Also where `planned` is faster: they are here to be compared.
            done = torchship.compile(
                path, threads=threads, keep_slower=True, progress=console.print
            )
        except torchship.Error as error:
            console.print(f"{case.name}: {error.message}")
            continue
        for engine in done.trials["forward"]:
            ratio = "" if engine.ratio is None else f"{engine.ratio:.3f} of {engine.target.beside}"
            console.print(f"{case.name}: {engine.settings.name}: {ratio or engine.problem}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--formats", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--compile", action="store_true", help="add compiled engines")
    options = parser.parse_args()
    try:
        cases = chosen(options.cases)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    console = Console()
    build(options.folder, cases, options.formats, console)
    if options.compile:
        compile_engines(options.folder, cases, threads=1, console=console)


if __name__ == "__main__":
    main()
