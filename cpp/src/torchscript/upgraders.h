#pragma once

#include <cstdint>
#include <string>

namespace torchship {

/// Makes LibTorch's table of what takes the place of operators that changed their meaning, if code of
/// that version of the file format may need one of them. LibTorch makes it before it loads anything,
/// which takes 15 ms of a process; code that names none of these operators never asks for it.
void prepare_upgraders(const std::string& code, std::uint64_t version);

}  // namespace torchship
