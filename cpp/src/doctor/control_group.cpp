#include "doctor/control_group.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>
#include <vector>

#include "doctor/read_text.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename T>
void tighten(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

void tighten_cores(ControlGroupLimits& limits, const std::string& quota,
                   const std::string& period) {
  const auto time = number(quota);
  const auto window = number(period);
  if (time && window && *time > 0 && *window > 0) {
    tighten(limits.cores, static_cast<double>(*time) / static_cast<double>(*window));
  }
}

/// Version 1 says "no limit" with a number that no machine has.
void tighten_bytes(ControlGroupLimits& limits, const std::string& text) {
  constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;
  if (const auto bytes = number(text); bytes && *bytes >= 0 && *bytes < kNoLimit) {
    tighten(limits.bytes, static_cast<std::uint64_t>(*bytes));
  }
}

void read_unified(ControlGroupLimits& limits, const fs::path& folder) {
  std::istringstream maximum(first_line(folder / "cpu.max"));  // "150000 100000" or "max 100000"
  std::string quota, period;
  maximum >> quota >> period;
  tighten_cores(limits, quota, period);
  tighten_bytes(limits, first_line(folder / "memory.max"));
}

void read_cores(ControlGroupLimits& limits, const fs::path& folder) {
  tighten_cores(limits, first_line(folder / "cpu.cfs_quota_us"),
                first_line(folder / "cpu.cfs_period_us"));
}

void read_memory(ControlGroupLimits& limits, const fs::path& folder) {
  tighten_bytes(limits, first_line(folder / "memory.limit_in_bytes"));
}

/// Reads the group and each one above it. In a container the path may name groups of the host,
/// which are not there; the topmost folder is then the container's own group.
template <typename Read>
void read_upwards(ControlGroupLimits& limits, const fs::path& top, const std::string& group,
                  Read read) {
  fs::path below = fs::path(group).relative_path().lexically_normal();
  for (; !below.empty() && below != "."; below = below.parent_path()) read(limits, top / below);
  read(limits, top);
}

}  // namespace

ControlGroupLimits control_group_limits(const fs::path& root) {
  const fs::path top = root / "sys/fs/cgroup";
  ControlGroupLimits limits;
  // Lines are "0::/group" of version 2, and "4:cpu,cpuacct:/group" of version 1.
  for (const std::string& line : lines_of(root / "proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") read_upwards(limits, top, group, read_unified);
    if (controllers.find(",cpu,") != std::string::npos) {
      read_upwards(limits, top / "cpu", group, read_cores);
    }
    if (controllers.find(",memory,") != std::string::npos) {
      read_upwards(limits, top / "memory", group, read_memory);
    }
  }
  return limits;
}

}  // namespace torchship
