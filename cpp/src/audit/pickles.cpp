#include <torchship/error.h>

#include "archive/pickle.h"
#include "archive/text.h"
#include "audit/audit.h"
#include "audit/operator_names.h"
#include "torchscript/pickle_guard.h"

namespace torchship {
namespace {

constexpr std::string_view kNative = "__torch__.torch.classes.";

void audit_pickle(const TorchScriptFile& file, const std::string& name, AuditReport& report) {
  try {
    // The tensors of the example inputs are not where LibTorch would look for them.
    const auto guard = name == "traced_inputs.pkl" ? guard_pickled_names : guard_pickle;
    guard(file, name);
  } catch (const ArchiveError& error) {
    std::string message = error.message();
    const std::string place = file.place(name) + ": ";
    if (message.starts_with(place)) message.erase(0, place.size());
    report.error("audit-pickle", name, message,
                 "do not use it: pickles of TorchScript hold values alone");
    report.forbid_reading();
    return;
  }
  const Pickle pickle(file.read(name), file.place(name));
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    const Pickle::Node& node = pickle[i];
    if (node.type != Pickle::Type::global || !node.text.starts_with(kNative)) continue;
    if (!is_trusted_class(std::string_view(node.text).substr(kNative.size()))) {
      report.error("audit-class", name,
                   "it holds an object of the native class " + quote(node.text) +
                       ", whose own code is run to fill it",
                   kNativeClassHint);
      return;
    }
  }
}

}  // namespace

void audit_pickles(const TorchScriptFile& file, AuditReport& report) {
  for (const char* name : {"constants.pkl", "data.pkl", "traced_inputs.pkl"}) {
    if (file.find(name) != nullptr) audit_pickle(file, name, report);
  }
}

}  // namespace torchship
