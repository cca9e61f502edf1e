#pragma once

#include <string>
#include <string_view>

#include "exported/program.h"
#include "manifest/json.h"

namespace torchship {

constexpr JsonLimits kProgramLimits = {std::size_t{1} << 30, 50'000'000, 300};

/// Reads the JSON of an exported program: bounded, and strict where a wrong value would change what is
/// computed. Fields of newer minor versions that this one does not know are passed over. `place`
/// begins messages. Throws ArchiveError, for versions of the schema that it does not know as well.
ExportedProgram parse_program(std::string_view text, const std::string& place);

/// A tensor's description, which the records of weights have too.
ExportedTensor parse_tensor_meta(const Json& json, const std::string& place);

}  // namespace torchship
