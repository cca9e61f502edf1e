#include "doctor.h"

#include <iostream>

#include "ink.h"

namespace torchship::cli {

bool run_doctor(bool json) {
  const Diagnosis found = diagnose();
  if (json) {
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    std::cout << to_json(found).dump(2, ' ', /*ensure_ascii=*/true, kReplace) << '\n';
  } else {
    std::cout << describe_diagnosis(found, wants_colour("auto"));
  }
  return found.passed();
}

}  // namespace torchship::cli
