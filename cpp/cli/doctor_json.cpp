#include <torchship/version.h>

#include "doctor.h"

namespace torchship::cli {
namespace {

using json = nlohmann::ordered_json;

template <typename T>
json optional(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json to_json(const Diagnosis::Cpu& cpu) {
  return {{"model", cpu.model},    {"architecture", cpu.architecture},
          {"level", cpu.level},    {"offered", cpu.offered},
          {"asked", cpu.asked},    {"next_level", cpu.next_level},
          {"missing", cpu.missing}};
}

json to_json(const Diagnosis::Threads& threads) {
  return {{"cores", threads.cores},
          {"allowed", threads.allowed},
          {"quota", optional(threads.quota)},
          {"used", threads.used},
          {"omp_num_threads", threads.omp_num_threads},
          {"governor", threads.governor}};
}

json to_json(const Diagnosis::LibTorch& libtorch) {
  return {{"version", libtorch.version},
          {"built_with", libtorch.built_with},
          {"path", libtorch.path.string()},
          {"kernels", libtorch.kernels},
          {"mkl", libtorch.mkl},
          {"onednn", libtorch.onednn},
          {"openmp", libtorch.openmp},
          {"lapack", libtorch.lapack}};
}

json to_json(const Diagnosis::Cache& cache) {
  return {{"path", cache.path.string()},    {"from", cache.from},
          {"exists", cache.exists},         {"writable", cache.writable},
          {"shared", cache.shared},
          {"executable", cache.executable}, {"free", cache.free}};
}

json to_json(const Diagnosis::System& system) {
  return {{"kernel", system.kernel},
          {"c_library", system.c_library},
          {"preloaded", system.preloaded},
          {"allocator", system.allocator}};
}

json to_json(const Remark& remark) {
  return {{"subject", remark.subject},
          {"code", remark.code},
          {"severity", remark.severity},
          {"message", remark.message},
          {"hint", remark.hint}};
}

}  // namespace

json to_json(const Diagnosis& found) {
  json openmp = json::array();
  for (const auto& file : found.openmp) openmp.push_back(file.string());
  json remarks = json::array();
  for (const Remark& remark : found.remarks) remarks.push_back(to_json(remark));
  return {
      {"torchship", version()},
      {"passed", found.passed()},
      {"cpu", to_json(found.cpu)},
      {"threads", to_json(found.threads)},
      {"libtorch", to_json(found.libtorch)},
      {"cuda",
       {{"devices", found.cuda.devices}, {"driver", found.cuda.driver}, {"why", found.cuda.why}}},
      {"openmp", openmp},
      {"cache", to_json(found.cache)},
      {"memory",
       {{"total", found.memory.total},
        {"available", found.memory.available},
        {"limit", optional(found.memory.limit)}}},
      {"system", to_json(found.system)},
      {"remarks", remarks}};
}

}  // namespace torchship::cli
