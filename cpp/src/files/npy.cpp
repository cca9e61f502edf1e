#include "files/npy.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

#include <torchship/error.h>
#include <torchship/value.h>

#include "archive/text.h"
#include "files/npy_header.h"
#include "files/tensor_bytes.h"

namespace torchship {
namespace {

struct NumpyDtype {
  std::string_view name;  ///< Without byte order.
  at::ScalarType dtype;
};

constexpr std::array<NumpyDtype, 14> kDtypes = {{{"b1", at::ScalarType::Bool},
                                                 {"u1", at::ScalarType::Byte},
                                                 {"u2", at::ScalarType::UInt16},
                                                 {"u4", at::ScalarType::UInt32},
                                                 {"u8", at::ScalarType::UInt64},
                                                 {"i1", at::ScalarType::Char},
                                                 {"i2", at::ScalarType::Short},
                                                 {"i4", at::ScalarType::Int},
                                                 {"i8", at::ScalarType::Long},
                                                 {"f2", at::ScalarType::Half},
                                                 {"f4", at::ScalarType::Float},
                                                 {"f8", at::ScalarType::Double},
                                                 {"c8", at::ScalarType::ComplexFloat},
                                                 {"c16", at::ScalarType::ComplexDouble}}};

[[noreturn]] void refuse_dtype(const std::string& source, const std::string& descr) {
  const std::string_view kind = std::string_view(descr).substr(
      std::min<std::size_t>(descr.find_first_not_of("<>=|"), descr.size()));
  if (kind.starts_with('O')) {
    throw ArchiveError(source + ": holds Python objects",
                       "Save it with a plain dtype, such as numpy.asarray(x, dtype='float32').");
  }
  if (kind.starts_with('V')) {
    throw ArchiveError(source + ": holds raw bytes, " + quote(descr) + ", and not numbers",
                       "numpy has no bfloat16 or float8: save those as .safetensors.");
  }
  throw ArchiveError(source + ": holds " + quote(descr) + ", a dtype that tensors do not have",
                     "Save it with a plain dtype, such as numpy.asarray(x, dtype='float32').");
}

at::ScalarType dtype_of(const std::string& descr, const std::string& source) {
  // "|": a single byte has no order.
  const std::string_view orders = descr.ends_with('1') ? "<>=|" : "<>=";
  if (!descr.empty() && orders.find(descr.front()) != std::string_view::npos) {
    const auto found =
        std::find_if(kDtypes.begin(), kDtypes.end(), [&](const NumpyDtype& candidate) {
          return candidate.name == std::string_view(descr).substr(1);
        });
    if (found != kDtypes.end()) return found->dtype;
  }
  refuse_dtype(source, descr);
}

void swap_bytes(const at::Tensor& tensor) {
  const std::size_t parts = tensor.is_complex() ? 2 : 1;
  const std::size_t width = tensor.element_size() / parts;
  const std::span<char> bytes(static_cast<char*>(tensor.data_ptr()), tensor.nbytes());
  for (std::size_t i = 0; i < bytes.size(); i += width) {
    std::ranges::reverse(bytes.subspan(i, width));
  }
}

/// The tensor whose axes are those of `tensor` the other way round, contiguous.
at::Tensor transpose(const at::Tensor& tensor) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(tensor.dim()));
  std::iota(axes.rbegin(), axes.rend(), 0);
  return tensor.permute(axes).contiguous();
}

}  // namespace

at::Tensor read_npy(const ByteSource& source) {
  const NpyHeader npy = read_npy_header(source);
  TensorHeader header{.dtype = dtype_of(npy.descr, source.name), .shape = npy.shape};
  const std::uint64_t needed = byte_count(header, source.name);
  const std::uint64_t found = source.size - npy.data_offset;
  if (found != needed) {
    throw ArchiveError(source.name + ": has " + std::to_string(found) + " bytes of data, but " +
                           describe(header) + " takes " + std::to_string(needed),
                       "It is damaged: copy or save it again.");
  }
  if (npy.fortran_order) std::reverse(header.shape.begin(), header.shape.end());
  at::Tensor tensor = read_tensor(source, npy.data_offset, header);
  if (npy.descr.front() == '>') swap_bytes(tensor);
  return npy.fortran_order ? transpose(tensor) : tensor;
}

std::string npy_prefix(const at::Tensor& tensor, const std::string& what) {
  const auto found = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const NumpyDtype& candidate) {
    return candidate.dtype == tensor.scalar_type();
  });
  if (found == kDtypes.end()) {
    throw ArchiveError(what + " is " + std::string(to_string(tensor.scalar_type())) +
                           ", which numpy does not have",
                       "Write a .safetensors file instead, or convert the tensor to float32.");
  }
  const char order = tensor.element_size() == 1 ? '|' : '<';
  return make_npy_header(order + std::string(found->name), tensor.sizes().vec());
}

void write_npy(AtomicFile& out, const at::Tensor& tensor) {
  const std::string what = out.path().string() + ": the tensor";
  const at::Tensor plain = plain_tensor(tensor, what);
  out.write(npy_prefix(plain, what));
  out.write(bytes_of(plain));
}

}  // namespace torchship
