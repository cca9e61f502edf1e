#include "commands.h"

#include <iostream>

#include <ATen/Parallel.h>
#include <torchship/torchship.h>

#include "describe_model.h"
#include "inputs.h"
#include "json.h"
#include "outputs.h"
#include "text.h"
#include "usage_error.h"

namespace torchship::cli {
namespace {

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

/// What a result that is one value is called.
std::string output_name(const MethodInfo& method) {
  return method.output.name.empty() ? "output" : method.output.name;
}

LoadOptions load_options(const std::string& device, bool validate, bool verify,
                         const std::vector<std::string>& operator_libraries) {
  LoadOptions options;
  options.device = parse_device(device);
  options.validate = validate;
  options.verify = verify;
  options.operator_libraries.assign(operator_libraries.begin(), operator_libraries.end());
  return options;
}

}  // namespace

void run_info(const InfoOptions& options) {
  const ModelInfo info = read_info(options.archive);
  if (options.json) {
    // ASCII only: nothing out of the file reaches the terminal as it is.
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    std::cout << to_json(info).dump(2, ' ', /*ensure_ascii=*/true, kReplace) << '\n';
  } else {
    std::cout << describe_model(info);
  }
}

void run_model(const RunOptions& options) {
  const std::vector<OutputFile> files = parse_outputs(options.outputs);
  if (options.threads > 0) {
    at::set_num_threads(options.threads);
  }
  const Model model(options.archive,
                    load_options(options.device, options.validate, options.verify,
                                 options.retarget, options.operator_libraries));
  const MethodInfo& method = chosen_method(model.info(), options.method);
  const NamedValues inputs = parse_inputs(method, options.inputs);
  const Value result = model.call(method.name, {}, inputs);
  const NamedValues outputs = flatten(result, output_name(method));
  write_outputs(outputs, files);
  if (options.json) {
    std::cout << to_json(result).dump(2) << '\n';
  } else if (files.empty()) {
    print_outputs(std::cout, outputs);
  }
}

bool run_check(const CheckOptions& options) {
  if (options.threads > 0) {
    at::set_num_threads(options.threads);
  }
  const Model model(options.archive, load_options(options.device, /*validate=*/true, options.verify,
                                                  options.retarget, options.operator_libraries));
  const CheckReport report = model.check();
  if (options.json) {
    std::cout << to_json(report).dump(2) << '\n';
  } else {
    std::cout << model.info().path.string() << " on " << model.device().str() << "\n\n"
              << to_string(report);
  }
  return report.passed();
}

}  // namespace torchship::cli
