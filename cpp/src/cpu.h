#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace torchship {

/// "x86-64-v1" to "x86-64-v4": the highest level all of whose instructions this CPU and its system
/// offer; empty on other architectures. The environment variable TORCHSHIP_CPU, read at each call,
/// lowers it to the level it names, for tests; it cannot raise it, and other values do nothing.
std::string_view cpu_level();

/// Whether TORCHSHIP_CPU has lowered it.
bool cpu_is_lowered();

/// Whether code made for `level` runs here; false for levels unknown.
bool cpu_offers(std::string_view level);

/// The features that `level` asks for and that this CPU or its system lacks, as Linux calls them;
/// empty when there are none, and for levels unknown. TORCHSHIP_CPU has no say in it.
std::vector<std::string_view> cpu_missing(std::string_view level);

/// The level after `level`: "x86-64-v3" after "x86-64-v2"; empty after the last one.
std::string_view next_cpu_level(std::string_view level);

/// What an x86-64 CPU says of itself: registers of CPUID, and XCR0, which holds the registers that
/// the system saves for each thread.
struct CpuWords {
  std::uint32_t basic = 0;     ///< Leaf 1, ECX.
  std::uint32_t more = 0;      ///< Leaf 7, EBX.
  std::uint32_t extended = 0;  ///< Leaf 0x80000001, ECX.
  std::uint64_t saved = 0;     ///< XCR0; 0 where the system does not use it.
};

/// The rules themselves.
std::string_view level_of(const CpuWords& words);
std::vector<std::string_view> missing_of(const CpuWords& words, std::string_view level);

}  // namespace torchship
