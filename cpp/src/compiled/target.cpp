#include "compiled/target.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include <sys/utsname.h>

#include <ATen/Parallel.h>

#include "accelerator/cuda_architecture.h"
#include "cpu.h"
#include "libtorch_version.h"

namespace torchship {
namespace {

std::string wanted(const EngineInfo& engine, const std::string& key) {
  const auto found = engine.target.find(key);
  return found == engine.target.end() ? std::string() : found->second;
}

std::string machine() {
  struct utsname names = {};
  return ::uname(&names) == 0 ? names.machine : std::string();
}

// Packages of other makers do not say all of this; what is not said is not asked.

/// Features of an x86-64 processor as Linux lists them, between blanks; empty where it does not.
std::string features() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) return line.substr(line.find(':') + 1) + " ";
  }
  return {};
}

/// 90 for "90" or "9.0"; 0 for anything else.
int parse_architecture(const std::string& text) {
  std::string digits = text;
  std::erase(digits, '.');
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

std::string missing_feature(const std::string& wanted_features) {
  const std::string here = features();
  std::istringstream words(wanted_features);
  for (std::string word; words >> word;) {
    if (here.find(" " + word + " ") == std::string::npos) return word;
  }
  return {};
}

/// Of GPU code, kernels for the same major architecture and no later one.
std::string cuda_misfit(const EngineInfo& engine, const at::Device& device) {
  const int needed = parse_architecture(wanted(engine, "cuda_arch"));
  const int here = cuda_architecture(device.index());
  if (needed == 0 || here == 0) return {};  // Not said; its own loader will.
  if (needed / 10 == here / 10 && needed <= here) return {};
  return "it is GPU code for sm_" + std::to_string(needed) + ", and " + device.str() + " is sm_" +
         std::to_string(here);
}

std::string cpu_misfit(const EngineInfo& engine) {
  const std::string arch = wanted(engine, "arch"), here = machine();
  if (!arch.empty() && arch != here) return "it is code for " + arch + ", and this is " + here;
  const std::string level = wanted(engine, "isa");
  if (level == "native") {
    if (cpu_is_lowered()) return "it was compiled for one CPU alone, and TORCHSHIP_CPU says that this is another";
    const std::string missing = missing_feature(wanted(engine, "features"));
    return missing.empty() ? "" : "it was compiled for a CPU with " + missing + ", which this one lacks";
  }
  if (level.empty() || cpu_offers(level)) return {};
  const std::string_view offered = cpu_level();
  return "it needs a CPU of level " + level + ", and this one " +
         (offered.empty() ? "has no such levels" : "is " + std::string(offered));
}

/// "2.13" for "2.13.0+cpu".
std::string minor(const std::string& version) {
  const std::size_t dot = version.find('.');
  return version.substr(0, version.find_first_not_of("0123456789", dot + 1));
}

int threads_of(const LoadOptions& options) {
  return options.threads > 0 ? options.threads : at::get_num_threads();
}

/// Code for several threads takes as many as it is given.
bool wants_one_thread(const EngineInfo& engine, const LoadOptions& options) {
  return wanted(engine, "threads") == "1" && threads_of(options) > 1;
}

}  // namespace

std::string misfit(const EngineInfo& engine, const LoadOptions& options) {
  const std::string device = wanted(engine, "device"), asked = options.device.is_cpu() ? "cpu" : "cuda";
  if (device != asked) return "it is for " + device + ", and the model is on " + options.device.str();
  const std::string torch = wanted(engine, "torch"), here = running_libtorch();
  if (!torch.empty() && minor(torch) != minor(here)) {
    return "it was compiled with torch " + torch + ", and this process runs LibTorch " + here;
  }
  const std::string cpu = cpu_misfit(engine);
  if (!cpu.empty()) return cpu;
  return device == "cuda" ? cuda_misfit(engine, options.device) : "";
}

double expected_ratio(const EngineInfo& engine, const LoadOptions& options) {
  const double ratio = engine.ratio.value_or(1);
  return wants_one_thread(engine, options) ? ratio * threads_of(options) : ratio;
}

std::string slower(const EngineInfo& engine, const LoadOptions& options) {
  const std::string other = options.device.is_cpu() ? "planned" : "interpreter";
  if (engine.ratio && engine.beside != other) {
    return "it was measured beside " + engine.beside + ", and " + other +
           " runs here: compile it again";
  }
  if (expected_ratio(engine, options) <= 1) return {};
  if (wants_one_thread(engine, options)) {
    return "it was made for 1 thread, and the model has " + std::to_string(threads_of(options));
  }
  return "it was slower than " + other + " where it was compiled";
}

}  // namespace torchship
