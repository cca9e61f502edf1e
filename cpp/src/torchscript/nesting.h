#pragma once

#include <string>

namespace torchship {

/// Refuses code whose nesting LibTorch's parser and compiler, which are recursive, would follow until
/// the stack ends: brackets, blocks, and chains of operators far beyond those of printed programs.
/// Throws ArchiveError that begins with `place`.
void refuse_deep_nesting(const std::string& code, const std::string& place);

}  // namespace torchship
