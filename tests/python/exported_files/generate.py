#!/usr/bin/env python3
"""Write small `torch.export.save` files with whatever torch runs this script.

    python generate.py [DIRECTORY] [MODEL ...]

The format of these files changed with nearly every release of torch, so files written by each
release are kept as fixtures in `torch-<major>.<minor>/`, next to this script.  To renew those of
one release, run the script with a torch of that release.  For every model it writes

- `<model>.pt2`, with `torch.export.save`, and
- `../expected/<model>.pt`, with `torch.save` and readable with `weights_only=True`, unless it is
  there; the outputs of every release have to agree with it:
  `{"cases": [{"args": (...), "kwargs": {...}, "outputs": ...}, ...], "buffers": {...}}`.
  The cases were run one after the other on one instance of the program, so a buffer that the
  model counts in has gone on counting; `buffers` are the mutated buffers after the last case.

`contents.json` names the versions of torch and of the schema, and the models that this release
could not export (`failed`) or wrote but could not read back (`unreadable`), with the error's first
line.
"""

import json
import re
import sys
import warnings
from pathlib import Path

import torch
from small_models import MODELS


def shorten_metadata(program, keep):
    """Drop what graphs say about their source, or, to keep an example, only its folders' names."""
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            trace = node.meta.get("stack_trace")
            if keep and trace:
                frame = trace[trace.rfind('  File "') :]
                node.meta["stack_trace"] = re.sub(r'File ".*/', 'File "', frame)
            elif not keep:
                for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn"):
                    node.meta.pop(key, None)


def same(left, right):
    """Whether two outputs are equal, whatever they are made of."""
    if isinstance(left, torch.Tensor):
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        return torch.allclose(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def plain(value):
    """A copy that later calls cannot change, and whose tensors are no parameters and no views."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


def summary(error):
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def write(make, directory):
    given = make()
    # Two instances: a copy would have its own memory for weights that are views of others.
    model = make()["model"]
    args, kwargs = given["cases"][0]
    program = torch.export.export(
        given["model"], plain(args), plain(kwargs), dynamic_shapes=given["shapes"]
    )
    if given.get("decompose"):
        program = program.run_decompositions()
    name = make.__name__
    shorten_metadata(program, name == "mlp")
    path = directory / f"{name}.pt2"
    torch.export.save(program, str(path), extra_files=given.get("extra_files"))

    # The program as this release reads it back: what its users would have run.
    unread = None
    try:
        loaded = torch.export.load(str(path))
    except Exception as error:
        loaded = program
        unread = summary(error)
    runner = loaded.module()
    cases = []
    with torch.no_grad():
        for args, kwargs in given["cases"]:
            outputs = plain(runner(*plain(args), **plain(kwargs)))
            if not same(outputs, model(*plain(args), **plain(kwargs))):
                raise AssertionError(f"{name}: the exported program and the model differ")
            cases.append({"args": plain(args), "kwargs": plain(kwargs), "outputs": outputs})
    state = dict(runner.named_buffers())
    mutated = loaded.graph_signature.buffers_to_mutate.values()
    # Before decomposition the graph changes buffers in place and the signature does not say so.
    changed = set(mutated) | {
        key
        for key, value in program.state_dict.items()
        if key in state and not torch.equal(value, state[key])
    }
    expected = {"cases": cases, "buffers": {key: plain(state[key]) for key in sorted(changed)}}
    reference = directory.parent / "expected" / f"{name}.pt"
    if not reference.exists():
        reference.parent.mkdir(exist_ok=True)
        torch.save(expected, reference)
    elif not same(expected, torch.load(reference, weights_only=True)):
        raise AssertionError(f"{name}: other outputs than {reference}")
    return path.stat().st_size, unread


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    release = re.match(r"\d+\.\d+", torch.__version__).group()
    here = Path(__file__).resolve().parent
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else here / f"torch-{release}"
    directory.mkdir(parents=True, exist_ok=True)
    chosen = [make for make in MODELS if len(sys.argv) < 3 or make.__name__ in sys.argv[2:]]

    from torch._export.serde.schema import SCHEMA_VERSION

    failed = {}
    unreadable = {}
    for make in chosen:
        try:
            size, unread = write(make, directory)
            print(f"{make.__name__}: {size} bytes", unread or "")
            if unread:
                unreadable[make.__name__] = unread
        except Exception as error:
            print(f"{make.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
            failed[make.__name__] = summary(error)
            for path in directory.glob(f"{make.__name__}.*"):
                path.unlink()
    contents = {
        "torch": torch.__version__,
        "schema_version": list(SCHEMA_VERSION),
        "models": [make.__name__ for make in chosen if make.__name__ not in failed],
        "failed": failed,
        "unreadable": unreadable,
    }
    (directory / "contents.json").write_text(json.dumps(contents, indent=1) + "\n")


if __name__ == "__main__":
    main()
