"""Kernels on a CUDA device."""

import pytest
import torch
import torchship

pytestmark = pytest.mark.cuda


def chain(a, b, c, d):
    return torch.relu(a * b + c) @ d


def test_three_of_the_articles_four_operators_are_one_kernel(tmp_path):
    examples = [torch.rand(64, 64) for _ in range(4)]
    torchship.trace(chain, examples).save(tmp_path / "chain.pt")
    model = torchship.load(tmp_path / "chain.pt", device="cuda")
    inputs = [example.cuda() for example in examples]
    for _ in range(3):
        torch.testing.assert_close(model(*inputs), chain(*inputs))
    graph = model.graph(inputs=inputs, profile=True)
    ran = [node for node in graph.body.nodes if node.kind != "constant"]
    assert [node.operator_name for node in ran] == ["prim::TensorExprGroup", "aten::matmul"]
    members = [node.operator_name for node in ran[0].blocks[0].nodes if node.kind == "operator"]
    assert members == ["aten::mul", "aten::add", "aten::relu"]
    assert all(node.microseconds > 0 for node in ran)
    wide = [torch.rand(16, 16, device="cuda") for _ in range(4)]
    torch.testing.assert_close(model(*wide), chain(*wide))
