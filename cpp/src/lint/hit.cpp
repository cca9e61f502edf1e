#include "lint/hit.h"

#include <map>
#include <tuple>

#include "graphs/inline.h"

namespace torchship {

std::string plain_class(std::string name) {
  constexpr std::string_view kMangle = "___torch_mangle_";
  for (std::size_t at = name.find(kMangle); at != std::string::npos; at = name.find(kMangle)) {
    const std::size_t end = name.find('.', at);
    name.erase(at, end == std::string::npos ? end : end + 1 - at);
  }
  return name;
}

Finding make_finding(std::string code, std::string severity, std::string message, std::string hint,
                     std::string place) {
  return {.code = std::move(code),
          .severity = std::move(severity),
          .message = std::move(message),
          .hint = std::move(hint),
          .method = {},
          .place = std::move(place),
          .file = {},
          .source = {}};
}

Hit hit(const Subject& subject, const Scope& scope, const torch::jit::Node& node,
        Finding finding) {
  UserLine line = find_user_line(node);
  finding.method = scope.method;
  finding.file = std::move(line.file);
  finding.line = line.line;
  finding.source = std::move(line.text);
  // Of graphs that are inlined already each node knows its module.
  std::string module = module_of(node);
  std::vector<std::string> places = module.empty() ? subject.places(scope.class_name)
                                                   : std::vector{std::move(module)};
  return {.finding = std::move(finding),
          .places = std::move(places),
          .group = plain_class(scope.class_name)};
}

Hit hit(Finding finding) {
  std::vector<std::string> places = {finding.place};
  return {.finding = std::move(finding), .places = std::move(places), .group = {}};
}

namespace {

/// What makes two hits one finding. Where the line is known, copies of a class have it in common;
/// where it is not, each class stands for itself.
using Identity = std::tuple<std::string, std::string, std::string, std::int64_t, std::string>;

Identity identity(const Hit& hit) {
  return {hit.finding.code, hit.finding.message, hit.finding.file, hit.finding.line, hit.group};
}

}  // namespace

std::vector<Finding> merge(std::vector<Hit> hits) {
  std::map<Identity, std::size_t> known;
  std::vector<Hit> merged;
  for (Hit& hit : hits) {
    const auto [slot, is_new] = known.try_emplace(identity(hit), merged.size());
    if (is_new) {
      merged.push_back(std::move(hit));
    } else {
      std::vector<std::string>& places = merged[slot->second].places;
      for (std::string& place : hit.places) {
        if (places.empty() || places.back() != place) places.push_back(std::move(place));
      }
    }
  }
  std::vector<Finding> findings;
  for (Hit& hit : merged) {
    if (hit.finding.place.empty() && !hit.places.empty()) hit.finding.place = hit.places.front();
    if (hit.places.size() > 1) {
      hit.finding.message += "; the same in " + std::to_string(hit.places.size()) + " places";
    }
    findings.push_back(std::move(hit.finding));
  }
  return findings;
}

}  // namespace torchship
