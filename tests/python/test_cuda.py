"""The three doors on a CUDA device; tests/cpp/model_test.cpp has the C++ one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torchship
from support import EXAMPLE, cli_json
from torchship.compiling.target import architecture_of

pytestmark = pytest.mark.cuda


def test_binding(archives):
    on_cpu = torchship.load(archives["linear"])(EXAMPLE)
    model = torchship.load(archives["linear"], device="cuda")
    assert model.device == "cuda:0"
    from_cpu, from_cuda = model(EXAMPLE), model(EXAMPLE.cuda())
    assert (from_cpu.device.type, from_cuda.device.type) == ("cpu", "cuda")
    torch.testing.assert_close(from_cpu, on_cpu)
    torch.testing.assert_close(from_cuda.cpu(), from_cpu, rtol=0, atol=0)


def test_executable(archives):
    call = ("run", archives["linear"], "-i", "input=[[1.2,3,0.1]]", "--device")
    on_cpu, on_cuda = (torch.tensor(cli_json(*call, device)["data"]) for device in ("cpu", "cuda"))
    torch.testing.assert_close(on_cuda, on_cpu)


def test_a_device_that_is_not_there(archives):
    with pytest.raises(torchship.DeviceError, match="this process sees"):
        torchship.load(archives["linear"], device=f"cuda:{torch.cuda.device_count()}")


def test_results_that_stay_are_in_order_with_the_current_stream(archives):
    model = torchship.load(archives["linear"], device="cuda")
    expected = model(EXAMPLE.cuda()).clone()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        late = EXAMPLE.cuda()
        torch.cuda._sleep(20_000_000)  # what the model is given comes late
        late = late + 1 - 1
        result = model(late) * 2
    side.synchronize()
    torch.testing.assert_close(result, expected * 2)


def test_pinned_inputs_may_be_written_to_after_the_call(archives):
    model = torchship.load(archives["linear"], device="cuda")
    expected = model(EXAMPLE)
    pinned = EXAMPLE.pin_memory()
    for _ in range(50):
        result = model(pinned)
        pinned.fill_(1000)
        torch.testing.assert_close(result, expected, rtol=0, atol=0)
        pinned.copy_(EXAMPLE)


@pytest.mark.parametrize("options", [{"own_streams": True}, {"cuda_graphs": True},
                                     {"own_streams": True, "cuda_graphs": True}])  # fmt: skip
def test_streams_and_graphs_give_the_same(archives, options):
    plain = torchship.load(archives["linear"], device="cuda")
    model = torchship.load(archives["linear"], device="cuda", **options)

    def calls(seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(20):
            x = torch.randn(EXAMPLE.shape, generator=generator)
            torch.testing.assert_close(model(x), plain(x))
            torch.testing.assert_close(model(x.cuda()), plain(x.cuda()))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(calls, range(4)))


def test_a_graph_is_told_of(archives):
    model = torchship.load(archives["linear"], device="cuda", cuda_graphs=True)
    for _ in range(4):
        model(EXAMPLE)
    (note,) = [n for n in model.graph("optimized", inputs=[EXAMPLE]).notes if "device graph" in n]
    assert note == "calls like this one are one launch of a device graph"


@pytest.mark.slow
def test_an_engine_for_the_gpu(archives, tmp_path):
    compiled = tmp_path / "compiled.pt"
    done = torchship.compile(
        archives["linear"], compiled, device="cuda", trials=("plain",), keep_slower=True
    )
    assert done.engines == [f"forward-{architecture_of('cuda')}"]
    model = torchship.load(compiled, device="cuda", engine="compiled")
    torch.testing.assert_close(model(EXAMPLE), torchship.load(archives["linear"])(EXAMPLE))
    assert torchship.check(compiled, device="cuda", engine="compiled")
    on_cpu = torchship.load(compiled)
    assert on_cpu.engine.name == "planned"
    assert "it is for cuda" in on_cpu.engine.passed_over[0].reason
