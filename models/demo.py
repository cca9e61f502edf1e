"""The article's example through five doors, on one file: `make demo`.

Trains and traces the toy MLP, asks it for (1, 1, 1) in eager Python, with stock `torch.jit.load`,
through the binding, from a C++ program built against the installed package, and with the executable
in a root file system without Python; then shows the five answers beside each other.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
import torchship
import toy_mlp
from _common import progress
from rich.console import Console
from rich.table import Table
from torchship import _bare_root, cli

CONSUMER = Path(__file__).resolve().parent.parent / "tests" / "cpp" / "consumer"
QUESTION = torch.ones(1, 3)


@dataclass
class Answer:
    door: str
    value: torch.Tensor | None
    note: str

    @property
    def bits(self) -> str:
        return "" if self.value is None else self.value.numpy().tobytes().hex()


def run(command: list[str | Path], **options) -> str:
    """The command's standard output; its standard error is the message when it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build_consumer(folder: Path) -> Path:
    """Builds tests/cpp/consumer with find_package(torchship), as a user would."""
    prefix = cli.CMAKE_DIR.parent.parent.parent
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    run([cmake, "-S", CONSUMER, "-B", folder, f"-Dtorchship_ROOT={prefix}"])
    run([cmake, "--build", folder])
    return folder / "consumer"


def ask_stock(archive: Path) -> torch.Tensor:
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(archive)(QUESTION).clone()


def ask_consumer(archive: Path, work: Path) -> torch.Tensor:
    program = build_consumer(work / "consumer")
    run([program, archive, work / "consumer.npy"])
    return torch.from_numpy(numpy.load(work / "consumer.npy"))


def ask_bare_root(archive: Path, work: Path) -> torch.Tensor | None:
    root = work / "root"
    _bare_root.make_bare_root(root, archive)
    question = ["-i", "input=[[1,1,1]]", "-o", "/answer.npy"]
    done = _bare_root.run_in(root, "/bin/torchship", "run", f"/{archive.name}", *question)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        return None
    return torch.from_numpy(numpy.load(root / "answer.npy"))


def ask_all(model: torch.nn.Module, archive: Path, work: Path, console: Console) -> list[Answer]:
    def eager() -> torch.Tensor:
        with torch.inference_mode():
            return model.eval()(QUESTION).clone()

    doors: list[tuple[str, Callable[[], torch.Tensor | None], str]] = [
        ("eager Python", eager, "the module itself"),
        ("torch.jit.load", lambda: ask_stock(archive), "stock PyTorch opens the archive"),
        ("torchship.load", lambda: torchship.load(archive)(QUESTION), "the Python binding"),
        ("C++ program", lambda: ask_consumer(archive, work), "built with find_package(torchship)"),
        ("executable", lambda: ask_bare_root(archive, work), "in a root without Python (chroot)"),
    ]
    answers = []
    for door, ask, note in doors:
        with console.status(f"asking: {door}"):
            answers.append(Answer(door, ask(), note))
    return answers


def show(answers: list[Answer], console: Console) -> bool:
    """Prints the table; True when all doors answered, and alike."""
    table = Table(title="f(1, 1, 1) through five doors")
    for column in ("door", "answer", "bits", "how"):
        table.add_column(column, no_wrap=True)
    for answer in answers:
        value = "no answer" if answer.value is None else f"{answer.value.item():.7f}"
        table.add_row(answer.door, value, answer.bits, answer.note)
    console.print(table)
    if any(answer.value is None for answer in answers):
        console.print("not every door answered")
        return False
    ours = answers[2:]
    alike = len({answer.bits for answer in ours}) == 1
    near = all(torch.allclose(other.value, ours[0].value, atol=1e-6) for other in answers[:2])
    if alike and near:
        console.print("torchship's three agree to the last bit, and with PyTorch to the sixth")
    else:
        console.print("[bold]the doors disagree[/bold]")
    return alike and near


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="keep the archive here")
    options = parser.parse_args(argv)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="torchship-demo-") as folder:
        work = Path(folder)
        archive = options.out or work / "toy_mlp.pt"
        model = toy_mlp.build()
        with progress("training the toy MLP", toy_mlp.EPOCHS) as report_epoch:
            toy_mlp.train(model, report=report_epoch)
        toy_mlp.export(model, archive)
        return 0 if show(ask_all(model, archive, work, console), console) else 1


if __name__ == "__main__":
    sys.exit(main())
