#pragma once

#include <ATen/core/jit_type.h>
#include <torchship/info.h>

namespace torchship {

/// A TorchScript type as the kind of value it takes.
ValueSpec spec_of(const c10::TypePtr& type, std::string name);

}  // namespace torchship
