"""R torch's behaviour with functions and values, row by row, and what torchship does.

docs/r-torch.md is the same as a table; test_r_torch_modules.py has the rows about modules.
"""

import gc
import warnings

import pytest
import torch
import torchship
from r_torch import ONE, THREE, TWO, Nested, Net, relu, same, ship, stock
from support import Point, legacy
from torch import Tensor, nn
from torchship import ArchiveError, EngineError, SignatureError

X = torch.tensor([-1.0, 0.0, 1.0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


# Functions.


def test_trace_function():
    """A traced function is called like the function and gives the same. So in torchship."""
    same(torchship.trace(relu, (X,))(X), relu(X))


def test_single_tensor_example():
    """A single tensor may be the example, without a list around it. So in torchship."""
    same(torchship.trace(relu, X)(X), relu(X))


def test_save_and_load(path):
    """What was saved and loaded again gives the same. So in torchship, and stock torch opens it."""
    same(ship(torchship.trace(relu, (X,)), path)(X), relu(X))
    same(stock(path)(X), relu(X))


def test_graph_of_function():
    """`$graph` prints the recorded operations. So in torchship: `.graph`."""
    text = str(torchship.trace(relu, (X,)).graph)
    assert text.startswith("graph(")
    assert "aten::relu" in text


def test_several_arguments(path):
    """A function of two tensors keeps the order of its arguments. So in torchship."""
    traced = torchship.trace(lambda x, y: [x, x - y], (ONE, TWO))
    same(traced(THREE, TWO), [THREE, ONE])
    same(ship(traced, path)(THREE, TWO), [THREE, ONE])


def test_named_examples():
    """R refuses examples with names. torchship takes them: archives are called by name as well."""
    traced = torchship.trace(lambda x, y: x - y, {"y": ONE, "x": TWO})
    same(traced(THREE, TWO), ONE)
    same(torchship.trace(lambda x, y: x - y, (TWO,), kwargs={"y": ONE})(THREE, TWO), ONE)


def test_named_arguments_in_a_call(path):
    """R ignores the names in a call and goes by position. torchship goes by name, in any order."""
    model = ship(torchship.trace(lambda x, y: x - y, (TWO, ONE)), path)
    same(model(y=ONE, x=THREE), TWO)
    same(model.run({"y": ONE, "x": THREE}), TWO)
    with pytest.raises(SignatureError, match="'z'"):
        model(x=ONE, z=TWO)


def test_other_sizes(path):
    """A trace takes other sizes where its operations do. So in torchship, which has tried them."""
    model = ship(torchship.trace(relu, (X,)), path)
    same(model(torch.arange(-4.0, 4.0)), relu(torch.arange(-4.0, 4.0)))


def test_error_in_the_function():
    """An error of the function itself comes through with its words; the tracer recovers."""

    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("the error abcde")

    with pytest.raises(torchship.TraceError, match="abcde"):
        torchship.trace(broken, (ONE,))
    same(torchship.trace(relu, (X,))(X), relu(X))


@pytest.mark.parametrize("subject", [1, "relu", None])
def test_neither_function_nor_module(subject):
    """Only functions and modules are traced; anything else is refused. So in torchship."""
    with pytest.raises((TypeError, torchship.TraceError), match="function|module|callable"):
        torchship.trace(subject, (ONE,))


def test_module_class():
    """A class of modules, without an instance, is refused with a word about it. So here."""
    with pytest.raises((TypeError, torchship.TraceError), match="class|instance|Net"):
        torchship.trace(Net, (ONE,))


def test_method_outlives_its_owner(path):
    """A method taken from a model works after the model's own name is gone. So in torchship."""
    call = ship(torchship.trace(relu, (X,)), path).call
    gc.collect()
    same(call("forward", X), relu(X))


def test_missing_file(path):
    """jit_load refuses a path where no file is. torchship says so in one line: ArchiveError."""
    with pytest.raises(ArchiveError, match="no such file"):
        torchship.load(path)


# Values.


def test_list_in(path):
    """A list of tensors is one argument. So in torchship, where it is a list and no tuple."""
    traced = torchship.trace(lambda x: torch.stack(x), ([ONE, TWO],))
    expected = torch.stack([TWO, THREE])
    same(traced([TWO, THREE]), expected)
    same(ship(traced, path)([TWO, THREE]), expected)


def test_list_out(path):
    """A list of tensors is returned as one; R needs strict = FALSE for that, torchship nothing."""
    traced = torchship.trace(lambda x: [x, x + 1], (ONE,))
    same(traced(TWO), [TWO, THREE])
    same(ship(traced, path)(TWO), [TWO, THREE])


def test_strict_structure(path):
    """R's `strict` asks whether lists may be recorded, and trusts that their length stays.

    torchship's `strict` is about findings. The length of a list is part of the signature, so that
    another one is refused before the call.
    """
    model = ship(torchship.trace(lambda x: torch.stack(x), ([ONE, TWO],)), path)
    with pytest.raises(SignatureError, match="'x'"):
        model([ONE, TWO, THREE])


def test_named_list_in_and_out(path):
    """Named lists go in and come out with their names in their order. So here, as dicts."""

    def swap(x: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": x["t2"], "x": x["t1"] + 1, "a": x["t1"]}

    traced = torchship.trace(swap, ({"t1": ONE, "t2": TWO},))
    given = {"t1": TWO, "t2": THREE}
    same(traced(given), swap(given))
    same(ship(traced, path)(given), swap(given))


def test_named_list_without_a_name(path):
    """R fails inside the model when a name is missing. torchship refuses before the call."""
    model = ship(torchship.trace(lambda x: x["t1"] + x["t2"], ({"t1": ONE, "t2": TWO},)), path)
    with pytest.raises(SignatureError, match="t2"):
        model({"t1": ONE})


def test_nested_lists(path):
    """R takes lists of lists, and its tracer returns none. torchship takes and returns them."""
    traced = torchship.trace(lambda x: [[x[0][1], x[1][0]], [x[0][0]]], ([[ONE, TWO], [THREE]],))
    given = [[TWO, ONE], [THREE]]
    same(traced(given), [[ONE, THREE], [TWO]])
    same(ship(traced, path)(given), [[ONE, THREE], [TWO]])


def test_list_of_unlike_members(path):
    """R's tracer refuses a list of a tensor and a list. torchship records each member's kind."""
    traced = torchship.trace(lambda x: {"whole": x, "parts": [x + 1, x + 2]}, (ONE,))
    expected = {"whole": ONE, "parts": [TWO, THREE]}
    same(traced(ONE), expected)
    same(ship(traced, path)(ONE), expected)


def test_tuple_in_and_out(path):
    """jit_tuple() marks a list as a tuple; R returns it as a list. In Python it is a tuple."""
    traced = torchship.trace(lambda x: (x[1], x[0]), ((ONE, TWO),))
    same(traced((TWO, THREE)), (THREE, TWO))
    same(ship(traced, path)((TWO, THREE)), (THREE, TWO))


def test_tuple_is_no_list(path):
    """What was traced with a tuple refuses a list. So in torchship, before the call."""
    model = ship(torchship.trace(lambda x: (x[1], x[0]), ((ONE, TWO),)), path)
    with pytest.raises(SignatureError, match="'x'.*list of 2"):
        model([ONE, TWO])


def test_named_tuple_out(path):
    """A named jit_tuple() loses its names on the way out of R's model. torchship keeps them."""
    traced = torchship.trace(lambda x: Point(x, x + 1), (ONE,))
    for result in (traced(ONE), ship(traced, path)(ONE)):
        assert result._fields == ("x", "label")
        same(tuple(result), (ONE, TWO))


def test_named_tuple_in(path):
    """A named tuple is an argument; R's is checked by its kind. torchship takes a plain one too."""
    traced = torchship.trace(lambda p: p.x - p.label, (Point(TWO, ONE),))
    same(traced(Point(THREE, ONE)), TWO)
    model = ship(traced, path)
    same(model(Point(THREE, ONE)), TWO)
    same(model((THREE, ONE)), TWO)


def test_input_of_the_wrong_kind(path):
    """R's models fail when they run on what is no tensor. torchship refuses before the call."""
    model = ship(torchship.trace(relu, (X,)), path)
    for value in ("a", 1.5, [X], {"x": X}, None):
        with pytest.raises(SignatureError, match="'x'"):
            model(value)


def test_example_of_the_wrong_kind():
    """jit_trace fails on text where the function needs a tensor. So does torchship.trace."""
    with pytest.raises(torchship.TraceError, match="not str"):
        torchship.trace(relu, ("a",))


@pytest.mark.parametrize("result", [1, "a", None, [], object()], ids=lambda each: type(each).__name__)
def test_result_is_no_tensor(result):
    """A function that returns a number or text alone is refused with a word about tensors."""
    with pytest.raises(TypeError, match="tensor"):
        torchship.trace(lambda x: result, (ONE,))


def test_number_beside_a_tensor(path):
    """R refuses a number in the result. torchship keeps it beside the tensors: it is constant."""
    traced = torchship.trace(lambda x: (x, 3, "label"), (ONE,))
    same(traced(TWO), (TWO, 3, "label"))
    same(ship(traced, path)(TWO), (TWO, 3, "label"))


def test_scalar_while_tracing(path):
    """R's tracer takes tensors alone, and fails for a number.

    torchship takes numbers and text, says that they are baked in, and refuses other values later.
    """
    traced = torchship.trace(lambda x, factor: x * factor, (ONE, 2.0))
    model = ship(traced, path)
    same(model(THREE, 2.0), torch.tensor([6.0]))
    with pytest.raises(SignatureError, match="'factor'"):
        model(THREE, 2.5)


def test_null_argument(path):
    """NULL goes in as None, though R has no optional types. torchship traces with None as None."""

    def add(x: Tensor, bias: Tensor | None = None) -> Tensor:
        return x if bias is None else x + bias

    model = ship(torchship.trace(add, (ONE, None)), path)
    same(model(TWO, None), TWO)
    with pytest.raises(SignatureError, match="'bias'"):
        model(TWO, ONE)


# What a trace loses.


def test_lost_branch():
    """R warns in its manual that a branch on data is lost. torchship finds it and refuses."""

    def article(x: Tensor) -> Tensor:
        if torch.sum(x) > 0:
            return x + 1
        return x - 1

    with pytest.raises(torchship.TraceError, match="lost-branch"):
        torchship.trace(article, (ONE,))


def test_loop_over_rows(path):
    """A loop over the rows is unrolled; R fails on another number of rows, in the model.

    torchship finds that at tracing, and the archive that is wanted all the same refuses the call.
    """

    def sums(x: Tensor) -> Tensor:
        return torch.stack([row.sum() for row in torch.unbind(x)])

    traced = torchship.trace(sums, (torch.ones(10, 5, 5),), strict=False)
    assert any(each.code == "baked-size" for each in traced.report.findings)
    model = ship(traced, path)
    same(model(torch.ones(10, 5, 5)), torch.full((10,), 25.0))
    with pytest.raises((SignatureError, EngineError)):
        model(torch.ones(11, 5, 5))


# Functions compiled from text.

SOURCE = """
def fn(x):
    return torch.abs(x)

def scaled(x, by: float = 2.5, labels: List[str] = ["a", "b"]):
    if bool(x.sum() > 0):
        return x * by
    return -x

def choose(x, flag: bool, count: int, factor: float, name: str):
    return (x, flag, count + 1, factor, name)

def maybe(x: Optional[Tensor]):
    return torch.zeros(1) if x is None else x
"""


def test_compile_from_text(path):
    """jit_compile() turns text into functions. torch.jit does that; torchship saves them."""
    unit = torch.jit.CompilationUnit(SOURCE)
    torchship.save(unit.fn, path)
    same(torchship.load(path)(X), torch.abs(X))


def test_compiled_constants(path):
    """Branches of compiled text stay branches. torch drops its defaults, so `by` must be given."""
    torchship.save(torch.jit.CompilationUnit(SOURCE).scaled, path)
    model = torchship.load(path)
    same(model(ONE, 2.5, ["a"]), torch.tensor([2.5]))
    same(model(-ONE, 2.5, ["a"]), ONE)
    with pytest.raises(SignatureError, match="'by'"):
        model(ONE)


def test_compiled_function_outlives_its_unit():
    """A compiled function works after the unit it came from is gone. So with torch.jit's."""
    function = torch.jit.CompilationUnit(SOURCE).fn
    gc.collect()
    same(function(X), torch.abs(X))


def test_compile_error():
    """Text that is no TorchScript is refused with the place. torch.jit's own error says it."""
    with pytest.raises(RuntimeError, match="nosuch"):
        torch.jit.CompilationUnit("def fn(x):\n    return torch.nosuch(x)\n")


def test_scalar_arguments(path):
    """jit_scalar() marks a vector of one as a scalar. Python tells them apart by itself."""
    torchship.save(torch.jit.CompilationUnit(SOURCE).choose, path)
    model = torchship.load(path)
    same(model(ONE, True, 1, 0.5, "a"), (ONE, True, 2, 0.5, "a"))
    with pytest.raises(SignatureError, match="'flag'"):
        model(ONE, 1, 1, 0.5, "a")


def test_optional_argument(path):
    """R's table of types says that Optional is not supported yet. torchship takes None or more."""
    torchship.save(torch.jit.CompilationUnit(SOURCE).maybe, path)
    model = torchship.load(path)
    same(model(None), torch.zeros(1))
    same(model(TWO), TWO)


# What is elsewhere or not offered.


def test_save_something_else(path):
    """jit_save() refuses what is no traced or compiled object. So does torchship.save."""
    for subject in (1, SOURCE, nn.Linear(1, 1)):
        with pytest.raises(TypeError, match="trace"):
            torchship.save(subject, path)
    assert not path.exists()


def test_save_for_mobile(path):
    """jit_save_for_mobile() adds bytecode for the lite interpreter. torchship writes none.

    Such a file is a TorchScript archive as well, and torchship opens it.
    """
    assert not hasattr(torchship, "save_for_mobile")
    inner = legacy(torch.jit.trace, nn.Linear(3, 3).eval(), torch.ones(2, 3))
    traced = legacy(torch.jit.trace, Nested(inner).eval(), torch.ones(2, 3))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lite Interpreter", DeprecationWarning)
        traced._save_for_lite_interpreter(str(path))
    same(torchship.load(path)(torch.ones(1, 3)), traced(torch.ones(1, 3)).detach())


def test_operators_by_name():
    """jit_ops and jit_execute() call any operator by name. torch.ops has that, torchship not."""
    assert not {"ops", "execute"} & set(torchship.__all__)
    same(torch.ops.aten.matmul(torch.ones(1, 1), torch.eye(1)), torch.ones(1, 1))
