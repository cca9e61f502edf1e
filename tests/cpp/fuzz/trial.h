#pragma once

#include <filesystem>
#include <string>

#include <torchship/model.h>

#include "fuzz/mutator.h"

namespace torchship::fuzz {

enum class Outcome : unsigned char {
  not_run,  ///< A step before failed, or the process did not get there.
  good,
  archive_error,
  signature_error,
  engine_error,
  failure,  ///< What must not happen.
};
constexpr int kOutcomes = 6;

const char* name_of(Outcome outcome);

/// What became of one mutant; plain data, for memory that processes share.
struct Verdict {
  Outcome info = Outcome::not_run;
  Outcome load = Outcome::not_run;  ///< With digests verified.
  Outcome check = Outcome::not_run;
  Outcome run = Outcome::not_run;   ///< Of the file loaded without verifying, where that differs.
  char problem[400] = {};           ///< Why it is a failure; empty when it is none.
};

/// A seed, and what its model answers to inputs of its own.
class Reference {
 public:
  explicit Reference(const std::filesystem::path& path);

  const Seed& seed() const { return seed_; }
  const Value& answer() const { return answer_; }
  const std::vector<Value>& inputs() const { return inputs_; }

 private:
  Seed seed_;
  std::vector<Value> inputs_;
  Value answer_;
};

/// Writes the mutant to `path` and puts it through info, lint, load, check and run.
void try_mutant(const Reference& reference, const Mutant& mutant,
                const std::filesystem::path& path, Verdict& verdict);

}  // namespace torchship::fuzz
