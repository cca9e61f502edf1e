#pragma once

#include <memory>
#include <string>

#include <torch/csrc/jit/frontend/source_range.h>

namespace torchship {

/// Refuses code whose constant texts grow beyond all bounds: LibTorch puts them together while it
/// compiles, so that twenty lines that each double a text fill the memory. Throws ArchiveError that
/// begins with `place`.
void refuse_growing_texts(const std::shared_ptr<torch::jit::Source>& code,
                          const std::string& place);

}  // namespace torchship
