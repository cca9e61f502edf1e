"""Every program of the zoo as TorchScript, run by stock PyTorch."""

import warnings
from pathlib import Path

import pytest
import torch
import torchship
from exported import Variant, variants
from exported.checking import require_same, results
from exported.registry import quiet
from support import legacy

# Why a program has no TorchScript. Its text has no names of overloads: where the values alone do
# not tell which one is meant, there is nothing to write.
OVERLOAD = "cannot say which overload is meant of: "
UNSAYABLE = {
    "convolutions_2d-decomposed": OVERLOAD + "a number taken for a tensor",
    "filled": OVERLOAD + "aten::full",
    "filled-decomposed": OVERLOAD + "aten::full",
    "logic_of_sizes": OVERLOAD + "aten::add",
    "logic_of_sizes-decomposed": OVERLOAD + "aten::add",
    "reinterpretations": OVERLOAD + "aten::view",
    "resized_lines_and_volumes": OVERLOAD + "aten::upsample_linear1d, aten::upsample_nearest1d",
    "sizes_as_numbers": OVERLOAD + "aten::add",
    "sizes_as_numbers-decomposed": OVERLOAD + "aten::add",
    "solvers": OVERLOAD + "aten::linalg_pinv",
    "solvers-decomposed": OVERLOAD + "aten::linalg_pinv",
    # Python cannot give it what it takes, so that nothing could be compared.
    "nested_input": "has values of several kinds, which Python cannot hand to TorchScript",
}

VARIANTS = [pytest.param(each, id=each.name) for each in variants()]


def test_reasons_are_of_the_zoo():
    assert UNSAYABLE.keys() <= {variant.name for variant in variants()}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_stock_torchscript_gives_what_torch_gives(variant: Variant, tmp_path: Path):
    source, target = tmp_path / "model.pt2", tmp_path / "model.pt"
    program = variant.program()
    with quiet():
        torch.export.save(program, source)
        module = program.module()
    if variant.name in UNSAYABLE:
        with pytest.raises(torchship.Error) as caught:
            torchship.convert(source, target)
        assert UNSAYABLE[variant.name] in caught.value.message
        assert not target.exists()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what operators say of themselves
        torchship.convert(source, target)
        stock = legacy(torch.jit.load, target)
        calls = zip(variant.case.calls(), variant.case.calls(), strict=True)
        for k, (ours, theirs) in enumerate(calls):
            expected = results(module, theirs)
            # LibTorch's own rewriting of what it loads changes the last bits.
            require_same(results(stock, ours), expected, variant.case.near, f"call {k}")
