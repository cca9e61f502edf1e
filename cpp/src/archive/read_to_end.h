#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace torchship {

/// Half of this machine's memory: of an archive that is larger, the weights would find no place.
std::uint64_t most_bytes_to_hold();

/// All bytes that a pipe, a socket or a stream still gives. Throws ArchiveError, which calls it
/// `name`, when there are none, more than `limit`, or it cannot be read.
std::string read_to_end(int descriptor, const std::string& name,
                        std::uint64_t limit = most_bytes_to_hold());
std::string read_to_end(std::istream& stream, const std::string& name,
                        std::uint64_t limit = most_bytes_to_hold());

}  // namespace torchship
