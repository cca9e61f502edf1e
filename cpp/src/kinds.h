#pragma once

#include <torchship/info.h>
#include <torchship/value.h>

#include "place.h"

namespace torchship {

/// Whether TorchScript takes one kind for another without loss of meaning: an int for a float.
bool fits(Kind wanted, Kind given) noexcept;

/// Checks kinds against the TorchScript type, those of nested values included, and that tensors
/// hold data. Throws SignatureError.
void require_kinds(const ValueSpec& spec, const Value& value, const Place& place);

/// The SignatureError "input 'x': expected Tensor, got int 3".
[[noreturn]] void refuse_kind(const ValueSpec& spec, const Value& value, const Place& place);

}  // namespace torchship
