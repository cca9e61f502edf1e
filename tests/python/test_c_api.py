"""The C API from C, from Python without torch, and from Rust: the bits of torchship.load()."""

import json
import re
import sys
from pathlib import Path

import numpy
import pytest
import torch
import torchship
from c_programs import C99, HEADER, LIBRARY, ROOT, SOURCES, package_flags, run, run_ok
from handmade import add_manifest, manifest
from support import cli_json, legacy
from test_manifest import LINEAR, SAMPLE, TENSORS
from torchship import _core, cli

INSTALLED = package_flags(cli.PKG_CONFIG_DIR, "torchship")
TORCH_HEADERS = Path(torch.__file__).parent / "include"


def compiled(source: Path, folder: Path) -> Path:
    program = folder / source.stem
    run_ok(*C99, source, *INSTALLED, "-o", program)
    return program


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """What the examples call: three numbers in, one out, rows of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    path = tmp_path_factory.mktemp("c_api") / "model.pt"
    legacy(torchship.trace, model.eval(), torch.ones(2, 3)).save(path)
    return path


@pytest.fixture(scope="module")
def answers(archive) -> list[numpy.float32]:
    """What torchship.load() makes of the rows that the examples call it with."""
    model = torchship.load(archive)
    rows = [torch.ones(1, 3), torch.tensor([[2.0, 1.0, 1.0]])]
    return [model(row).numpy()[0, 0] for row in rows]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[str, list[object]]:
    """The command that starts each of the examples."""
    folder = tmp_path_factory.mktemp("programs")
    link = ["-C", "link-args=" + " ".join(f for f in INSTALLED if f.startswith("-Wl"))]
    search = ["-L", f"native={LIBRARY.parent}"]
    rust = folder / "run_rust"
    run_ok("rustc", "--edition", "2018", SOURCES / "run.rs", *search, *link, "-o", rust)
    return {
        "c": [compiled(SOURCES / "run.c", folder)],
        "python": [sys.executable, SOURCES / "run.py", LIBRARY],
        "rust": [rust],
    }


EXAMPLES = pytest.mark.parametrize("program", ["c", "python", "rust"])
WRONG_CALLS = {
    "c": "'input': expected Tensor, got str 'three'",
    "python": "takes 1 input, got 2",
    "rust": "'input': expected float32[batch, 3], got float32[3, 1]",
}


@EXAMPLES
def test_examples_give_the_same_bits(program, programs, archive, answers):
    done = run(*programs[program], archive)
    assert done.returncode == 0, done.stderr
    # Nine digits, or the fewest that tell a float32 apart, are all of its bits.
    assert [numpy.float32(line) for line in done.stdout.split()] == answers
    assert WRONG_CALLS[program] in done.stderr


@EXAMPLES
def test_absent_archive_is_a_message(program, programs, tmp_path):
    absent = tmp_path / "absent.pt"
    done = run(*programs[program], absent)
    assert done.returncode == 1
    assert f"{absent}: no such file" in done.stderr


def test_nothing_is_copied(tmp_path):
    identity = tmp_path / "identity.pt"
    legacy(torch.jit.save, legacy(torch.jit.script, torch.nn.Identity()), str(identity))
    assert run_ok(sys.executable, SOURCES / "no_copy.py", LIBRARY, identity) == "no copies\n"


class Named(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.linear(x)
        return {"rows": y, "sums": y.sum(1)}


@pytest.fixture(scope="module")
def describe(tmp_path_factory) -> Path:
    return compiled(SOURCES / "describe.c", tmp_path_factory.mktemp("describe"))


def documents(text: str) -> list[dict]:
    """The JSON objects among the lines."""
    return [json.loads(found) for found in re.findall(r"^\{\n.*?^\}$", text, re.M | re.S)]


def test_c_program_describes_an_archive(describe, tmp_path):
    path = tmp_path / "named.pt"
    legacy(torchship.trace, Named().eval(), torch.ones(2, 3)).save(path)
    said = run_ok(describe, path)
    version, method, *_ = said.splitlines()
    assert version == (
        f"torchship {torchship.__version__}, LibTorch {_core.torch_version}, interface 1; 1 methods"
    )
    assert method == f"forward is {torchship.info(path).methods[0]}"
    batch = "batch(1..-1, 1)"
    assert f"input 'x' kind 1 Tensor float32: {batch} 3\n" in said
    assert f"  member 'rows' kind 1 Tensor float32: {batch} 2\n" in said
    assert f"  member 'sums' kind 1 Tensor float32: {batch}\n" in said
    assert re.search(r"^planned on cpu: .+; 0 passed over$", said, re.M)
    assert "check passed\nsample 0 passed \n" in said
    info, check = documents(said)
    assert info == cli_json("info", path)
    (engine,) = cli_json("check", path, "--engine", "planned")["engines"]
    for report in (check, engine):
        outputs = [output for sample in report["samples"] for output in sample["outputs"]]
        for output in outputs:
            # A model as small as this may go to the interpreter: its last bits are others.
                assert output.pop("absolute") < 1e-5 and output.pop("relative") < 1e-4
                assert output.pop("normwise") < 1e-5
    assert {"engine": "planned", **check} == engine


def test_c_program_tells_of_a_failing_check(describe, archives, tmp_path):
    path = add_manifest(
        archives["linear"],
        tmp_path / "wrong.pt",
        manifest(LINEAR, samples=[SAMPLE]),
        {**TENSORS, "0.out": torch.full((2, 2), 3.5)},
    )
    done = run(describe, path)
    assert done.returncode == 1
    assert "check failed\nsample 0 failed output 'output': absolute error 1\n" in done.stdout


def test_header_is_c99_and_fits_any_dlpack_header(tmp_path):
    headers = ["<torchship/c_api.h>", "<ATen/dlpack.h>"]
    use = "int main(void) { DLManagedTensor* t = ts_value_to_dlpack(NULL); return t != NULL; }\n"
    for name, includes, body in [
        ("alone", headers[:1], "int main(void) { return 0; }\n"),
        ("before", headers, use),
        ("after", headers[::-1], use),
    ]:
        source = tmp_path / f"{name}.c"
        source.write_text("".join(f"#include {header}\n" for header in includes) + body)
        run_ok(*C99, source, "-isystem", TORCH_HEADERS, *INSTALLED, "-o", tmp_path / name)
        run_ok(tmp_path / name)
    assert not re.search(r"#include (?!<std(bool|def|int)\.h>)", HEADER.read_text())


def exported() -> list[str]:
    lines = run_ok("nm", "-D", "--defined-only", "--demangle", LIBRARY).splitlines()
    # Local ones (t) are in the table where a library that was linked has the same name.
    return [line.split(" ", 2)[2] for line in lines if line.split(" ", 2)[1] != "t"]


def test_library_exports_its_own_names_only():
    declared = set(re.findall(r"^TS_EXPORT [^(]*?(\w+)\(", HEADER.read_text(), re.M))
    assert {name for name in exported() if name.startswith("ts_")} == declared
    own = r"(typeinfo for |typeinfo name for |vtable for )?torchship::"
    others = [name for name in exported() if name not in declared and not re.match(own, name)]
    assert others == []


def test_library_exports_what_its_headers_promise():
    """A name in each header, so that the script that hides the rest hides none of them."""
    names = "\n".join(exported())
    for promised in (
        "torchship::Model::Model(",
        "torchship::read_info(",
        "torchship::lint(",
        "torchship::write_tensors(",
        "torchship::to_string[abi:cxx11](torchship::CheckReport const&)",
        "typeinfo for torchship::ArchiveError",
        "vtable for torchship::SignatureError",
    ):
        assert promised in names, promised


def fenced(text: str) -> dict[str, str]:
    """The blocks of a page that say which file they are."""
    return dict(re.findall(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", text, re.M | re.S))


def test_page_shows_the_files():
    shown = fenced((ROOT / "docs" / "c-api.md").read_text())
    assert set(shown) == {"tests/c_api/run.c", "tests/c_api/CMakeLists.txt"}
    for name, block in shown.items():
        assert block == (ROOT / name).read_text()
