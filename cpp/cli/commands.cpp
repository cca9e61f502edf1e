#include "commands.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include <torchship/torchship.h>

#include "describe_model.h"
#include "engines.h"
#include "inputs.h"
#include "json/json.h"
#include "method.h"
#include "outputs.h"
#include "text.h"
#include "usage_error.h"

namespace torchship::cli {
namespace {

/// What a result that is one value is called.
std::string output_name(const MethodInfo& method) {
  return method.output.name.empty() ? "output" : method.output.name;
}

}  // namespace

void run_info(const InfoOptions& options) {
  const ModelInfo info = read_info(archive_source(options.archive));
  if (options.json) {
    std::cout << to_text(to_json(info)) << '\n';
  } else {
    std::cout << describe_model(info);
  }
}

void run_model(const RunOptions& options) {
  const std::vector<OutputFile> files = parse_outputs(options.outputs);
  const Model model = load(options.load, options.validate);
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
  LoadOptions load = load_options(options.load);
  const Source archive = archive_source(options.load.archive);
  const EveryEngine every = usable_engines(archive, load);
  std::vector<std::pair<std::string, CheckReport>> reports;
  for (const std::string& engine : every.names) {
    load.engine = engine;
    reports.emplace_back(engine, Model(archive, load).check());
  }
  if (options.json) {
    std::cout << to_json(reports, every.passed_over).dump(2) << '\n';
  } else {
    std::cout << archive_name(options.load.archive) << " on " << load.device.str() << "\n";
    for (const auto& [engine, report] : reports) {
      std::cout << "\n" << (reports.size() > 1 ? engine + "\n" : "") << to_string(report);
    }
    std::cout << (every.passed_over.empty() ? "" : "\n") << describe(every.passed_over);
  }
  return std::all_of(reports.begin(), reports.end(),
                     [](const auto& each) { return each.second.passed(); });
}

}  // namespace torchship::cli
