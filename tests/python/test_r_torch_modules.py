"""R torch's behaviour with modules, row by row, and what torchship does.

docs/r-torch.md is the same as a table; test_r_torch_parity.py has functions and values.
"""

import ast
import re
from pathlib import Path

import pytest
import torch
import torchship
from r_torch import ONE, THREE, TWO, Coder, Modes, Nested, Net, Parts, Tied, same, ship, stock
from support import Counter, TwoMethods, legacy, r_style
from torch import nn
from torchship import DeviceError, SignatureError

ROWS = torch.ones(4, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


@pytest.fixture
def linear():
    """A layer, traced."""
    return torchship.trace(nn.Linear(3, 2), (ROWS,))


@pytest.fixture
def parts():
    """Three methods of one module, traced."""
    return torchship.trace(Parts(), methods=Parts.METHODS)


@pytest.fixture
def modes():
    """A module that knows its mode, traced in both."""
    return torchship.trace(Modes(), (ONE,), mode="both")


def names(pairs) -> list[str]:
    return [name for name, _ in pairs]


# Tracing modules.


def test_trace_module(path):
    """A traced network gives what the network gives. So in torchship, before and after the file."""
    net, images = Net().eval(), torch.randn(3, 1, 12, 12)
    traced = torchship.trace(net, (torch.randn(5, 1, 12, 12),))
    expected = net(images).detach()
    same(traced(images).detach(), expected)
    same(ship(traced, path)(images), expected)


def test_parameters(linear, path):
    """`$parameters` lists the parameters by name. torchship: of the module; the file has sizes."""
    assert names(linear.module.named_parameters()) == ["weight", "bias"]
    assert [list(each.shape) for each in linear.module.parameters()] == [[2, 3], [2]]
    counted = ship(linear, path).info.parameters
    assert (counted.tensors, counted.elements, counted.bytes) == (2, 8, 32)


def test_buffers(parts, path):
    """`$buffers` lists the buffers by name, those of submodules too. So in torchship."""
    expected = ["buff", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert names(parts.module.named_buffers()) == expected
    parts.save(path)
    assert names(stock(path).named_buffers()) == expected


def test_modules(parts, path):
    """`$modules` lists the module and those inside it. torchship.info reads them from the file."""
    assert names(parts.module.named_modules()) == ["", "linear", "norm"]
    modules = ship(parts, path).info.modules
    assert [module.path for module in modules] == ["", "linear", "norm"]
    assert modules[1].class_name.endswith(".Linear")
    assert [module.parameters.tensors for module in modules] == [1, 2, 2]
    assert [module.buffers.tensors for module in modules] == [1, 0, 3]


def test_saved_parts(parts, path):
    """A saved module has all its parameters, buffers and submodules, used by a method or not."""
    parts.save(path)
    loaded = stock(path)
    assert len(list(loaded.parameters())) == 5
    assert len(list(loaded.buffers())) == 4
    assert len(list(loaded.modules())) == 3


def test_parameters_change_in_place(parts):
    """A change of a traced module's parameter changes what it computes. So in torchship."""
    same(parts(TWO).detach(), torch.tensor([4.0]))
    with torch.no_grad():
        parts.module.par.zero_()
    same(parts(TWO).detach(), torch.zeros(1))


def test_state_dict(linear, path):
    """A script module has a state dict that loads again. torch's own module keeps that."""
    state = linear.module.state_dict()
    assert list(state) == ["weight", "bias"]
    linear.save(path)
    loaded = stock(path)
    loaded.load_state_dict({**state, "bias": torch.ones(2)})
    same(loaded.bias.detach(), torch.ones(2))


def test_loaded_model_is_fixed(linear, path):
    """R's loaded module can be moved, applied to, trained, and given new parameters and buffers.

    torchship's Model is for calling, from any number of threads: none of that exists. Who wants to
    change the module opens the same file with torch.jit.load.
    """
    model = ship(linear, path)
    for name in ("to", "apply", "train", "register_parameter", "register_buffer", "state_dict"):
        assert not hasattr(model, name)
    loaded = stock(path).to(torch.float64).apply(lambda part: part.bias.detach().zero_())
    same(loaded(0 * ROWS.double()).detach(), torch.zeros(4, 2, dtype=torch.float64))


def test_shared_tensors(path):
    """A weight that two layers share is one tensor in the file. So in torchship."""
    tied = Tied().eval()
    traced = torchship.trace(tied, (ROWS,))
    model = ship(traced, path)
    assert model.info.parameters.tensors == 1
    same(model(ROWS), tied(ROWS).detach())
    loaded = stock(path)
    assert loaded.first.weight.data_ptr() == loaded.second.weight.data_ptr()


def test_trace_again(path):
    """One module can be traced twice; names do not clash. So in torchship."""
    layer = nn.Linear(3, 2)
    first, second = (torchship.trace(layer, (ROWS,)) for _ in range(2))
    same(first(ROWS).detach(), layer(ROWS).detach())
    same(ship(second, path)(ROWS), layer(ROWS).detach())


# Methods.


def test_several_methods(parts, path):
    """jit_trace_module() traces methods by name, each with its example. torchship: methods=."""
    model = ship(parts, path)
    assert [method.name for method in model.info.methods] == list(Parts.METHODS)
    assert model.info.default_method == "forward"
    same(model(TWO), torch.tensor([4.0]))
    same(model.call("testing", ROWS), parts.testing(ROWS).detach())


def test_attributes_become_constants(parts, path):
    """Plain attributes, and tensors in lists, become constants of the trace. So in torchship."""
    same(ship(parts, path).call("test_constant", TWO), torch.tensor([5.0]))


def test_module_without_forward(path):
    """A module need not have forward; R then has nothing to call. torchship names the methods."""
    coder = Coder()
    traced = torchship.trace(coder, methods={"encode": (ROWS,), "decode": (torch.ones(4, 2),)})
    model = ship(traced, path)
    same(model.call("encode", ROWS), coder.encode(ROWS).detach())
    same(model.call("decode", torch.ones(1, 2)), coder.decode(torch.ones(1, 2)).detach())
    assert model.info.default_method == ""
    with pytest.raises(SignatureError, match="encode, decode"):
        model(ROWS)


def test_method_that_does_not_exist():
    """Tracing a method that the module lacks is an error that names it. So in torchship."""
    with pytest.raises(TypeError, match="nosuch"):
        torchship.trace(Parts(), methods={"nosuch": (ONE,)})


def test_method_that_was_not_traced(path):
    """Only what was traced can be called later. torchship says which methods there are."""
    traced = torchship.trace(Parts(), (ONE,))
    with pytest.raises(AttributeError, match="'testing'.*forward"):
        traced.testing(ROWS)
    with pytest.raises(SignatureError, match=r"no method 'testing'(.|\n)*forward"):
        ship(traced, path).call("testing", ROWS)


def test_method_of_a_submodule(path):
    """The submodules of a trace cannot be called: an error says so. torchship offers none."""
    model = ship(torchship.trace(Nested(nn.Linear(3, 2)), (ROWS,)), path)
    assert not hasattr(model, "linear")
    with pytest.raises(SignatureError, match=r"no method 'linear"):
        model.call("linear.forward", ROWS)


def test_traced_submodule(path):
    """A traced module can be a part of one that is traced, and stays callable. So here."""
    inner = torchship.trace(nn.Linear(3, 2), (ROWS,)).module
    outer = Nested(inner).eval()
    traced = torchship.trace(outer, (ROWS,))
    same(traced(ROWS).detach(), outer(ROWS).detach())
    same(traced.module.linear(ROWS).detach(), inner(ROWS).detach())
    same(ship(traced, path)(ROWS), outer(ROWS).detach())


# Modes.


def test_two_modes(modes, path):
    """jit_trace() writes evalforward and trainforward and no forward. torchship: mode="both"."""
    model = ship(modes, path)
    methods = {method.name for method in model.info.methods}
    assert {"evalforward", "trainforward"} <= methods
    assert "forward" not in methods
    same(model.call("evalforward", TWO), -TWO)
    same(model.call("trainforward", TWO), TWO)


def test_plain_calls_go_to_evalforward(modes, path):
    """In eval mode R calls evalforward. torchship always does: whoever ships a model evaluates."""
    model = ship(modes, path)
    assert model.info.default_method == "evalforward"
    same(model(TWO), -TWO)


def test_train_and_eval(modes, path):
    """R's train() and eval() choose the method that a call goes to.

    A torchship Model has no mode that another thread could change; trainforward is called by name.
    """
    model = ship(modes, path)
    assert not hasattr(model, "train") and not hasattr(model, "eval")
    same([model(TWO), model.call("trainforward", TWO), model(TWO)], [-TWO, TWO, -TWO])


@pytest.mark.parametrize(("mode", "expected"), [("eval", -TWO), ("train", TWO)])
def test_one_mode(path, mode, expected):
    """respect_mode = FALSE traces one mode into forward, for good. torchship does so by default.

    R takes the mode that the module is in, torchship that of `mode`: eval, unless told otherwise.
    """
    traced = torchship.trace(Modes().train(mode == "eval"), (ONE,), mode=mode)
    same(traced(TWO), expected)
    traced.save(path)
    loaded = stock(path)
    for _ in (loaded.train(), loaded.eval()):
        same(loaded(TWO), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", ["eval", "both"])
def test_mode_is_put_back(training, mode):
    """The module is in the mode it was in after tracing, in all its parts. So in torchship."""
    module = nn.Sequential(Modes(), nn.Sequential(Modes())).train(training)
    torchship.trace(module, (ONE,), mode=mode)
    assert {part.training for part in module.modules()} == {training}


def test_training_attribute(path):
    """`$training` says a loaded module's mode. torchship writes eval, and stock torch reads it."""
    torchship.trace(Parts().train(), (ONE,)).save(path)
    assert {part.training for part in stock(path).modules()} == {False}


def test_dropout_in_training(path):
    """Dropout traced in training drops for ever, even after eval(). torchship traces eval.

    With mode="train" it drops as well, in the loaded model too, and the report says so.
    """
    x = torch.ones(64)
    same(ship(torchship.trace(nn.Dropout(0.5).train(), (x,)), path)(x), x)
    dropping = torchship.trace(nn.Dropout(0.5), (x,), mode="train")
    assert [each.code for each in dropping.report.findings] == ["train-mode"]
    assert not torch.equal(dropping(x), x)


def test_reserved_names(path):
    """R refuses to trace methods that are named evalforward or trainforward.

    torchship takes a module's own: that is how a pair is written by hand.
    """
    methods = {"evalforward": (ROWS,), "trainforward": (ROWS,)}
    module = TwoMethods()
    model = ship(torchship.trace(module, methods=methods), path)
    same(model(ROWS), module.evalforward(ROWS).detach())
    same(model.call("trainforward", ROWS), module.trainforward(ROWS).detach())


def test_r_calls_the_pair(modes, path):
    """R asks a pair for `is_training` before each call, and sets it by `train` and `eval`.

    These are methods inside R's archives; torchship writes them too, or R could not call the file.
    """
    modes.save(path)
    method = stock(path)._c._get_method
    assert method("train")([True]) == method("is_training")() == [True]
    assert method("eval")() == method("is_training")() == [False]


def test_archive_as_r_writes_it(path):
    """R's archive holds both methods, and train, eval, is_training beside them. torchship opens it.

    Plain calls go to evalforward whatever those methods have set.
    """
    module = r_style()
    module.define("def is_training(self) -> List[bool]:\n    return [self.training]\n")
    module.define("def eval(self) -> List[bool]:\n    self.training = False\n    return [False]\n")
    legacy(torch.jit.save, module, str(path))
    model = torchship.load(path)
    same(model(ROWS), module.evalforward(ROWS).detach())
    assert model.call("is_training") == [False]


# State, devices, files, printing.


def test_buffers_that_change(path):
    """A buffer that forward changes goes on changing in the loaded module. So in torchship.

    It says so while tracing; each load has a state of its own.
    """
    traced = torchship.trace(Counter(), (), strict=False)
    assert any(each.code == "state-change" for each in traced.report.findings)
    model = ship(traced, path)
    first = int(model())
    assert [int(model()), int(model())] == [first + 1, first + 2]
    assert int(torchship.load(path)()) == first


def test_load_on_a_device(linear, path):
    """R loads where the file says and moves with $to(). torchship loads to the device asked for."""
    linear.save(path)
    assert torchship.load(path, device="cpu").device == "cpu"
    with pytest.raises(DeviceError, match="banana"):
        torchship.load(path, device="banana")


@pytest.mark.cuda
def test_load_on_cuda(linear, path):
    """A module moved to CUDA computes there. So in torchship; results are where the input was."""
    linear.save(path)
    model = torchship.load(path, device="cuda")
    result = model(ROWS.cuda())
    assert result.is_cuda
    torch.testing.assert_close(result.cpu(), linear(ROWS).detach())


def test_graph_of_module(linear, modes):
    """`$graph` shows what the module does, in its mode where there are two. So in torchship."""
    assert "aten::linear" in str(linear.graph)
    assert "aten::neg" in str(modes.graph)


def test_graph_for(linear):
    """`$graph_for(x)` runs once and shows the optimised graph. So in torchship."""
    assert "aten::linear" in str(linear.graph_for(ROWS))


def test_print(linear, parts, path):
    """R prints a kind of object and its parts. torchship prints the signature and the path."""
    model = ship(linear, path)
    assert str(model.info.methods[0]) == "forward(input: Tensor) -> Tensor"
    assert str(path) in repr(model)
    assert "(norm): BatchNorm1d" in repr(parts.module)


def test_serialize(linear, path, tmp_path):
    """jit_serialize() makes a raw vector that loads again. torchship's is the file's bytes."""
    expected = ship(linear, path)(THREE * ROWS)
    copy = tmp_path / "copy.pt"
    copy.write_bytes(path.read_bytes())
    same(torchship.load(copy)(THREE * ROWS), expected)


def test_gradients(linear, path):
    """requires_grad is kept in R's file. Here too, for stock torch; a Model records no gradient."""
    linear.module.bias.requires_grad_(False)
    model = ship(linear, path)
    loaded = stock(path)
    assert (loaded.weight.requires_grad, loaded.bias.requires_grad) == (True, False)
    assert not model(ROWS).requires_grad


# The table.


def test_table():
    """docs/r-torch.md has a row for every test of both files, and no more."""
    here = Path(__file__).parent
    table = (here.parents[1] / "docs/r-torch.md").read_text()
    rows = re.findall(r"\| `(\w+)` \|$", table, re.MULTILINE)
    tests = [
        node.name.removeprefix("test_")
        for name in ("test_r_torch_parity.py", "test_r_torch_modules.py")
        for node in ast.parse((here / name).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert rows == [name for name in tests if name != "table"]
