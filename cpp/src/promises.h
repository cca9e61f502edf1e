#pragma once

#include <string>

#include <torchship/info.h>

#include "signature.h"

namespace torchship {

/// Checks what bind_inputs() accepted against what the manifest promises of the method: dtypes,
/// sizes, sizes that must agree across inputs, members of containers, constants. What the manifest
/// says nothing of is not checked. Throws SignatureError; allocates nothing where all is well.
void require_promises(const std::string& model, const MethodInfo& method,
                      const BoundInputs& inputs);

}  // namespace torchship
