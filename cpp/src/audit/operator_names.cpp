#include "audit/operator_names.h"

#include <algorithm>
#include <array>

namespace torchship {
namespace {

using namespace std::string_view_literals;

constexpr auto kAllowed = std::to_array<std::string_view>({
#include "audit/allowed_operators.inc"
});
static_assert(std::is_sorted(kAllowed.begin(), kAllowed.end()));

bool is_listed(std::string_view name) {
  return std::binary_search(kAllowed.begin(), kAllowed.end(), name);
}

bool is_of_library(std::string_view name) {
  const std::size_t colons = name.find("::");
  return colons != std::string_view::npos && library_namespaces().contains(name.substr(0, colons));
}

struct Reason {
  std::string_view start;  ///< Of the name.
  std::string_view why;
};

/// The first that fits counts.
constexpr std::array kReasons = {
    Reason{"aten::from_file", "it reads or changes any file of this machine"},
    Reason{"aten::save", "it writes files"},
    Reason{"aten::as_strided", "it makes tensors that reach beyond their memory"},
    Reason{"aten::resize", "it gives tensors memory that nobody has written"},
    Reason{"aten::set_grad_enabled", "it changes a switch of the whole thread"},
    Reason{"aten::set_", "it exchanges the memory under a tensor"},
    Reason{"aten::data_ptr", "it tells addresses of memory"},
    Reason{"aten::empty", "it shows memory that others have used before"},
    Reason{"aten::new_empty", "it shows memory that others have used before"},
    Reason{"aten::manual_seed", "it changes a switch of the whole process"},
    Reason{"aten::seed", "it changes a switch of the whole process"},
    Reason{"aten::embedding_bag", "it takes offsets on trust and reads beyond its memory"},
    Reason{"aten::sparse", "sparse tensors trust the indices that they are given"},
    Reason{"aten::_sparse", "sparse tensors trust the indices that they are given"},
    Reason{"aten::_nested", "nested tensors trust the sizes that they are given"},
    Reason{"aten::wait", "it waits for tasks in threads of the whole process"},
    Reason{"prim::fork", "it starts tasks in threads of the whole process"},
    Reason{"prim::awaitable", "it starts tasks in threads of the whole process"},
    Reason{"prim::Print", "it writes to the output of this process"},
    Reason{"prim::rpc", "it calls other machines"},
    Reason{"prim::id", "it tells addresses of memory"},
    Reason{"prim::PythonOp", "it runs Python"},
    Reason{"inductor::", "it trusts sizes and strides, and reaches beyond its memory"},
    Reason{"c10d::", "it talks to other machines"},
    Reason{"_c10d", "it talks to other machines"},
    Reason{"symm_mem::", "it talks to other machines"},
    Reason{"profiler::", "it changes the profiler of the whole process"},
    Reason{"quantized::", "it trusts packed weights and sizes that it is given"},
    Reason{"_quantized::", "it trusts packed weights and sizes that it is given"},
    Reason{"mkldnn", "it trusts packed weights and sizes that it is given"},
    Reason{"cuda::", "it changes streams of the whole process"},
};

}  // namespace

bool may_be_called(std::string_view name) {
  if (is_listed(name) || is_of_library(name)) return true;
  const std::string start = std::string(name) + ".";
  const auto* next = std::lower_bound(kAllowed.begin(), kAllowed.end(), start);
  return next != kAllowed.end() && next->starts_with(start);
}

bool may_be_called(std::string_view name, std::string_view overload) {
  return is_listed(name) || is_of_library(name) ||
         is_listed(std::string(name) + "." + std::string(overload));
}

bool is_trusted_class(std::string_view name) {
  const std::size_t end = name.find_first_of(". ");
  return end != std::string_view::npos && library_namespaces().contains(name.substr(0, end));
}

std::string reason_against(std::string_view name) {
  for (const Reason& reason : kReasons) {
    if (name.starts_with(reason.start)) return std::string(reason.why);
  }
  return {};
}

}  // namespace torchship
