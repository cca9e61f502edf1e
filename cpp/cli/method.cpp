#include "method.h"

#include <torchship/error.h>

namespace torchship::cli {

const MethodInfo& chosen_method(const ModelInfo& info, const std::string& name) {
  const std::string& wanted = name.empty() ? info.default_method : name;
  if (const MethodInfo* method = info.find(wanted)) {
    return *method;
  }
  std::string names;
  for (const MethodInfo& method : info.methods) {
    names += (names.empty() ? "" : ", ") + method.name;
  }
  throw SignatureError(info.path.string() + (name.empty() ? ": has no default method"
                                                          : ": has no method '" + name + "'"),
                       "choose one with --method: " + names);
}

}  // namespace torchship::cli
