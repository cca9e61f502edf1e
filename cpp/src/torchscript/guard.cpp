#include "torchscript/guard.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "torchscript/pickle_guard.h"
#include "torchscript/source_range_guard.h"

namespace torchship {
namespace {

/// LibTorch looks records up without regard to case.
std::string lower_case(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return name;
}

}  // namespace

void guard_torchscript(const TorchScriptFile& file) {
  for (const char* pickle : {"constants.pkl", "data.pkl"}) guard_pickle(file, pickle);
  for (const ZipEntry& entry : file.entries()) {
    const std::string name = lower_case(entry.name);
    const std::string place = file.name() + ": " + entry.name;
    if (name.ends_with(".py")) file.read_code(entry);
    if (name.ends_with(".debug_pkl")) guard_source_ranges(file.read(entry), place);
  }
}

}  // namespace torchship
