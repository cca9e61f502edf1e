// Makes many archives from a few right ones, each wrong in its own way, and sees what the library
// makes of them: an error of its own kinds, or a right answer. Anything else is a failure.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>

#include "fuzz/batch.h"

namespace {

namespace fs = std::filesystem;
using namespace torchship::fuzz;

constexpr std::size_t kBatch = 400;

struct Options {
  std::vector<fs::path> seeds;
  std::uint64_t runs = 1000;  ///< Mutants of each seed.
  std::uint64_t seed = 1;
  fs::path keep;
  bool show = false;
  Limits limits;
};

/// Counts how things ended, and keeps what must not have ended so.
class Tally {
 public:
  explicit Tally(const Options& options) : options_(options) {}

  void add(const Reference& reference, std::uint64_t first, const BatchResult& batch) {
    for (std::size_t i = 0; i < batch.verdicts.size(); ++i) {
      const Verdict& verdict = batch.verdicts[i];
      count("info", verdict.info);
      count("load", verdict.load);
      count("check", verdict.check);
      count("run", verdict.run);
      ++mutants_;
      if (verdict.problem[0] != '\0') fail(reference, first + i, verdict.problem);
    }
    if (batch.ending.reason.empty()) return;
    const std::uint64_t last = first + batch.verdicts.size() - 1;
    if (is_excess(batch)) {
      ++excesses_;
    } else {
      fail(reference, last, batch.ending.reason + "\n" + batch.ending.report);
    }
  }

  void print() const {
    std::cout << mutants_ << " mutants\n";
    for (const auto& [step, outcome] : counts_) {
      std::cout << "  " << step.first << " " << name_of(step.second) << ": " << outcome << "\n";
    }
    std::cout << "  code that asked for too much when it ran: " << excesses_ << "\n"
              << failures_ << " failures" << std::endl;
  }

  std::uint64_t failures() const { return failures_; }

 private:
  void count(const char* step, Outcome outcome) {
    if (outcome != Outcome::not_run) ++counts_[{step, outcome}];
  }

  /// Code may loop or allocate as it likes once it is run: that is no fault of the reader's.
  static bool is_excess(const BatchResult& batch) {
    const Verdict& verdict = batch.verdicts.back();
    const bool running = verdict.load == Outcome::good;
    return running && (batch.ending.reason == kTooLong || batch.ending.reason == kTooMuch);
  }

  void fail(const Reference& reference, std::uint64_t number, const std::string& why) {
    ++failures_;
    const Mutant mutant = make_mutant(reference.seed(), number);
    const std::string name =
        reference.seed().path.stem().string() + "-" + std::to_string(number);
    std::cout << "FAILURE " << name << " (" << mutant.how.substr(0, 200) << "): "
              << (options_.show ? why : why.substr(0, why.find('\n'))) << std::endl;
    if (options_.keep.empty()) return;
    fs::create_directories(options_.keep);
    std::ofstream(options_.keep / (name + ".pt"), std::ios::binary) << mutant.bytes;
    std::ofstream(options_.keep / (name + ".txt")) << mutant.how << "\n" << why << "\n";
  }

  const Options& options_;
  std::map<std::pair<std::string, Outcome>, std::uint64_t> counts_;
  std::uint64_t mutants_ = 0;
  std::uint64_t excesses_ = 0;
  std::uint64_t failures_ = 0;
};

void fuzz(const fs::path& path, const Options& options, const fs::path& folder, Tally& tally) {
  const Reference reference(path);
  const std::uint64_t start = options.seed * 1'000'000'007;
  for (std::uint64_t done = 0; done < options.runs;) {
    const std::size_t count = std::min<std::uint64_t>(kBatch, options.runs - done);
    const BatchResult batch = run_batch(reference, start + done, count, folder, options.limits);
    tally.add(reference, start + done, batch);
    done += batch.verdicts.size();
  }
}

Options parse(int argc, char** argv) {
  CLI::App app("Fuzzes the reading of archives.");
  Options options;
  app.add_option("archives", options.seeds, "Archives to start from")->required();
  app.add_option("--runs", options.runs, "Mutants of each archive");
  app.add_option("--seed", options.seed, "Another seed gives other mutants");
  app.add_option("--keep", options.keep, "Folder for the mutants that fail");
  app.add_option("--seconds", options.limits.seconds, "Most time for one mutant");
  app.add_flag("--show", options.show, "Print whole reports of failures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

/// Where mutants are written, one for every trial: memory, where there is such a file system.
class WorkFolder {
 public:
  WorkFolder() {
    const fs::path shared = "/dev/shm";
    const fs::path base = fs::is_directory(shared) ? shared : fs::temp_directory_path();
    path_ = base / ("torchship-fuzz-" + std::to_string(::getpid()));
    fs::create_directory(path_);
  }
  ~WorkFolder() { fs::remove_all(path_); }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  at::set_num_threads(1);  // A process that is forked must have no other threads.
  try {
    const WorkFolder folder;
    Tally tally(options);
    for (const fs::path& path : options.seeds) fuzz(path, options, folder.path(), tally);
    tally.print();
    return tally.failures() == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "fuzz_archives: " << error.what() << '\n';
    return 2;
  }
}
