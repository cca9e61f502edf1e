#pragma once

#include <functional>

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/util/FunctionRef.h>
#include <torchship/value.h>

namespace torchship {

/// How a tensor gets to where it is computed with.
using Take = c10::function_ref<at::Tensor(const at::Tensor&)>;

/// A value as LibTorch's interpreter takes it; `value` was checked against the type's spec before.
/// Each tensor passes through `take`. Containers are copied, so that a model that changes its list in
/// place changes its own. Throws SignatureError for an object of another class.
c10::IValue to_ivalue(const Value& value, const c10::TypePtr& type, Take take);

/// A result of the interpreter as a value; each tensor passes through `finish`.
Value to_value(const c10::IValue& result,
               const std::function<at::Tensor(const at::Tensor&)>& finish);

}  // namespace torchship
