#pragma once

#include <ATen/core/jit_type.h>
#include <torchship/info.h>

namespace torchship {

/// A TorchScript type as the kind of value it takes.
ValueSpec spec_of(const c10::TypePtr& type, std::string name);

/// The other way round: the type of values that a spec describes. Members of a list or a dict that
/// differ are of type Any; a named tuple's class is the spec's type.
c10::TypePtr type_of(const ValueSpec& spec);

}  // namespace torchship
