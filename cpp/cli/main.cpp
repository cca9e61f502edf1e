#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>
#include <torchship/torchship.h>

#include "bench.h"
#include "commands.h"
#include "doctor.h"
#include "graph_command.h"
#include "lint.h"
#include "options.h"
#include "printable.h"
#include "usage_error.h"

namespace {

using namespace torchship::cli;

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

/// CLI::Range lets what is no number pass.
const CLI::Validator kFinite(
    [](const std::string& text) {
      return std::isfinite(std::strtod(text.c_str(), nullptr)) ? std::string() : text + " is no number";
    },
    "");

void add_info(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command =
      app.add_subcommand("info", "What the file says of itself; runs nothing of it");
  add_archive(*command, options->archive);
  command->add_flag("--json", options->json, "Print a JSON object");
  command->callback([options] { run_info(*options); });
}

void add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Call the model once");
  add_load_arguments(*command, options->load);
  add_inputs(*command, options->inputs);
  command
      ->add_option("-o,--output", options->outputs,
                   "Write an output to a .npy, .npz or .safetensors file; without NAME, all of "
                   "them")
      ->type_name("[NAME=]FILE")
      ->allow_extra_args(false);
  command->add_option("--method", options->method, "The method to call")->type_name("NAME");
  command->add_flag("--no-validate{false}", options->validate,
                    "Do not compare the inputs with what the archive promises");
  command->add_flag("--json", options->json, "Print a JSON object");
  command->callback([options] { run_model(*options); });
}

void add_check(CLI::App& app, int& status) {
  auto options = std::make_shared<CheckOptions>();
  options->load.verify_digests = true;
  options->load.engine = "all";
  CLI::App* command = app.add_subcommand(
      "check", "Run the archive's samples here and compare with the results they had at home");
  add_load_arguments(*command, options->load);
  command->add_flag("--json", options->json, "Print a JSON object");
  command->callback([options, &status] { status = run_check(*options) ? 0 : kFailed; });
}

void add_lint(CLI::App& app, int& status) {
  auto options = std::make_shared<LintCommand>();
  CLI::App* command =
      app.add_subcommand("lint", "What is wrong or dangerous with an archive; runs nothing of it");
  add_archive(*command, options->archive);
  command->add_option("--deny", options->deny, "Fail when a finding is at least that grave")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"note", "warning", "error"}));
  command
      ->add_option("--ignore", options->ignore,
                   "Leave findings out: a code, or CODE@PLACE (a module, a tensor, net.py:12)")
      ->type_name("CODE[@PLACE]")
      ->allow_extra_args(false);
  add_operator_libraries(*command, options->operator_libraries);
  command->add_flag("--audit", options->audit,
                    "Look for what a file from a stranger must not have as well");
  command->add_flag("--json", options->json, "Print a JSON object");
  command->callback([options, &status] { status = run_lint(*options) ? 0 : kFailed; });
}

void add_graph(CLI::App& app) {
  auto options = std::make_shared<GraphCommandOptions>();
  CLI::App* command =
      app.add_subcommand("graph", "The operators of a method, as recorded, frozen or optimised");
  add_load_arguments(*command, options->load);
  command
      ->add_option("--stage", options->stage,
                   "initial, frozen or optimized; with inputs optimized, else initial")
      ->type_name("STAGE");
  command->add_option("--method", options->method, "The method to look at")->type_name("NAME");
  add_inputs(*command, options->inputs);
  command->add_flag("--profile", options->profile, "Run it, and take the time of every operator");
  command->add_flag("--compare", options->compare,
                    "Run it, and compare every kernel of the engine planned with LibTorch's operators");
  command->add_flag("--json", options->json, "Print a JSON object");
  command->add_flag("--constants", options->constants, "List constants and attributes as well");
  command->add_option("--color", options->colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  command->add_option("--dot", options->dot, "Write a Graphviz description")->type_name("FILE");
  command->add_option("--svg", options->svg, "Write a picture, made by Graphviz' dot")
      ->type_name("FILE");
  command->add_option("--html", options->html, "Write a page with a diagram of all stages")
      ->type_name("FILE");
  command->callback([options] { run_graph(*options); });
}

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand(
      "bench", "Load time, first call, steady calls, throughput and memory, engines in turn");
  add_load_arguments(*command, options->load);
  add_inputs(*command, options->inputs);
  command->add_option("--method", options->method, "The method to call")->type_name("NAME");
  command->add_option("--batch", options->batch, "Repeat the inputs to a batch of that size")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--callers", options->callers, "Threads that call at once, for the throughput")
      ->type_name("N")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "Of steady calls, for each engine")
      ->type_name("S")
      ->check(CLI::Range(0.01, 3600.0) & kFinite)
      ->capture_default_str();
  command->add_flag("--stock", options->stock, "Beside LibTorch alone: torch::jit::load, forward");
  command->add_flag("--no-warm-up{false}", options->warm_up,
                    "Do not make the slow calls while loading");
  command->add_flag("--json", options->json, "Print a JSON object");
  command->callback([options] { run_bench(*options); });
}

void add_doctor(CLI::App& app, int& status) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "doctor", "What is here: CPU, threads, LibTorch, CUDA, OpenMP, cache, memory");
  command->add_flag("--json", *json, "Print a JSON object");
  command->callback([json, &status] { status = run_doctor(*json) ? 0 : kFailed; });
}

/// CLI11 alone would say that a command is missing, and not name the wrong one.
void require_known(const CLI::App& app, const std::string& word) {
  const auto named_so = [&](const CLI::App* command) { return command->get_name() == word; };
  if (word.starts_with('-') || !app.get_subcommands(named_so).empty()) return;
  if (word == "compile" || word == "bundle") {
    throw UsageError("'" + word + "' needs Python", "python -m torchship " + word + " has it");
  }
  throw UsageError("unknown command '" + word + "'", "torchship --help lists the commands");
}

int report(const std::string& message, const std::string& hint, int status) {
  std::cerr << "torchship: error: " << printable(message) << '\n';
  if (!hint.empty()) {
    std::cerr << "torchship: hint: " << printable(hint) << '\n';
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs PyTorch models without Python.", "torchship");
  app.set_version_flag("--version", std::string("torchship ") + torchship::version());
  app.require_subcommand(1);
  add_info(app);
  add_run(app);
  int status = 0;
  add_check(app, status);
  add_lint(app, status);
  add_graph(app);
  add_bench(app);
  add_doctor(app, status);
  try {
    if (argc > 1) {
      require_known(app, argv[1]);
    }
    app.parse(argc, argv);
    std::cout.flush();
    return std::cout ? status : report("standard output cannot be written", "", kFailed);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help and --version
    }
    return report(error.what(), "torchship --help lists commands and options", kBadUsage);
  } catch (const UsageError& error) {
    return report(error.message(), error.hint(), kBadUsage);
  } catch (const torchship::Error& error) {
    return report(error.message(), error.hint(), kFailed);
  } catch (const std::exception& error) {
    return report(error.what(), "", kFailed);
  }
}
