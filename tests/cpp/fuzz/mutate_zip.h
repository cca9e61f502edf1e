#pragma once

#include <string>
#include <vector>

#include "fuzz/archive.h"
#include "fuzz/random.h"

namespace torchship::fuzz {

/// Records swapped, dropped, repeated and renamed; every record is what its header says.
void mutate_records(std::vector<Record>& records, Random& random);

/// The same records in a zip file that lies about them: sizes, offsets, sums, names, compression,
/// zip64.
std::string pack_with_lies(const std::vector<Record>& records, Random& random);

}  // namespace torchship::fuzz
