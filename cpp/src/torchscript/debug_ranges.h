#pragma once

#include <memory>
#include <string>

#include <torch/csrc/jit/serialization/source_range_serialization.h>

namespace torchship {

/// The positions in the user's own source that a `.debug_pkl` record gives for the code beside it.
/// Values that lead nowhere are cut to what there is. Throws ArchiveError when it is no pickle.
std::shared_ptr<torch::jit::SourceRangeUnpickler> read_debug_ranges(const std::string& pickle,
                                                                    const std::string& place);

}  // namespace torchship
