"""The operators of TorchScript alone that take or give tensors."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torchship.compiling.bridge.numbers import SYMBOLIC, Number, number
from torchship.compiling.bridge.operators import (
    DTYPE_CODES,
    DTYPES,
    LAYOUT_CODES,
    Truth,
    materialised,
)
from torchship.compiling.bridge.plain import OPERATORS

aten = torch.ops.aten
CPU = torch.device("cpu")


def tensor_of(value: Any) -> Tensor:
    return materialised(value)


def sizes(value: Any) -> list[Any]:
    return [] if isinstance(value, Number) else list(value.shape)


def size(value: Any, dimension: int) -> Any:
    return tensor_of(value).shape[dimension]


def item(value: Any) -> Any:
    if isinstance(value, Number):
        return value.plain()
    tensor = tensor_of(value)
    if tensor.dtype == torch.bool:
        return truth(tensor)
    return tensor.item()


def to_int(value: Any) -> Any:
    result = item(value)
    if isinstance(result, Truth):
        return torch.sym_int(result.value.to(torch.int64).item())
    return torch.sym_int(result)


def to_float(value: Any) -> Any:
    result = item(value)
    return torch.sym_float(result.value.double().item() if isinstance(result, Truth) else result)


def truth(value: Any) -> Any:
    """A bool if it is known, else a tensor that is one."""
    if isinstance(value, Number):
        plain = value.plain()
        return plain if isinstance(plain, bool | torch.SymBool) else plain != 0
    if isinstance(value, Truth):
        return value
    if not torch.compiler.is_exporting():
        return bool(value)
    constant = getattr(value, "constant", None)
    if constant is not None:
        return bool(constant)
    return Truth((value if value.dtype == torch.bool else value != 0).reshape(()))


def truth_tensor(value: Any) -> Tensor:
    """A bool, of whatever kind, as a 0-dimensional tensor."""
    if isinstance(value, Truth):
        return value.value
    plain = torch.sym_ite(value, 1, 0)
    return aten.scalar_tensor.default(plain, dtype=torch.int64, device=CPU) != 0


_LOGICAL = {
    "aten::__and__": torch.logical_and,
    "aten::__or__": torch.logical_or,
    "aten::__xor__": torch.logical_xor,
    "aten::eq": torch.eq,
    "aten::ne": torch.ne,
}


def logical(kind: str, values: list[Any]) -> Any:
    """A plain operator, some of whose values are bools that depend on data."""
    if kind == "aten::__not__":
        return Truth(torch.logical_not(values[0].value))
    if kind in _LOGICAL:
        return Truth(_LOGICAL[kind](*map(truth_tensor, values)))
    if kind in ("aten::Int", "aten::Float"):
        return to_int(values[0]) if kind == "aten::Int" else to_float(values[0])
    return OPERATORS[kind](*values)


def _from_python(data: Any, dtype: torch.dtype | None) -> Any:
    """torch.tensor() of numbers and lists of them, some of which may be symbolic."""
    if isinstance(data, Number | Tensor):
        made = tensor_of(data)
        return made.to(dtype) if dtype else made.clone()
    if isinstance(data, Truth):
        return data.value.to(dtype or torch.bool)
    if isinstance(data, list) and _has_symbols(data):
        parts = [tensor_of(_from_python(each, dtype)) for each in data]
        return torch.stack(parts)
    if isinstance(data, SYMBOLIC):
        made = number(data)
        if isinstance(made, Number) and dtype in (None, torch.int64):
            return made
        # As torch.tensor() has it, floats are of the default dtype.
        own = torch.get_default_dtype() if isinstance(data, torch.SymFloat) else None
        return tensor_of(made).to(dtype or own or tensor_of(made).dtype)
    return torch.tensor(data, dtype=dtype, device=CPU)


def _has_symbols(data: Any) -> bool:
    if isinstance(data, list):
        return any(map(_has_symbols, data))
    return isinstance(data, (*SYMBOLIC, Number, Truth, Tensor))


def _tensor(data: Any, dtype: int | None = None, *_: Any) -> Any:
    return _from_python(data, None if dtype is None else DTYPES[dtype])


def _as_tensor_operator(data: Any, dtype: int | None = None, *_: Any) -> Any:
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(DTYPES[dtype])
    return _tensor(data, dtype)


def _move(value: Any, *rest: Any) -> Any:
    """aten::to of TorchScript's own overloads: a device and a dtype, each perhaps not given."""
    # The dtype comes after the device, where there is one; device and flags change nothing here.
    codes = [each for each in rest if isinstance(each, int) and not isinstance(each, bool)]
    if isinstance(rest[0] if rest else None, Tensor):
        return value.to(rest[0].dtype)
    if not codes:
        return value
    if isinstance(value, Number):
        value = value.tensor()
    return value.to(DTYPES[codes[0]])


def _copy_number(target: Tensor, value: Any) -> Tensor:
    return target.fill_(value)


def to_list(value: Tensor) -> Any:
    value = tensor_of(value)
    if not value.dim():
        return item(value)
    return [to_list(each) for each in value.unbind(0)]


def _dtype(value: Any) -> int:
    return DTYPE_CODES[value.dtype]


def _is_no(_: Any) -> bool:
    return False


SPECIAL: dict[str, Callable[..., Any]] = {
    "aten::Bool": truth,
    "aten::Float": to_float,
    "aten::FloatImplicit": to_float,
    "aten::Int": to_int,
    "aten::IntImplicit": to_int,
    "aten::ScalarImplicit": item,
    "aten::_index_put_impl_": aten._index_put_impl_.default,
    "aten::_list_to_tensor": _tensor,
    "aten::_no_grad_fill_": lambda tensor, value: tensor.fill_(value),
    "aten::_no_grad_normal_": lambda tensor, mean, std, *_: tensor.normal_(mean, std),
    "aten::_no_grad_uniform_": lambda tensor, low, high, *_: tensor.uniform_(low, high),
    "aten::_no_grad_zero_": lambda tensor: tensor.zero_(),
    "aten::_tensor_to_list": to_list,
    "aten::_unsafe_index": aten._unsafe_index.Tensor,
    "aten::_unsafe_index_put": aten._unsafe_index_put.default,
    "aten::as_tensor": _as_tensor_operator,
    "aten::copy_": _copy_number,
    "aten::cpu": lambda value: value,
    "aten::cuda": lambda value: value,
    "aten::dequantize": lambda value: value.dequantize(),
    "aten::element_size": lambda value: value.element_size(),
    "aten::index": aten.index.Tensor,
    "aten::index_put": aten.index_put.default,
    "aten::index_put_": aten.index_put_.default,
    "aten::is_non_overlapping_and_dense": lambda value: aten.is_non_overlapping_and_dense(value),
    "aten::len": lambda value: value.shape[0],
    "aten::mH": lambda value: value.mH,
    "aten::mT": lambda value: value.mT,
    "aten::matrix_H": lambda value: value.mH,
    "aten::numpy_T": lambda value: value.permute(*reversed(range(value.dim()))),
    "aten::size": sizes,
    "aten::split": lambda value, parts, dim=0: list(aten.split_with_sizes(value, parts, dim)),
    "aten::stride": lambda value: list(value.stride()),
    "aten::tensor": _tensor,
    "aten::to": _move,
    "prim::abs": lambda value: value.abs(),
    "prim::data": lambda value: value.detach(),
    "prim::device": lambda _: CPU,
    "prim::dtype": _dtype,
    "prim::grad": lambda _: None,
    "prim::is_cpu": lambda _: True,
    "prim::is_cuda": _is_no,
    "prim::is_ipu": _is_no,
    "prim::is_maia": _is_no,
    "prim::is_meta": _is_no,
    "prim::is_mkldnn": _is_no,
    "prim::is_mps": _is_no,
    "prim::is_mtia": _is_no,
    "prim::is_nested": lambda value: value.is_nested,
    "prim::is_quantized": lambda value: value.is_quantized,
    "prim::is_sparse": lambda value: value.is_sparse,
    "prim::is_sparse_csr": lambda value: value.layout == torch.sparse_csr,
    "prim::is_vulkan": _is_no,
    "prim::is_xla": _is_no,
    "prim::is_xpu": _is_no,
    "prim::itemsize": lambda value: value.element_size(),
    "prim::layout": lambda value: LAYOUT_CODES[value.layout],
    "prim::name": lambda _: None,
    "prim::nbytes": lambda value: value.nbytes,
    "prim::requires_grad": _is_no,
}
"""By name; those whose names plain operators have too are for arguments that are tensors."""

MAKES_TENSORS = frozenset(("aten::_list_to_tensor", "aten::as_tensor", "aten::tensor"))
"""Those whose arguments are none."""

KNOWN_TOO: dict[str, Callable[..., Any]] = {
    "aten::dim": lambda value: value.dim(),
    "aten::is_complex": lambda value: value.dtype.is_complex,
    "aten::is_floating_point": lambda value: value.dtype.is_floating_point,
    "aten::is_nonzero": truth,
    "aten::is_pinned": lambda *_: False,
    "aten::item": item,
    "aten::numel": lambda value: value.numel(),
    "aten::pin_memory": lambda value, *_: value,
    "aten::size": size,
    "aten::stride": lambda value, dimension: tensor_of(value).stride(dimension),
    "aten::sym_size": size,
    "aten::sym_numel": lambda value: value.numel(),
}
"""Operators of ATen whose results are no tensors, which stay symbolic; and of other devices."""

TAKE_NUMBERS = frozenset(
    (
        "aten::Bool", "aten::Float", "aten::FloatImplicit", "aten::Int", "aten::IntImplicit",
        "aten::ScalarImplicit", "aten::_list_to_tensor", "aten::as_tensor", "aten::is_complex",
        "aten::is_floating_point", "aten::is_nonzero", "aten::item", "aten::size", "aten::tensor",
        "aten::to", "prim::device", "prim::dtype",
    )
)  # fmt: skip
"""Those that know what to do with a Number, or with a list that has some."""
