#include <torchship/version.h>

#include <cstdio>

#include "doctor.h"
#include "printable.h"
#include "text.h"

namespace torchship::cli {
namespace {

/// Of the remarks on a subject the gravest one.
std::string verdict_on(const Diagnosis& found, const std::string& subject) {
  std::string verdict = "ok";
  for (const Remark& remark : found.remarks) {
    if (remark.subject == subject && verdict != "problem") verdict = remark.severity;
  }
  return verdict;
}

Ink ink_of(const std::string& verdict) {
  return verdict == "ok" ? Ink::dim : verdict == "warning" ? Ink::kernel : Ink::bold;
}

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!part.empty()) text += (text.empty() ? "" : separator) + part;
  }
  return text;
}

std::string describe(const Diagnosis::Cpu& cpu) {
  std::string level = cpu.level;
  if (cpu.level != cpu.offered) level += " (lowered from " + cpu.offered + ")";
  std::string lacks;
  if (!cpu.missing.empty()) lacks = cpu.next_level + " would need " + joined(cpu.missing, " ");
  return joined({cpu.model.empty() ? cpu.architecture : cpu.model, level, lacks}, ", ");
}

std::string describe(const Diagnosis::Threads& threads) {
  std::string text = std::to_string(threads.used) + " for an operator, on " +
                     std::to_string(threads.allowed) + " of " + std::to_string(threads.cores) +
                     " cores";
  if (threads.quota) {
    char quota[32];
    std::snprintf(quota, sizeof quota, "%.4g", *threads.quota);
    text += ", with the time of " + std::string(quota);
  }
  if (!threads.omp_num_threads.empty()) text += ", OMP_NUM_THREADS=" + threads.omp_num_threads;
  return text;
}

std::string describe(const Diagnosis::LibTorch& libtorch) {
  std::string version = libtorch.version;
  if (libtorch.version != libtorch.built_with)
    version += " (built with " + libtorch.built_with + ")";
  return joined({version, libtorch.path.string()}, ", ");
}

std::string mathematics(const Diagnosis::LibTorch& libtorch) {
  return joined({libtorch.kernels + " kernels", libtorch.mkl ? "MKL" : "no MKL",
                 libtorch.onednn ? "oneDNN" : "no oneDNN", libtorch.openmp ? "OpenMP" : "no OpenMP",
                 libtorch.lapack ? "LAPACK" : "no LAPACK"},
                ", ");
}

std::string describe(const Diagnosis::Cuda& cuda) {
  const std::string driver = cuda.driver.empty() ? "" : "a driver for CUDA " + cuda.driver;
  if (cuda.devices == 0) return joined({"none: " + cuda.why, driver}, "; there is ");
  return joined(
      {std::to_string(cuda.devices) + (cuda.devices == 1 ? " device" : " devices"), driver}, ", ");
}

std::string openmp(const Diagnosis& found) {
  std::vector<std::string> files;
  for (const auto& file : found.openmp) files.push_back(file.string());
  return files.empty() ? "none" : joined(files, ", ");
}

std::string describe(const Diagnosis::Cache& cache) {
  if (cache.path.empty()) return "none";
  return joined({cache.path.string(), "from " + cache.from, cache.exists ? "" : "not made yet",
                 cache.writable ? "" : "read-only",
                 cache.shared ? "others may write to it" : "", cache.executable ? "" : "noexec",
                 format_bytes(static_cast<std::int64_t>(cache.free)) + " free"},
                ", ");
}

std::string describe(const Diagnosis::Memory& memory) {
  const auto bytes = [](std::uint64_t count) {
    return format_bytes(static_cast<std::int64_t>(count));
  };
  return joined({bytes(memory.total), bytes(memory.available) + " available",
                 memory.limit ? bytes(*memory.limit) + " granted" : ""},
                ", ");
}

std::string describe(const Diagnosis::System& system) {
  std::string preloaded;
  if (!system.preloaded.empty()) preloaded = "LD_PRELOAD=" + system.preloaded;
  return joined({system.kernel, system.c_library, system.allocator + " allocator", preloaded},
                ", ");
}

}  // namespace

std::string describe_diagnosis(const Diagnosis& found, bool colour) {
  const std::string torchship = std::string("torchship ") + version();
  std::vector<std::vector<Cell>> rows = {{{"subject"}, {"verdict"}, {"found"}}};
  const auto add = [&](const std::string& subject, const std::string& text) {
    const std::string verdict = verdict_on(found, subject);
    rows.push_back({{subject}, {verdict, ink_of(verdict)}, {text}});
  };
  add("cpu", describe(found.cpu));
  add("threads", describe(found.threads));
  add("libtorch", describe(found.libtorch));
  rows.push_back({{""}, {""}, {mathematics(found.libtorch)}});
  add("cuda", describe(found.cuda));
  add("openmp", openmp(found));
  add("cache", describe(found.cache));
  add("memory", describe(found.memory));
  add("system", describe(found.system));
  std::string text = torchship + "\n\n" + align(std::move(rows), colour);
  for (const Remark& remark : found.remarks) {
    text += "\n" + paint(remark.severity, ink_of(remark.severity), colour) + " " + remark.code +
            "\n    " + printable(remark.message) + "\n";
    if (!remark.hint.empty()) text += "    -> " + printable(remark.hint) + "\n";
  }
  return text;
}

}  // namespace torchship::cli
