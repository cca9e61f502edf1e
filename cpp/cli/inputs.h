#pragma once

#include <string>
#include <vector>

#include <torchship/info.h>
#include <torchship/value.h>

namespace torchship::cli {

/// Reads the inputs of a call from the command line. Each argument is one of
///   NAME=VALUE          a literal, read as the method's signature asks: numbers for a tensor, text
///                       for a string, JSON for lists, tuples and dicts
///   NAME:DTYPE=VALUE    a tensor of that dtype (else the one the model was traced with, else
///                       float32)
///   NAME=@FILE[:KEY]    a tensor of a .npy, .npz or .safetensors file
///   @FILE               every tensor of the file, under its own name
/// Throws UsageError for what cannot be read, ArchiveError for bad files.
NamedValues parse_inputs(const MethodInfo& method, const std::vector<std::string>& arguments);

}  // namespace torchship::cli
