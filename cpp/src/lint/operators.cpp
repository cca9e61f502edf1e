#include <map>

#include "lint/libraries.h"
#include "lint/rules.h"

namespace torchship {
namespace {

/// All uses of one missing operator.
struct Missing {
  MissingUse first;
  std::string class_name;
  std::size_t calls = 0;
  std::vector<std::string> lines;  ///< "net.py:12", each once.
  bool used = false;
};

std::string line_of(const MissingUse& use) {
  const UserLine line = find_user_line(use.place);
  if (line.file.empty()) return {};
  return line.file.substr(line.file.find_last_of("/\\") + 1) + ":" + std::to_string(line.line);
}

void add_use(const MissingUse& use, Missing& missing) {
  constexpr std::size_t kMostLines = 5;
  missing.calls += 1;
  const std::string line = missing.lines.size() <= kMostLines ? line_of(use) : std::string();
  for (const std::string& known : missing.lines) {
    if (known == line) return;
  }
  if (!line.empty()) missing.lines.push_back(line);
}

std::string hint_for(const std::string& name) {
  const std::string library = library_of(name);
  if (name.starts_with("aten::")) {
    return "the file needs another version of LibTorch than this one";
  }
  const std::string origin = library.empty() ? "a library of the model's maker" : library;
  return "it comes from " + origin +
         "; load the library's shared object: --op-library FILE, or operator_libraries in "
         "LoadOptions";
}

std::string message_for(const Missing& missing) {
  const bool once = missing.calls == 1;
  std::string message =
      "the " + std::string(missing.first.is_class ? "class " : "operator ") + missing.first.name +
      " is missing in this process, so that the model cannot be loaded: it is " +
      (missing.first.is_class ? "named " : "called ") +
      (once ? "once" : std::to_string(missing.calls) + " times");
  constexpr std::size_t kMostLines = 5;
  for (std::size_t i = 0; i < missing.lines.size() && i < kMostLines; ++i) {
    message += (i == 0 ? ", at " : ", ") + missing.lines[i];
  }
  return message + (missing.lines.size() > kMostLines ? " and more" : "");
}

}  // namespace

std::vector<Hit> find_missing_operators(const ScriptSubject& subject) {
  std::map<std::string, std::size_t> known;
  std::vector<Missing> all;
  for (const CompiledUnit& unit : subject.code.units()) {
    for (const MissingUse& use : unit.source.missing) {
      const auto [slot, is_new] = known.try_emplace(use.name, all.size());
      if (is_new) {
        all.push_back({.first = use, .class_name = unit.source.name, .calls = 0, .lines = {}});
      }
      add_use(use, all[slot->second]);
      all[slot->second].used = all[slot->second].used || subject.uses(unit.source.name);
    }
  }
  std::vector<Hit> hits;
  for (const Missing& missing : all) {
    Finding finding = make_finding("missing-operator", missing.used ? "error" : "note",
                                   message_for(missing), hint_for(missing.first.name));
    UserLine line = find_user_line(missing.first.place);
    finding.file = std::move(line.file);
    finding.line = line.line;
    finding.source = std::move(line.text);
    const std::vector<std::string> places = subject.places(missing.class_name);
    finding.place = places.empty() || places.front().empty() ? missing.first.name : places.front();
    hits.push_back(hit(std::move(finding)));
  }
  return hits;
}

std::vector<Hit> find_uncompilable(const ScriptSubject& subject) {
  std::vector<Hit> hits;
  for (const CompiledUnit& unit : subject.code.units()) {
    if (unit.error.empty() || !unit.is_cause || !unit.source.missing.empty()) continue;
    const bool used = subject.uses(unit.source.name);
    const std::vector<std::string> places = subject.places(unit.source.name);
    hits.push_back(hit(make_finding(
        "uncompilable", used ? "error" : "note",
        "LibTorch cannot compile " + plain_class(unit.source.name) + ": " + unit.error,
        used ? "save the model again with the torch that made it"
             : "nothing: no part of the model uses it",
        places.empty() || places.front().empty() ? unit.source.name : places.front())));
  }
  return hits;
}

}  // namespace torchship
