#include <charconv>
#include <set>

#include <caffe2/serialize/versions.h>
#include <torch/csrc/jit/operator_upgraders/utils.h>
#include <torch/csrc/jit/operator_upgraders/version_map.h>

#include "archive/pickle.h"
#include "libtorch_version.h"
#include "lint/rules.h"

namespace torchship {
namespace {

namespace jit = torch::jit;

/// Major and minor version of "2.13.0+cpu"; nothing where the text is none.
std::optional<std::pair<int, int>> version_of(const std::string& text) {
  std::pair<int, int> version;
  const char* const end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, version.first);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, version.second).ec != std::errc()) return std::nullopt;
  return version;
}

/// Operators whose meaning has changed since the file was written.
std::set<std::string> upgraded_operators(const ScriptSubject& subject) {
  std::set<std::string> upgraded;
  const auto version = static_cast<std::size_t>(subject.info.format_version);
  for (const CompiledUnit& unit : subject.code.units()) {
    if (!subject.uses(unit.source.name)) continue;
    for (const std::string& name : unit.source.operators) {
      for (const auto& [overload, entries] : jit::get_operator_version_map()) {
        if (overload.starts_with(name + ".") &&
            !jit::isOpCurrentBasedOnUpgraderEntries(entries, version)) {
          upgraded.insert(name);
        }
      }
    }
  }
  return upgraded;
}

}  // namespace

std::vector<Hit> find_version_skew(const ScriptSubject& subject) {
  const char* const place = "version";
  const auto newest = static_cast<std::int64_t>(caffe2::serialize::kMaxSupportedFileFormatVersion);
  if (subject.info.format_version > newest) {
    return {hit(make_finding(
        "version-skew", "error",
        "the file has version " + std::to_string(subject.info.format_version) +
            " of the file format, and this LibTorch reads up to " + std::to_string(newest),
        "use the torch that wrote it, or a newer one", place))};
  }
  std::vector<Hit> hits;
  const auto writer = version_of(subject.info.producer.torch);
  if (writer && *writer > version_of(running_libtorch()).value_or(*writer)) {
    hits.push_back(hit(make_finding("version-skew", "warning",
                                    "torch " + subject.info.producer.torch +
                                        " wrote the file, and this is " + running_libtorch() +
                                        ": operators may be missing or mean something else",
                                    "run it with the torch that wrote it, or a newer one", place)));
  }
  std::string names;
  for (const std::string& name : upgraded_operators(subject)) {
    names += (names.empty() ? "" : ", ") + name;
  }
  if (!names.empty()) {
    hits.push_back(hit(make_finding(
        "version-skew", "note",
        "operators have changed since the file was written, and what they did then is put in their "
        "place: " + names,
        "save the model again with a current torch", place)));
  }
  return hits;
}

std::vector<Hit> find_example_inputs(const ScriptSubject& subject) {
  const std::string record = "traced_inputs.pkl";
  if (subject.file.find(record) == nullptr) return {};
  const Pickle pickle(subject.file.read(record), subject.file.place(record));
  std::uint64_t bytes = 0;
  for (const std::string& name : subject.file.names()) {
    if (name.starts_with("traced_inputs/")) bytes += subject.file.find(name)->size;
  }
  if (bytes == 0) return {};  // Nobody's data: an empty list, or numbers.
  return {hit(make_finding(
      "example-inputs", "warning",
      "the file holds the tensors that the model was traced with, " + std::to_string(bytes) +
          " bytes: who gets the model gets them too",
      "save with torchship.save, which leaves them out, or trace with made-up inputs", record))};
}

}  // namespace torchship
