#pragma once

#include <string>

namespace torchship {

/// Refuses source positions, the pickles beside the code, that LibTorch would follow out of its
/// memory when it words an error. Throws ArchiveError that begins with `place`.
void guard_source_ranges(const std::string& pickle, const std::string& place);

}  // namespace torchship
