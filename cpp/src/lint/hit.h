#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>

#include "lint/subject.h"

namespace torchship {

/// A finding, and where else it holds.
struct Hit {
  Finding finding;
  std::vector<std::string> places;
  std::string group;  ///< Hits of one group and with the same words and line are one finding.
};

Finding make_finding(std::string code, std::string severity, std::string message, std::string hint,
                     std::string place = {});

/// A finding about a node of a scope.
Hit hit(const Subject& subject, const Scope& scope, const torch::jit::Node& node, Finding finding);

/// A finding about the file or one of its parts.
Hit hit(Finding finding);

/// One finding for those alike, which says how many there are. Keeps the order.
std::vector<Finding> merge(std::vector<Hit> hits);

/// "encoder.___torch_mangle_3.Layer" without the number that tells copies of a class apart.
std::string plain_class(std::string name);

}  // namespace torchship
