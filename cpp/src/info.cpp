#include <torchship/info.h>

#include "model_file.h"

namespace torchship {

const MethodInfo* ModelInfo::find(std::string_view method) const noexcept {
  for (const MethodInfo& candidate : methods) {
    if (candidate.name == method) {
      return &candidate;
    }
  }
  return nullptr;
}

std::string to_string(const MethodInfo& method) {
  std::string text = method.name + "(";
  const char* separator = "";
  for (const ValueSpec& input : method.inputs) {
    text += separator + input.name + ": " + input.type + (input.has_default ? " = ..." : "");
    separator = ", ";
  }
  return text + ") -> " + method.output.type;
}

ModelInfo read_info(const Source& archive) { return open_model(archive)->info(); }

}  // namespace torchship
