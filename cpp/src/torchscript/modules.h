#pragma once

#include <string>

#include <torchship/info.h>

#include "archive/pickle.h"
#include "torchscript/code.h"

namespace torchship {

/// The class of an object in a pickle: "__torch__.Net".
std::string class_name_of(const Pickle& pickle, const Pickle::Node& object);

/// Walks the module tree of data.pkl, which `place` names, and fills in info.modules,
/// info.parameters and info.buffers. Throws ArchiveError.
void describe_modules(const Pickle& pickle, Code& code, const std::string& place, ModelInfo& info);

}  // namespace torchship
