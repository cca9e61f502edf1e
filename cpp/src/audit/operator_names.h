#pragma once

#include <set>
#include <string>
#include <string_view>

namespace torchship {

constexpr const char* kNativeClassHint =
    "native classes trust what a file gives them. Models quantised by PyTorch have such objects: "
    "load those from sources that you trust, or save the model before it was quantised";

/// Whether code may call an operator of that name, in some overload: what the allow-list has, and
/// what the libraries that the host loaded through torchship have registered.
bool may_be_called(std::string_view name);
/// The same for one overload.
bool may_be_called(std::string_view name, std::string_view overload);

/// "quantized LinearPackedParamsBase", "torchvision.Video": whether a library that the host loaded
/// through torchship has the class.
bool is_trusted_class(std::string_view name);

/// Why an operator is not allowed, for those that people know; "" else.
std::string reason_against(std::string_view name);

/// Namespaces of the operators that load_operator_library() brought into this process.
std::set<std::string, std::less<>> library_namespaces();

}  // namespace torchship
