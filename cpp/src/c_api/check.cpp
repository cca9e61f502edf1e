#include <torchship/check.h>

#include "c_api/handles.h"
#include "check.h"
#include "json/json.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

struct ts_check {
  explicit ts_check(CheckReport found)
      : report(std::move(found)), text(to_string(report)), json(to_text(to_json(report))) {
    for (const SampleCheck& sample : report.samples) messages.push_back(failure_of(sample));
  }

  CheckReport report;
  std::string text;
  std::string json;
  std::vector<std::string> messages;
};

ts_check* ts_model_check(const ts_model* model) {
  return guarded_pointer<ts_check>(
      [&] { return new ts_check(given(model, "ts_model_check", "model").model.check()); });
}

void ts_check_free(ts_check* check) { delete check; }

bool ts_check_passed(const ts_check* check) {
  return guarded(false, [&] { return given(check, "ts_check_passed", "check").report.passed(); });
}

const char* ts_check_text(const ts_check* check) {
  return guarded_pointer<const char>(
      [&] { return given(check, "ts_check_text", "check").text.c_str(); });
}

const char* ts_check_json(const ts_check* check) {
  return guarded_pointer<const char>(
      [&] { return given(check, "ts_check_json", "check").json.c_str(); });
}

size_t ts_check_sample_count(const ts_check* check) {
  return guarded(std::size_t{0}, [&] {
    return given(check, "ts_check_sample_count", "check").report.samples.size();
  });
}

bool ts_check_sample_passed(const ts_check* check, size_t index) {
  return guarded(false, [&] {
    constexpr auto kFunction = "ts_check_sample_passed";
    const std::vector<SampleCheck>& samples = given(check, kFunction, "check").report.samples;
    require_index(index, samples.size(), kFunction);
    return samples[index].passed();
  });
}

const char* ts_check_sample_message(const ts_check* check, size_t index) {
  return guarded_pointer<const char>([&] {
    constexpr auto kFunction = "ts_check_sample_message";
    const std::vector<std::string>& messages = given(check, kFunction, "check").messages;
    require_index(index, messages.size(), kFunction);
    return messages[index].c_str();
  });
}
