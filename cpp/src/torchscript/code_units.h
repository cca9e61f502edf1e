#pragma once

#include <set>
#include <string>
#include <vector>

#include <torch/csrc/jit/frontend/source_range.h>

#include "torchscript/torchscript_file.h"

namespace torchship {

/// Where code calls an operator, or names a class of an operator library, that this process lacks.
struct MissingUse {
  std::string name;  ///< "torchvision::nms", or "torch.classes.torchaudio.Decoder".
  bool is_class = false;
  torch::jit::SourceRange place;
};

/// A class or a function of an archive's code, as it is written; nothing of it is compiled.
struct CodeUnit {
  std::string name;    ///< "__torch__.net.Net"
  std::string record;  ///< "code/__torch__/net.py"
  bool is_class = false;
  std::set<std::string> operators;  ///< "aten::linear": what it calls by name.
  std::set<std::string> mentions;   ///< "__torch__.net.Part": names of other classes and functions.
  std::vector<MissingUse> missing;
};

/// The source of a record with the positions in the user's own source; null when there is none.
std::shared_ptr<torch::jit::Source> read_source(const TorchScriptFile& file,
                                                const std::string& record);

/// All classes and functions in code/, in the order of the file. `version` is the file format's.
/// The file has passed guard_torchscript(). Throws ArchiveError.
std::vector<CodeUnit> read_code_units(const TorchScriptFile& file, std::uint64_t version);

}  // namespace torchship
