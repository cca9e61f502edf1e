"""How a model runs: frozen, warm, on how many threads, into whose memory, in which engine."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchship
from support import check_failure, cli, legacy, wrong_answers
from torch import nn


def save(module, example, folder, name="model.pt"):
    path = folder / name
    torchship.trace(module.eval(), example).save(path)
    return path


@pytest.fixture
def mlp(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
    return save(module, torch.rand(2, 3), tmp_path)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 3, groups=4)
        self.last = nn.Linear(16 * 6 * 6, 10)

    def forward(self, x):
        x = torch.relu_(self.norm(self.first(x)))
        y = nn.functional.hardswish(self.second(x))
        return self.last(y.view(y.shape[0], -1)), y


def test_convolutions_agree_and_results_look_as_ever(tmp_path):
    torch.manual_seed(0)
    module = Net()
    module.norm.running_mean.uniform_(-1, 1)
    module.norm.running_var.uniform_(0.5, 2)
    x = torch.rand(1, 3, 8, 8)
    path = save(module, x, tmp_path)
    model = torchship.load(path, engine="interpreter")
    operators = " ".join(node.operator_name for node in model.graph("optimized").body.nodes)
    assert "aten::conv2d" in operators  # The other one is a kernel: hardswish is in it.
    assert "torchship::conv2d" in operators
    assert "aten::batch_norm" not in operators
    logits, features = model(x)
    assert features.is_contiguous()
    with torch.no_grad():
        for got, expected in zip((logits, features), module(x), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert model.check()


def test_without_optimisation_the_bits_are_libtorchs(tmp_path):
    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8)
    path = save(Net(), x, tmp_path)
    model = torchship.load(path, optimize=False)
    with torch.no_grad():
        expected = legacy(torch.jit.load, str(path))(x)
    assert all(torch.equal(got, want) for got, want in zip(model(x), expected, strict=True))
    assert "torchship::" not in str([n.operator_name for n in model.graph("optimized").body.nodes])


def test_inputs_are_never_written(mlp):
    model = torchship.load(mlp)
    x = torch.rand(2, 3)
    before = x.clone()
    first, second = model(x), model(x)
    assert torch.equal(x, before) and torch.equal(first, second)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_a_model_are_its_own(tmp_path, threads):
    class Threads(nn.Module):
        def forward(self, x):
            return x @ x

    model = torchship.load(save(Threads(), torch.rand(256, 256), tmp_path), threads=threads)
    before = torch.get_num_threads()
    x = torch.rand(256, 256)
    torch.testing.assert_close(model(x), x @ x)
    assert torch.get_num_threads() == before


def test_many_callers_from_threads_that_torch_has_never_seen(mlp):
    x = torch.rand(2, 3)
    expected = torchship.load(mlp)(x)
    model = torchship.load(mlp, max_concurrent_calls=2)
    assert wrong_answers(model, x, expected, threads=8, calls=200) == 0


def test_a_failing_call_gives_its_place_back(mlp):
    model = torchship.load(mlp, max_concurrent_calls=1, validate=False)
    for _ in range(3):
        with pytest.raises(torchship.EngineError):
            model(torch.rand(2, 4))
    assert model(torch.rand(2, 3)).shape == (2, 1)


def test_cores(mlp):
    allowed = os.sched_getaffinity(0)
    model = torchship.load(mlp, cores=[min(allowed)])
    model(torch.rand(2, 3))
    assert os.sched_getaffinity(0) == allowed
    with pytest.raises(torchship.EngineError, match="core 1000 cannot be used"):
        torchship.load(mlp, cores=[1000])


def helpers_of(before):
    """The cores that threads may use which were not there before."""
    tasks = {int(name) for name in os.listdir("/proc/self/task")} - before
    return {task: os.sched_getaffinity(task) for task in tasks}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="takes two cores")
def test_cores_hold_for_helpers_that_were_there_before(tmp_path):
    path = save(Net(), torch.rand(1, 3, 8, 8), tmp_path)
    x = torch.rand(1, 3, 8, 8)
    allowed = os.sched_getaffinity(0)
    free = torchship.load(path, threads=2)
    pinned = torchship.load(path, threads=2, cores=[min(allowed)])

    def calls():
        before = {int(name) for name in os.listdir("/proc/self/task")}
        free(x)
        free(x)
        seen = [helpers_of(before)]
        pinned(x)
        seen.append(helpers_of(before))
        free(x)
        return [*seen, helpers_of(before)]

    # A thread of its own has helpers of its own.
    with ThreadPoolExecutor(1) as pool:
        first, while_pinned, after = pool.submit(calls).result()
    assert first and all(cores == allowed for cores in first.values())
    assert any(cores == {min(allowed)} for cores in while_pinned.values())
    assert all(cores == allowed for cores in after.values())


@pytest.mark.parametrize("option", [{"threads": -1}, {"max_concurrent_calls": -1}])
def test_numbers_that_make_no_sense(mlp, option):
    with pytest.raises(torchship.EngineError, match="must be from 1 to"):
        torchship.load(mlp, **option)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("own_streams", "own_streams was asked for on device 'cpu'"),
        ("cuda_graphs", "cuda_graphs was asked for on device 'cpu': there are no such graphs"),
    ],
)
def test_what_is_for_gpus_is_refused_on_the_cpu(mlp, option, message):
    with pytest.raises(torchship.EngineError, match=message):
        torchship.load(mlp, **{option: True})
    flag = "--" + option.replace("_", "-")
    check_failure(cli("run", mlp, flag, "-i", "x=[[1,2,3]]"), 1, message)


def test_warm_up_changes_no_answer(mlp):
    x = torch.rand(2, 3)
    assert torch.equal(torchship.load(mlp, warm_up=True)(x), torchship.load(mlp)(x))


def test_warm_up_does_not_move_a_state(tmp_path):
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count += 1
            return x + self.count

    path = tmp_path / "counter.pt"
    legacy(torch.jit.script, Counter().eval()).save(str(path))
    assert torchship.load(path, warm_up=True)(torch.zeros(1)).item() == 1


def test_results_in_memory_of_the_caller(mlp):
    model = torchship.load(mlp)
    x = torch.rand(2, 3)
    expected = model(x)
    array = np.full((2, 1), np.nan, dtype=np.float32)
    model.call_into("forward", [array], x)
    assert np.array_equal(array, expected.numpy())
    strided = torch.full((2, 2), float("nan"))
    model.call_into("forward", [strided[:, 1:]], x)
    assert torch.equal(strided[:, 1:], expected) and strided[:, 0].isnan().all()


@pytest.mark.parametrize(
    "outputs",
    [[], [torch.zeros(2, 2)], [torch.zeros(2, 1, dtype=torch.float64)], [torch.zeros(2, 1)] * 2],
)
def test_memory_that_does_not_fit_is_left_alone(mlp, outputs):
    before = [output.clone() for output in outputs]
    with pytest.raises(torchship.SignatureError, match="forward"):
        torchship.load(mlp).call_into("forward", outputs, torch.rand(2, 3))
    assert all(torch.equal(a, b) for a, b in zip(outputs, before, strict=True))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.frombuffer(bytes(8), dtype=np.float32).reshape(2, 1), "read-only"),
        (np.zeros((2, 1), dtype=np.float32)[::-1], "negative strides"),
        (torch.zeros(1, 1).expand(2, 1), "one place for several elements"),
        (torch.zeros(2, 1, device="meta"), "dense tensor"),
        (1.5, "not a tensor"),
    ],
)
def test_what_is_no_memory_for_results(mlp, output, message):
    with pytest.raises(torchship.SignatureError, match=message):
        torchship.load(mlp).call_into("forward", [output], torch.rand(2, 3))


def test_views_of_numpy_with_negative_strides(mlp):
    model = torchship.load(mlp)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for view in (x[:, ::-1], x[::-1], x[::-1, ::-1]):
        assert torch.equal(model(view), model(torch.from_numpy(view.copy())))


class Doubled(nn.Module):
    """A result of its own, and a view of the input."""

    def forward(self, x):
        return x * 2, x.t()


@pytest.mark.parametrize("engine", ["interpreter", "planned"])
def test_inputs_may_be_memory_for_results(tmp_path, engine):
    path = save(Doubled(), torch.rand(3, 3), tmp_path)
    x, other = torch.rand(3, 3), torch.zeros(3, 3)
    given = x.clone()
    torchship.load(path, engine=engine).call_into("forward", [x, other], x)
    assert torch.equal(x, given * 2) and torch.equal(other, given.t())


def test_engines_are_chosen_with_a_reason(mlp):
    engine = torchship.load(mlp).engine
    assert engine.name == "planned" and "compiled" in engine.reason
    assert torchship.load(mlp, engine="interpreter").engine.reason == "it was asked for"
    with pytest.raises(torchship.EngineError, match="has no engine 'fast'"):
        torchship.load(mlp, engine="fast")


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_memory_does_not_grow(mlp):
    model = torchship.load(mlp)
    x = torch.rand(2, 3)

    def call(times):
        for _ in range(times):
            model(x)

    call(20_000)
    before = resident()
    call(20_000)
    assert resident() - before < 1 << 20


def test_memory_does_not_grow_with_shapes(mlp):
    model = torchship.load(mlp, validate=False)

    def call():
        for rows in range(1, 1001):
            model(torch.zeros(rows, 3))

    call()
    before = resident()
    call()
    assert resident() - before < 1 << 20


def test_loading_and_unloading_does_not_grow(mlp):
    def load(times):
        for _ in range(times):
            torchship.load(mlp)(torch.rand(2, 3))

    load(60)
    before = resident()
    load(60)
    assert resident() - before < 2 << 20


def test_convolutions_at_sizes_that_alternate(tmp_path):
    """Weights are packed for the sizes they meet, some of them, by several threads at once."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(8, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(32, 16, 1, stride=2)
    ).eval()
    path = tmp_path / "conv.pt"
    torchship.trace(net, torch.randn(1, 8, 16, 16)).save(path)
    model = torchship.load(path, validate=False)
    inputs = [torch.randn(1 + n % 2, 8, 8 + 4 * n, 20) for n in range(6)]
    with torch.no_grad():
        wanted = [net(each) for each in inputs]

    def calls(first: int) -> bool:
        order = [(first + k) % len(inputs) for k in range(24)]
        return all(
            torch.allclose(model(inputs[k]), wanted[k], atol=1e-5, rtol=1e-4) for k in order
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(calls, range(4)))
