#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace torchship {

/// What the control groups of this process grant it; the tightest of them and all above them.
struct ControlGroupLimits {
  std::optional<double> cores;         ///< Processor time for each second of the clock.
  std::optional<std::uint64_t> bytes;  ///< Memory.
};

/// Reads control groups of both versions. `root` is where /proc and /sys are looked up, for tests.
ControlGroupLimits control_group_limits(const std::filesystem::path& root = "/");

}  // namespace torchship
