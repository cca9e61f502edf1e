#include "fuzz/trial.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <fstream>
#include <optional>
#include <typeinfo>

#include <torchship/lint.h>

#include "fuzz/example.h"

namespace torchship::fuzz {
namespace {

void note(Verdict& verdict, const std::string& problem) {
  if (verdict.problem[0] == '\0') {
    const std::size_t length = std::min(problem.size(), sizeof(verdict.problem) - 1);
    std::memcpy(verdict.problem, problem.data(), length);
  }
}

/// Does `step` and says how it ended. Only the errors that the library promises are good ends.
template <typename Step>
Outcome attempt(const char* name, Verdict& verdict, const Step& step) {
  try {
    step();
    return Outcome::good;
  } catch (const ArchiveError& error) {
    if (error.message().find('\n') == std::string::npos) return Outcome::archive_error;
    note(verdict, std::string(name) + ": a message of several lines: " + error.what());
  } catch (const SignatureError&) {
    return Outcome::signature_error;
  } catch (const EngineError&) {
    return Outcome::engine_error;
  } catch (const std::exception& error) {
    note(verdict, std::string(name) + ": " + typeid(error).name() + ": " + error.what());
  } catch (...) {
    note(verdict, std::string(name) + ": something that is no exception of the standard's");
  }
  return Outcome::failure;
}

/// Opening a file may fail in one way only.
template <typename Step>
Outcome attempt_to_open(const char* name, Verdict& verdict, const Step& step) {
  const Outcome outcome = attempt(name, verdict, step);
  if (outcome == Outcome::good || outcome == Outcome::archive_error) return outcome;
  note(verdict, std::string(name) + ": not an ArchiveError");
  return Outcome::failure;
}

std::optional<Model> load(const std::filesystem::path& path, bool verify, Verdict& verdict,
                          Outcome& outcome) {
  std::optional<Model> model;
  LoadOptions options;
  options.verify = verify;
  options.verify_digests = verify;
  outcome = attempt_to_open("load", verdict, [&] { model.emplace(path, options); });
  return model;
}

/// The seed's inputs, then those that the mutant asks for.
Outcome run(const Reference& reference, const Model& model, bool answers_count, Verdict& verdict) {
  Outcome outcome = attempt("run", verdict, [&] {
    const Value answer = model(reference.inputs());
    if (answers_count && !same(answer, reference.answer())) {
      note(verdict, "run: a wrong answer from a file whose digests hold");
    }
  });
  if (outcome == Outcome::signature_error) {
    const MethodInfo* method = model.info().find(model.info().default_method);
    if (method == nullptr) return outcome;
    outcome = attempt("run", verdict, [&] { model(example_inputs(*method)); });
  }
  if (answers_count && outcome != Outcome::good) {
    note(verdict, "run: no answer from a file whose digests hold");
  }
  if (outcome == Outcome::archive_error) note(verdict, "run: an ArchiveError");
  return verdict.problem[0] == '\0' ? outcome : Outcome::failure;
}

}  // namespace

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::not_run: return "not run";
    case Outcome::good: return "good";
    case Outcome::archive_error: return "ArchiveError";
    case Outcome::signature_error: return "SignatureError";
    case Outcome::engine_error: return "EngineError";
    case Outcome::failure: return "failure";
  }
  return "";
}

Reference::Reference(const std::filesystem::path& path) : seed_(read_seed(path)) {
  const Model model(path);
  inputs_ = example_inputs(*model.info().find(model.info().default_method));
  answer_ = model(inputs_);
}

void try_mutant(const Reference& reference, const Mutant& mutant,
                const std::filesystem::path& path, Verdict& verdict) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << mutant.bytes;
  verdict.info = attempt_to_open("info", verdict, [&] { read_info(path); });
  attempt_to_open("lint", verdict, [&] { lint(path); });
  const std::optional<Model> verified = load(path, /*verify=*/true, verdict, verdict.load);
  if (verified) {
    verdict.check = attempt("check", verdict, [&] { verified->check(); });
    verdict.run = run(reference, *verified, !mutant.forged, verdict);
    return;
  }
  Outcome outcome = Outcome::not_run;
  if (const std::optional<Model> model = load(path, /*verify=*/false, verdict, outcome)) {
    verdict.run = run(reference, *model, /*answers_count=*/false, verdict);
  }
}

}  // namespace torchship::fuzz
