#include <iterator>

#include "lint/rules.h"

namespace torchship {
namespace {

constexpr auto kRules = {
    find_train_mode,       find_random,         find_state_changes,    find_baked_devices,
    find_baked_sizes,      find_double_precision, find_unused_inputs,  find_number_results,
    find_unused_parameters, find_large_constants, find_duplicate_weights,
};

}  // namespace

std::vector<Hit> find_in_any_format(const Subject& subject) {
  std::vector<Hit> hits;
  for (const auto rule : kRules) {
    std::vector<Hit> found = rule(subject);
    hits.insert(hits.end(), std::move_iterator(found.begin()), std::move_iterator(found.end()));
  }
  return hits;
}

}  // namespace torchship
