"""Tracing a function or module, and putting the trace to the test."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from torchship._listed import listed
from torchship.tracing.arguments import Examples, bind
from torchship.tracing.examine import Examination, dimensions_of, examine, learn
from torchship.tracing.findings import Finding, Report, TraceError, finding, refusal
from torchship.tracing.hazards import Evidence
from torchship.tracing.manifest import Options, contents, golden
from torchship.tracing.options import MODES, check_options, check_road
from torchship.tracing.replay import Pair, one_line
from torchship.tracing.script import (
    Function,
    Method,
    Trace,
    as_module,
    define_mode_methods,
    trace_methods,
)
from torchship.tracing.state import seeded
from torchship.tracing.structure import Structure, UnsupportedValue, flatten, with_names
from torchship.tracing.traced import Traced, default_method

if TYPE_CHECKING:
    from torchship.exporting.traced import TracedProgram

Replays = Sequence[Examples] | Mapping[str, Sequence[Examples]]


def trace(
    fn_or_module: Callable[..., Any],
    examples: Examples = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    methods: Mapping[str, Examples] | None = None,
    dynamic: Mapping[str, Any] | None = None,
    names: Mapping[str, Any] | None = None,
    mode: str = "eval",
    via: str = "trace",
    strict: bool = True,
    allow: str | Iterable[str] = (),
    replay: Replays = (),
    samples: int = 3,
    keep_examples: bool = False,
    record: str = "samples",
    tolerance: Mapping[str, tuple[float, float]] | tuple[float, float] | None = None,
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
) -> "Traced | TracedProgram":
    """Trace a function or module, and prove that the trace computes what the original computes.

    The trace is run beside the eager model on other values (signs flipped, zeros, larger, fresh
    ones) and at other sizes; what it lost or baked in is found with the author's own line. The
    model is put in eval mode meanwhile and is afterwards as it was: mode, buffers, attributes and
    random numbers. Arguments that are no tensors keep the examples' values for ever.

    Args:
        fn_or_module: what to trace. Parts of it that are scripted keep their control flow.
        examples: a tensor, a tuple of positional arguments, or a dict of arguments by name;
            tensors, numbers, strings, None, and lists, tuples, named tuples and dicts of them.
        kwargs: arguments by name, beside positional `examples`.
        methods: examples of more methods by name, ``{"encode": (x,), "decode": (z,)}``. Without
            `examples`, `forward` is not traced.
        dynamic: which sizes vary: ``{"x": {0: "batch", 1: torchship.Dim("time", max=512)}}`` or
            ``{"x": [0]}``; the same name is the same size. A tensor inside a container has a path:
            ``"batch.mask"``. None finds them by trying; ``{}`` fixes every size. A key is about
            every method with such an input; ``"decode.z"`` is about one.
        names: ``{"inputs": [...], "outputs": [...]}``: other names than the signature's, and names
            for the result or the members of a tuple; of every method.
        mode: "eval", "train" for those who mean it, or "both", which writes R torch's pair of
            methods `evalforward` and `trainforward`.
        via: "trace" for a TorchScript archive, or "export" for a program of ``torch.export``
            (.pt2), which keeps both ways of ``torch.cond`` and the rounds of
            ``torch.while_loop``, and refuses other control flow that depends on data. A program
            has one method, `forward`, in eval mode (docs/export.md).
        strict: raise one TraceError with all findings that change results; False writes them into
            the archive instead.
        allow: codes of findings that are no reason to raise.
        replay: more inputs of your own to compare `forward` on, each like `examples`; for other
            methods a dict of such lists by method.
        samples: how many golden samples the archive holds.
        keep_examples: put the examples themselves among the samples.
        record: "samples", or "all" to keep every operator's result for one sample too, so that a
            failing check can name the first operator that departs.
        tolerance: (absolute, relative) of every output, or by output name.
        metadata: notes of your own, strings.
        seed: of everything random here.

    Returns:
        What was traced, to be called, looked at and saved: a Traced, or via "export" a
        TracedProgram.

    Raises:
        TraceError: the trace would not compute what the model computes, or there is none;
            `error.report` has all.
        TypeError: the examples do not fit the signature, or cannot cross a model's boundary.
        ValueError: an option makes no sense.
    """
    own_names = {key: listed(value) for key, value in (names or {}).items()}
    options = Options(samples, keep_examples, record, own_names, tolerance, metadata or {})
    check_options(mode, options)
    check_road(via, fn_or_module, methods, mode, record)
    if isinstance(fn_or_module, type) or not callable(fn_or_module):
        raise TypeError(
            f"trace() takes a function or a module, not {fn_or_module!r}; make an instance of a "
            "module's class first"
        )
    subject = as_module(fn_or_module)
    given = _methods(subject, fn_or_module, examples, kwargs, methods, mode)
    sizes = [_own_dynamic(method, dynamic) for method in given]
    _check_dynamic(given, dynamic)
    inputs = [_replays(method, replay) for method in given]
    pairs = [_first_call(subject, method, options.names, seed) for method in given]
    calls = [learn(pair) for pair in pairs]
    dimensions = [dimensions_of(pair, own) for pair, own in zip(pairs, sizes, strict=True)]
    report = Report()
    if via == "export":
        # Loads torch's compiler, which takes a second or two.
        from torchship.exporting.evidence import ExportEvidence
        from torchship.exporting.program import export
        from torchship.exporting.traced import TracedProgram

        exported = export(pairs[0], calls[0].functions, dimensions[0], _name_of(fn_or_module))
        traced, kind, dimensions = exported.call, ExportEvidence, [exported.dimensions]
        report.notes.append(exported.note)
        report.add(exported.findings)
    else:
        traced, kind = _trace(subject, pairs, seed), Evidence
        if mode == "both":
            define_mode_methods(traced)
    examinations: list[Examination] = []
    for pair, called, own_sizes, own_inputs in zip(pairs, calls, dimensions, inputs, strict=True):
        pair.trace = traced
        made = examine(pair, called, own_sizes, own_inputs, kind)
        examinations.append(made)
        report.add(made.findings)
        report.add(_without_samples(made, options))
        report.replays += made.replays()
        report.dimensions[pair.method.name] = made.dimensions
    done = [pair.method for pair in pairs]
    content = contents(examinations, default_method([m.name for m in done]), report, options)
    _raise_if(report, strict, frozenset(listed(allow)), _name_of(fn_or_module))
    if via == "export":
        return TracedProgram(traced, done, report, content, keep_examples)
    return Traced(traced, done, report, content, record)


def _trace(subject: nn.Module, pairs: Sequence[Pair], seed: int) -> Trace:
    """The trace that is kept: taken in the open, with nothing listening."""
    if isinstance(subject, torch.jit.ScriptModule):
        return Trace(subject)
    methods = [pair.method for pair in pairs]
    inputs = {m.name: [t.detach().clone() for t in m.arguments.tensors] for m in methods}
    try:
        with torch.no_grad(), seeded(seed), contextlib.ExitStack() as undone:
            for pair in pairs:
                undone.enter_context(pair.undone())
            return trace_methods(subject, methods, inputs)
    except Exception as error:
        raise TraceError(f"the tracer fails: {one_line(error)}", HINT_UNTRACEABLE) from error


HINT_UNTRACEABLE = "put the part that it cannot follow into a function under @torch.jit.script"


def _without_samples(made: Examination, options: Options) -> Iterator[Finding]:
    """Say so when the archive will have nothing to check this method with."""
    is_random = any(each.code in ("random", "train-mode") for each in made.findings)
    if options.samples and not is_random and not golden(made, options):
        message = "no golden sample: the model takes none of the inputs that were made up"
        yield finding("no-samples", "note", message, place=None, method=made.pair.method.name)


def _name_of(subject: Callable[..., Any]) -> str:
    return getattr(subject, "__name__", type(subject).__name__)


def _methods(
    subject: nn.Module,
    original: Callable[..., Any],
    examples: Examples,
    kwargs: Mapping[str, Any] | None,
    methods: Mapping[str, Examples] | None,
    mode: str,
) -> list[Method]:
    """What is to be traced, each method with its arguments and without its output yet."""
    wanted = {name: (given, None) for name, given in (methods or {}).items()}
    if examples is not None or kwargs is not None or not wanted:
        wanted = {"forward": (examples, kwargs), **wanted}
    if isinstance(subject, Function) and set(wanted) != {"forward"}:
        raise TypeError("a function has no other methods: trace a module for that")
    found = []
    for name, (given, named) in wanted.items():
        call = _callable(subject, original, name)
        arguments = bind(_signed(subject, call, name), name, given, named)
        for prefix, training in MODES[mode].items():
            output = Structure("none")  # until it has been called
            found.append(Method(prefix + name, name, call, arguments, output, training))
    return found


def _callable(subject: nn.Module, original: Callable[..., Any], name: str) -> Callable[..., Any]:
    if name == "forward":
        return original
    call = getattr(subject, name, None)
    if not callable(call):
        raise TypeError(f"{type(subject).__name__} has no method {name!r} to trace")
    return call


def _signed(subject: nn.Module, call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What has the signature: a module's is its forward's."""
    return subject.forward if name == "forward" else call


def _first_call(subject: nn.Module, method: Method, names: Mapping[str, Any], seed: int) -> Pair:
    """Run the eager method on its examples, which also tells what it returns."""
    pair = Pair(subject, method, None, seed)
    outcome = pair.eager(pair.examples)
    if outcome.error:
        raise TraceError(
            f"{method.name}: the model itself fails on the examples: {outcome.error}",
            "call it with them in Python first",
        )
    tensors, structure = flatten(outcome.result, f"the result of {method.name}")
    if not tensors:
        raise UnsupportedValue(
            f"the result of {method.name} holds no tensor: a trace records tensor operations "
            "and nothing else"
        )
    if names.get("outputs"):
        structure = with_names(structure, names["outputs"], method.name)
    pair.method = replace(method, output=structure)
    return pair


def _own_dynamic(method: Method, dynamic: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The part of `dynamic` that is about one method: its own inputs, with or without its name."""
    if dynamic is None:
        return None
    names = method.arguments.tensor_names()
    paths = {key: key.removeprefix(f"{method.source}.") for key in dynamic}
    return {path: dynamic[key] for key, path in paths.items() if path in names}


def _check_dynamic(methods: Sequence[Method], dynamic: Mapping[str, Any] | None) -> None:
    """Refuse what is about no method's inputs: it would be left out in silence."""
    names = {method.source: method.arguments.tensor_names() for method in methods}
    known = {name for own in names.values() for name in own}
    known |= {f"{method}.{name}" for method, own in names.items() for name in own}
    for key in dynamic or {}:
        if key not in known:
            raise ValueError(f"dynamic: no input tensor is named {key!r}; there are {names}")


def _replays(method: Method, replay: Replays) -> list[Sequence[Tensor]]:
    """The author's own inputs, as the tensors of the method's arguments."""
    if isinstance(replay, Mapping):
        own = replay.get(method.source, ())
    else:
        own = replay if method.source == "forward" else ()
    found = []
    signed = method.call.forward if isinstance(method.call, nn.Module) else method.call
    for number, given in enumerate(own):
        arguments = bind(signed, f"replay[{number}]", given, None)
        wanted = method.arguments
        if (arguments.names, arguments.structures) != (wanted.names, wanted.structures) or any(
            one.dim() != other.dim()
            for one, other in zip(arguments.tensors, wanted.tensors, strict=True)
        ):
            raise TypeError(
                f"replay[{number}] is not like the examples of {method.source}: the same arguments "
                "and structure, plain values as they are, tensors of as many dimensions"
            )
        found.append(arguments.tensors)
    return found


def _raise_if(report: Report, strict: bool, allow: frozenset[str], name: str) -> None:
    refused = [each for each in report.of("error") if each.code not in allow]
    if strict and refused:
        raise refusal(name, refused, report)
