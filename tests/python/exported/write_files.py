"""Writes the zoo as files: ``cd tests/python && python -m exported.write_files FOLDER``.

For each program NAME.pt2, and for its k-th call NAME.in<k> (a flat list of the arguments) and
NAME.out<k> (of the results that torch gives), which `torch.load` reads. TARGETS.txt counts the
operators of all programs.
"""

import argparse
import collections
import fnmatch
import json
import time
import traceback
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from exported import variants
from exported.registry import Variant, quiet


def write(variant: Variant, folder: Path) -> int:
    """Writes one program, and what each call gives; returns how many calls there are."""
    program = variant.program()
    with quiet():
        torch.export.save(program, folder / f"{variant.name}.pt2")
        module = torch.export.load(folder / f"{variant.name}.pt2").module()
    calls = variant.case.calls()
    for k, call in enumerate(calls):
        given = pytree.tree_leaves((call.args, dict(call.kwargs)))
        torch.save(given, folder / f"{variant.name}.in{k}")
        with torch.no_grad():
            results = pytree.tree_leaves(module(*call.args, **call.kwargs))
        results = [r.clone() if isinstance(r, torch.Tensor) else r for r in results]
        torch.save(results, folder / f"{variant.name}.out{k}")
    return len(calls)


def targets(path: Path) -> collections.Counter:
    """How often each operator is in a program, its subgraphs included."""
    with zipfile.ZipFile(path) as archive:
        [name] = [n for n in archive.namelist() if n.endswith("models/model.json")]
        model = json.loads(archive.read(name))
    found: collections.Counter = collections.Counter()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("target"), str) and "inputs" in part:
                found[part["target"]] += 1
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                look(inner)

    look(model["graph_module"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("patterns", nargs="*", default=["*"])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    failures: list[str] = []
    started = time.monotonic()
    for variant in variants():
        if not any(fnmatch.fnmatch(variant.name, pattern) for pattern in options.patterns):
            continue
        begun = time.monotonic()
        try:
            calls = write(variant, options.folder)
        except Exception as error:
            traceback.print_exc()
            failures.append(f"{variant.name}: {type(error).__name__}: {str(error)[:300]}")
            (options.folder / f"{variant.name}.pt2").unlink(missing_ok=True)
            print(f"{variant.name}: FAILED", flush=True)
            continue
        print(f"{variant.name}: {calls} calls, {time.monotonic() - begun:.2f} s", flush=True)
    total: collections.Counter = collections.Counter()
    for path in sorted(options.folder.glob("*.pt2")):
        total.update(targets(path))
    lines = [f"{count:6} {target}\n" for target, count in sorted(total.items())]
    (options.folder / "TARGETS.txt").write_text("".join(lines))
    print(f"{time.monotonic() - started:.0f} s, {len(failures)} failures")
    print("\n".join(failures))


if __name__ == "__main__":
    main()
