"""Branches and loops: followed where the way is known, else made one operator.

What depends on the values of tensors becomes torch.cond or torch.while_loop, and a check that ends
in an exception an assertion. Everything else is what ran: branches chosen, loops unrolled.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

from torchship.compiling.bridge.code import Block, Step
from torchship.compiling.bridge.lifting import Operands, as_tensors, from_tensors, lower
from torchship.compiling.bridge.operators import Truth, tensors_of
from torchship.compiling.bridge.prims import Raised
from torchship.compiling.bridge.problems import BranchError, BridgeError, refused
from torchship.compiling.bridge.special import truth_tensor

if TYPE_CHECKING:
    from torchship.compiling.bridge.interpreter import Environment, Interpreter

_MOST_ROUNDS = 20_000
_NO_LIMIT = 2**62
_HINT = (
    "make both ways give tensors of the same dtype and shape and change nothing else, or leave "
    "this method to the interpreter"
)


def branch(interpreter: "Interpreter", step: Step, environment: "Environment") -> list[Any]:
    """The results of prim::If."""
    condition = environment[step.inputs[0]]
    yes, no = step.blocks
    way = _known(condition)
    if way is not None:
        return interpreter.block(yes if way else no, environment)
    if yes.raises or no.raises:
        return _asserted(interpreter, step, condition, environment)
    try:
        return _one_operator(interpreter, step, condition, environment)
    except (BranchError, BridgeError) as error:
        if isinstance(condition, torch.SymBool) and _is_backed(condition):
            # The sizes of the example decide, and only sizes that go the same way are allowed.
            return interpreter.block(yes if bool(condition) else no, environment)
        if isinstance(error, BridgeError):
            raise
        why = f"which way it goes depends on the values of tensors, and it {error}"
        raise refused(step.node, why, _HINT) from error


def _known(condition: Any) -> bool | None:
    if isinstance(condition, torch.SymBool):
        if statically_known_true(condition):
            return True
        return False if statically_known_true(torch.sym_not(condition)) else None
    return None if isinstance(condition, Truth) else bool(condition)


def _is_backed(condition: torch.SymBool) -> bool:
    return condition.node.has_hint()


def _asserted(
    interpreter: "Interpreter", step: Step, condition: Any, environment: "Environment"
) -> list[Any]:
    yes, no = step.blocks
    raising, other = (yes, no) if yes.raises else (no, yes)
    try:
        interpreter.block(raising, dict(environment))
        message = "a check of the model failed"
    except Raised as raised:
        message = str(raised)
    except (BranchError, BridgeError):
        message = "a check of the model failed, and what it says could not be made"
    holds = condition if other is yes else _negated(condition)
    if isinstance(holds, torch.SymBool) and not interpreter.assumed:
        torch._check(holds, lambda: message)
    else:
        must = truth_tensor(holds)
        for each in interpreter.assumed:
            must = torch.logical_or(must, torch.logical_not(each))
        torch.ops.aten._assert_async.msg(must, message)
    return interpreter.block(other, environment)


def _negated(condition: Any) -> Any:
    if isinstance(condition, Truth):
        return Truth(torch.logical_not(condition.value))
    return torch.sym_not(condition)


def _one_operator(
    interpreter: "Interpreter", step: Step, condition: Any, environment: "Environment"
) -> list[Any]:
    yes, no = step.blocks
    results = {
        name: environment[one]
        for name, one, other in zip(step.outputs, yes.outputs, no.outputs, strict=True)
        if _is_same(environment, one, other)
    }
    open_outputs = [i for i, name in enumerate(step.outputs) if name not in results]
    if not open_outputs:
        _both(interpreter, step, condition, environment)
        return [results[name] for name in step.outputs]
    operands = Operands()
    outer = {n: operands.lift(environment[n]) for n in {**_set(yes.free), **_set(no.free)}}
    structures: dict[Block, Any] = {}

    def run(block: Block, *values: Any) -> tuple[Tensor, ...]:
        with interpreter.inside(values) as inner:
            environment = {name: inner.fixed(lower(each, values)) for name, each in outer.items()}
            given = inner.block(block, environment)
            tensors: list[Tensor] = []
            structures[block] = as_tensors([given[i] for i in open_outputs], tensors)
        if any(each != structures[block] for each in structures.values()):
            raise BranchError("gives results of different kinds on its two ways")
        return tuple(tensors)

    predicate = condition.value if isinstance(condition, Truth) else condition
    made = _call(
        torch.ops.higher_order.cond,
        predicate,
        lambda *values: run(yes, *values),
        lambda *values: run(no, *values),
        tuple(operands.values),
    )
    values = from_tensors(structures[yes], made)
    results.update(zip((step.outputs[i] for i in open_outputs), values, strict=True))
    return [results[name] for name in step.outputs]


def _set(names: list[str]) -> dict[str, None]:
    return dict.fromkeys(names)


def _is_same(environment: "Environment", one: str, other: str) -> bool:
    """Whether two names stand for one value, known outside."""
    if one not in environment or other not in environment:
        return False
    a, b = environment[one], environment[other]
    plain = bool | int | float | str | None
    return a is b or (isinstance(a, plain) and type(a) is type(b) and a == b)


def _both(
    interpreter: "Interpreter", step: Step, condition: Any, environment: "Environment"
) -> None:
    """Both ways in turn, where neither gives anything: for the checks in them."""
    truth = truth_tensor(condition)
    ways = (truth, torch.logical_not(truth))
    for block, assumed in zip(step.blocks, ways, strict=True):
        if block.steps:
            values = tuple(tensors_of([environment[name] for name in block.free]))
            with interpreter.inside(values, assumed) as inner:
                own = {name: inner.fixed(environment[name]) for name in block.free}
                inner.block(block, own)


def _call(operator: Any, *arguments: Any) -> tuple[Tensor, ...]:
    try:
        return tuple(operator(*arguments))
    except (BranchError, BridgeError, Raised):
        raise
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise BranchError(f"is refused by torch: {lines[0] if lines else error!r}") from error


def loop(interpreter: "Interpreter", step: Step, environment: "Environment") -> list[Any]:
    """The results of prim::Loop."""
    trips, condition, *carried = (environment[name] for name in step.inputs)
    block = step.blocks[0]
    if isinstance(trips, torch.SymInt):
        try:
            return _while(interpreter, step, environment, 0, trips, condition, carried)
        except (BranchError, BridgeError) as error:
            if not trips.node.has_hint():
                raise refused(step.node, _loop_problem(error), _HINT) from error
            trips = int(trips)
    for index in range(_MOST_ROUNDS):
        goes_on = _known(condition)
        if goes_on is None:
            return _rest(interpreter, step, environment, index, trips, condition, carried)
        if not goes_on or index >= trips:
            return carried
        environment.update(zip(block.inputs, [index, *carried], strict=True))
        condition, *carried = interpreter.block(block, environment)
    raise refused(step.node, f"it goes on for more than {_MOST_ROUNDS} rounds")


def _rest(
    interpreter: "Interpreter",
    step: Step,
    environment: "Environment",
    index: int,
    trips: int,
    condition: Any,
    carried: list[Any],
) -> list[Any]:
    try:
        return _while(interpreter, step, environment, index, trips, condition, carried)
    except BranchError as error:
        raise refused(step.node, _loop_problem(error), _HINT) from error


def _loop_problem(error: Exception) -> str:
    return f"how often it runs depends on the values of tensors, and it {error}"


def _while(
    interpreter: "Interpreter",
    step: Step,
    environment: "Environment",
    index: int,
    trips: Any,
    condition: Any,
    carried: list[Any],
) -> list[Any]:
    block = step.blocks[0]
    start: list[Tensor] = []
    structure = as_tensors([condition, index, *carried], start)
    operands = Operands()
    outer = {name: operands.lift(environment[name]) for name in block.free}
    limit = operands.lift(trips)

    def goes_on(*values: Any) -> Tensor:
        going, count = values[:2]
        end = lower(limit, values[len(start) :])
        has_none = isinstance(end, int) and end >= _NO_LIMIT
        return going.clone() if has_none else going & (count < end)

    def body(*values: Any) -> tuple[Tensor, ...]:
        own, others = values[: len(start)], values[len(start) :]
        with interpreter.inside(values) as inner:
            _, count, *state = from_tensors(structure, own)
            # That it is below the limit too would be taken to mean that there always is a round.
            torch._check(count >= 0)
            names = {name: inner.fixed(lower(each, others)) for name, each in outer.items()}
            names.update(zip(block.inputs, [count, *inner.fixed(state)], strict=True))
            going, *after = inner.block(block, names)
            tensors: list[Tensor] = []
            if as_tensors([going, count + 1, *after], tensors) != structure:
                raise BranchError("changes the kinds of its variables from round to round")
        return tuple(tensors)

    made = _call(
        torch.ops.higher_order.while_loop, goes_on, body, tuple(start), tuple(operands.values)
    )
    return from_tensors(structure, made)[2:]
