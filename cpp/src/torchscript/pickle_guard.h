#pragma once

#include <string>

#include "archive/pickle.h"
#include "torchscript/torchscript_file.h"

namespace torchship {

/// Refuses a pickle that LibTorch, which trusts what it reads, would follow out of its memory:
/// tensors that reach beyond their storages, storages that their records do not fill, functions
/// other than those that rebuild values, structures that hold themselves.
///
/// `name` is the pickle's record, "data.pkl"; the storages lie in the folder of that name. Throws
/// ArchiveError.
void guard_pickle(const TorchScriptFile& file, const std::string& name);

/// Looks at nothing but the functions and classes that a pickle names; for those that LibTorch does
/// not read.
void guard_pickled_names(const TorchScriptFile& file, const std::string& name);

}  // namespace torchship
