"""torchship.load: values in and out, methods, threads, and what loading leaves alone."""

import math
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchship
from support import EXAMPLE, Point, legacy, wait_until
from torch import Tensor

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]


def assert_equal(got, expected) -> None:
    """Check that values and their types are the same all the way down."""
    if isinstance(expected, Tensor):
        assert isinstance(got, Tensor)
        assert got.dtype == expected.dtype
        assert torch.equal(got, expected)
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_equal(got[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert isinstance(got, list) == isinstance(expected, list)
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other)
    else:
        assert type(got) is type(expected)
        assert got == expected


# Values.


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensor_of_every_dtype(model, dtype, shape):
    value = torch.ones(shape, dtype=dtype)
    assert_equal(model("kinds").call("tensor", value), value)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("boolean", True),
        ("boolean", False),
        ("integer", -(2**63)),
        ("integer", 2**63 - 1),
        ("floating", 0.1),
        ("floating", math.inf),
        ("complex_number", 1 - 2j),
        ("text", ""),
        ("text", "né \U0001f600"),
        ("optional", None),
        ("optional", torch.ones(2)),
        ("tensors", []),
        ("tensors", [torch.ones(2), torch.zeros(1, 1)]),
        ("integers", [1, 2, 3]),
        ("texts", ["a", "b"]),
        ("pair", (torch.ones(2), 7)),
        ("named", {}),
        ("named", {"b": torch.ones(2), "a": torch.zeros(3)}),
        ("numbered", {3: 0.5, 1: -1.0}),
        ("nested", [{"a": (torch.ones(1), None)}, {"b": (torch.zeros(2), 4)}]),
    ],
    ids=repr,
)
def test_value_comes_back_as_it_went_in(model, method, value):
    assert_equal(model("kinds").call(method, value), value)
    assert_equal(model("kinds").call(method, value=value), value)


def test_integer_passes_for_float(model):
    assert_equal(model("kinds").call("floating", 3), 3.0)


@pytest.mark.parametrize("give", [Point, lambda x, label: (x, label)])
def test_named_tuple(model, give):
    result = model("kinds").call("point", give(EXAMPLE, "here"))
    assert result._fields == ("x", "label")
    assert torch.equal(result.x, EXAMPLE)
    assert result.label == "here"
    assert isinstance(result, tuple)


def test_dlpack_without_a_copy(model):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    result = model("kinds").call("tensor", array)
    assert result.data_ptr() == array.ctypes.data
    assert result.tolist() == array.tolist()


@pytest.mark.parametrize(
    ("method", "given", "expected"),
    [("integer", np.int32(4), 4), ("floating", np.float64(0.5), 0.5)],
)
def test_numpy_scalars(model, method, given, expected):
    assert_equal(model("kinds").call(method, given), expected)


def test_tensor_is_not_copied(model):
    value = torch.ones(1000)
    assert model("kinds").call("tensor", value).data_ptr() == value.data_ptr()


def test_strides_are_kept(model):
    value = torch.arange(6.0).reshape(2, 3).t()
    result = model("kinds").call("tensor", value)
    assert result.stride() == value.stride()
    assert torch.equal(result, value)


def test_object_goes_back_to_its_model(model):
    boxes = model("boxes")
    assert torch.equal(boxes.call("unpack", boxes.call("pack", EXAMPLE)), 2 * EXAMPLE)


# Arguments and methods.


@pytest.mark.parametrize(
    ("positional", "named", "expected"),
    [
        ((EXAMPLE,), {}, 2 * EXAMPLE),
        ((EXAMPLE, 3.0), {}, 3 * EXAMPLE),
        ((EXAMPLE,), {"scale": 0.5}, 0.5 * EXAMPLE),
        ((), {"bias": torch.ones(3), "x": EXAMPLE}, 2 * EXAMPLE + 1),
        ((EXAMPLE,), {"bias": None}, 2 * EXAMPLE),
    ],
)
def test_arguments_and_defaults(model, positional, named, expected):
    options = model("options")
    for result in (options(*positional, **named), options.call("forward", *positional, **named)):
        assert list(result) == ["scaled", "total"]
        torch.testing.assert_close(result["scaled"], expected)


def test_run_takes_a_dict(model):
    result = model("options").run({"x": EXAMPLE, "scale": 1})
    torch.testing.assert_close(result["scaled"], EXAMPLE)


def test_several_methods(model):
    options = model("options")
    assert [method.name for method in options.info.methods] == ["forward", "lookup"]
    assert options.info.default_method == "forward"
    ids, text = options.call("lookup", torch.tensor([1]), repeat=2, text="ab")
    assert ids.tolist() == [3]
    assert text == "ab2"


def test_r_style_module_without_forward(model, archives):
    stock = legacy(torch.jit.load, str(archives["rstyle"]))
    shipped = model("rstyle")
    assert shipped.info.default_method == "evalforward"
    assert torch.equal(shipped(EXAMPLE), stock.evalforward(EXAMPLE))
    assert torch.equal(shipped.call("trainforward", EXAMPLE), stock.trainforward(EXAMPLE))


def test_path_may_be_text_and_device_named(archives):
    loaded = torchship.load(str(archives["linear"]), device="cpu")
    assert loaded.device == "cpu"
    assert loaded.info.path == archives["linear"]


def test_one_path_or_name_is_a_list_of_itself(archives, tmp_path):
    absent = tmp_path / "absent.so"
    for given in (absent, str(absent)):
        with pytest.raises(torchship.ArchiveError, match="absent.so"):
            torchship.load(archives["linear"], operator_libraries=given)
        with pytest.raises(torchship.ArchiveError, match="absent.so"):
            torchship.convert(archives["linear"], tmp_path / "x.pt2", operator_libraries=given)
    found = torchship.lint(archives["training"])
    code = found[0].code
    left = torchship.lint(archives["training"], ignore=code)
    assert len(left) < len(found) and all(each.code != code for each in left)


def test_one_name_of_a_trace_is_a_list_of_itself(tmp_path):
    def noisy(value):
        return value + torch.rand(3)

    with pytest.raises(torchship.TraceError):
        torchship.trace(noisy, EXAMPLE)
    names = {"inputs": "given", "outputs": "answer"}
    traced = torchship.trace(noisy, EXAMPLE, allow="random", names=names)
    traced.save(tmp_path / "named.pt")
    (method,) = torchship.info(tmp_path / "named.pt").methods
    assert [each.name for each in method.inputs] == ["given"]
    assert method.output.name == "answer"


# Results.


@pytest.mark.parametrize("recording", [False, True])
def test_results_are_ordinary_tensors(model, recording):
    with torch.set_grad_enabled(recording):
        result = model("linear")(EXAMPLE.clone().requires_grad_())
        assert not result.requires_grad
        assert not result.is_inference()
        before = result.clone()
        result.add_(1)
        assert torch.equal(result, before + 1)
        weight = torch.ones(2, requires_grad=True)
        (weight * result.detach()).sum().backward() if recording else None
    assert (weight.grad is not None) == recording


def test_own_weight_is_given_as_a_copy(model):
    owner = model("weight")
    before = owner(EXAMPLE)[2]
    whole, row, _ = owner(EXAMPLE)
    assert not whole.requires_grad
    whole.zero_()
    row.zero_()
    again = owner(EXAMPLE)
    assert again[0].tolist() == torch.ones(2, 3).tolist()
    assert torch.equal(again[2], before)


def test_input_of_another_grad_mode_is_left_alone(model):
    value = EXAMPLE.clone().requires_grad_()
    model("linear")(value)
    assert value.requires_grad
    assert value.grad is None


def test_module_saved_in_training_mode_is_evaluated(model):
    module = model("training")
    x = torch.arange(12.0).reshape(4, 3)
    expected = x / math.sqrt(1 + 1e-5)  # dropout passes through, running mean 0 and variance 1
    for _ in range(3):
        torch.testing.assert_close(module(x), expected)


# Threads.


def test_threads_share_a_model(model):
    linear = model("linear")
    inputs = torch.randn(64, 5, 3)
    expected = [linear(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            results = list(pool.map(linear, inputs))
            assert all(map(torch.equal, results, expected))


def test_calls_of_a_stateful_model_take_turns(model):
    counter = model("counter")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: counter(), range(800)))
    assert sorted(int(result) for result in results) == list(range(1, 801))


def test_state_belongs_to_one_load(model):
    first, second = model("counter"), model("counter")
    assert [int(first()), int(first()), int(second(step=5))] == [1, 2, 5]


def test_other_threads_go_on_during_a_call(model):
    slow = model("slow")
    running, done = threading.Event(), threading.Event()

    def compute() -> None:
        running.set()
        slow(torch.ones(2000), 100_000)
        done.set()

    thread = threading.Thread(target=compute)
    thread.start()
    running.wait()
    steps = 0
    while not done.is_set() and steps < 200:
        steps += 1
        done.wait(0.0005)
    thread.join()
    assert steps == 200, "the call kept the GIL, or was too fast for this test"
    wait_until(done.is_set)


# The file.


def test_file_may_be_deleted_after_loading(archives, tmp_path):
    copy = shutil.copy(archives["linear"], tmp_path / "m.pt")
    loaded = torchship.load(copy)
    expected = loaded(EXAMPLE)
    os.remove(copy)
    assert torch.equal(loaded(EXAMPLE), expected)


def test_file_may_be_replaced_after_loading(archives, tmp_path):
    target = tmp_path / "m.pt"
    shutil.copy(archives["linear"], target)
    loaded = torchship.load(target)
    expected = loaded(EXAMPLE)
    shutil.copy(archives["options"], tmp_path / "new.pt")
    os.replace(tmp_path / "new.pt", target)
    assert torch.equal(loaded(EXAMPLE), expected)
    assert isinstance(torchship.load(target)(EXAMPLE), dict)


def test_file_that_is_not_mapped_may_be_overwritten_in_place(archives, tmp_path):
    target = shutil.copy(archives["linear"], tmp_path / "m.pt")
    loaded = torchship.load(target, map=False)
    expected = loaded(EXAMPLE)
    target.write_bytes(b"\0" * target.stat().st_size)
    assert torch.equal(loaded(EXAMPLE), expected)


# What loading and calling leave alone.


def process_settings() -> tuple:
    profiling = torch._C._jit_set_profiling_mode(True)
    torch._C._jit_set_profiling_mode(profiling)
    executor = torch._C._jit_set_profiling_executor(True)
    torch._C._jit_set_profiling_executor(executor)
    return (
        *(profiling, executor, torch._C._get_graph_executor_optimize()),
        *(torch.get_num_threads(), torch.get_num_interop_threads()),
        *(torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        *(torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()),
    )


@pytest.mark.parametrize("name", ["linear", "training", "weight"])
@pytest.mark.parametrize("recording", [False, True])
def test_settings_and_output_are_left_alone(archives, capfd, name, recording):
    state = torch.get_rng_state()
    with torch.set_grad_enabled(recording):
        before = process_settings()
        torchship.load(archives[name])(EXAMPLE)
        torchship.info(archives[name])
        with pytest.raises(torchship.Error):
            torchship.load(archives[name])()
        assert process_settings() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


# Devices.


@pytest.mark.parametrize("device", ["banana", "", "cpu:1", "cuda:x", "cuda:-1", "cuda:999", "meta"])
def test_unknown_device(archives, device):
    with pytest.raises(torchship.DeviceError, match="unknown device"):
        torchship.load(archives["linear"], device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_where_there_is_none(archives, device):
    with pytest.raises(torchship.DeviceError) as caught:
        torchship.load(archives["linear"], device=device)
    assert "'cuda:" in caught.value.message
    if torch.version.cuda is None:
        assert torch.__version__.split("+")[0] in caught.value.message
        assert "has no CUDA support" in caught.value.message
    else:
        assert "no CUDA device is visible" in caught.value.message
    assert caught.value.hint
