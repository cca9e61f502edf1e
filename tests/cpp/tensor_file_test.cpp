#include <torchship/tensor_file.h>

#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "files/npy.h"
#include "files/npy_header.h"
#include "files/safetensors.h"
#include "files/tensor_bytes.h"
#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using namespace test;
using enum at::ScalarType;
using at::ScalarType;

const std::vector<ScalarType> kNumpyDtypes = {Bool,  Byte,   Char,         Short,        Int,
                                              Long,  UInt16, UInt32,       UInt64,       Half,
                                              Float, Double, ComplexFloat, ComplexDouble};

const std::vector<ScalarType> kSafetensorsDtypes = {Bool,
                                                    Byte,
                                                    Char,
                                                    Short,
                                                    Int,
                                                    Long,
                                                    UInt16,
                                                    UInt32,
                                                    UInt64,
                                                    Half,
                                                    BFloat16,
                                                    Float,
                                                    Double,
                                                    ComplexFloat,
                                                    Float8_e4m3fn,
                                                    Float8_e5m2,
                                                    Float8_e4m3fnuz,
                                                    Float8_e5m2fnuz,
                                                    Float8_e8m0fnu};

/// A tensor of any dtype, its bytes all different as far as they may be.
at::Tensor sample(ScalarType dtype, std::vector<std::int64_t> shape) {
  at::Tensor tensor = at::empty(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(tensor.data_ptr());
  for (std::size_t i = 0; i < tensor.nbytes(); ++i) {
    bytes[i] = static_cast<unsigned char>(dtype == Bool ? i % 2 : i * 7 + 1);
  }
  return tensor;
}

void expect_same(const NamedTensors& found, const NamedTensors& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [name, tensor] = found[i];
    EXPECT_EQ(name, expected[i].first);
    EXPECT_EQ(tensor.scalar_type(), expected[i].second.scalar_type()) << name;
    EXPECT_EQ(tensor.sizes(), expected[i].second.sizes()) << name;
    EXPECT_TRUE(tensor.is_contiguous()) << name;
    EXPECT_EQ(bytes_of(tensor), bytes_of(plain_tensor(expected[i].second, ""))) << name;
  }
}

/// A tensor's bytes as a .npy file whose header says `dict`.
std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  const auto length = static_cast<std::uint32_t>(dict.size());
  return std::string("\x93NUMPY") + version + '\0' +
         (version == 1 ? little_bytes(static_cast<std::uint16_t>(length)) : little_bytes(length)) +
         dict + data;
}

std::string dict_of(const std::string& descr, const std::string& shape,
                    const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

std::string safetensors(const std::string& header, const std::string& data) {
  return little_bytes(std::uint64_t{header.size()}) + header + data;
}

class TensorFile : public ::testing::Test {
 protected:
  NamedTensors read(const std::string& bytes) { return read_tensors(folder_.file("in", bytes)); }
  at::Tensor read_one(const std::string& bytes) { return read(bytes).at(0).second; }
  std::string refusal_of(const std::string& bytes) {
    return refusal([&] { read(bytes); });
  }
  std::string refusal_to_write(const std::string& name, const NamedTensors& tensors) {
    return refusal([&] { write_tensors(folder_ / name, tensors); });
  }
  NamedTensors round_trip(const std::string& name, const NamedTensors& tensors) {
    write_tensors(folder_ / name, tensors);
    return read_tensors(folder_ / name);
  }
  /// The file that write_tensors makes of a few tensors.
  std::string written(const std::string& name) {
    NamedTensors tensors = {{"a", sample(at::kFloat, {2, 3})}};
    if (name != "x.npy") {
      tensors.emplace_back("b", sample(at::kBool, {3}));
      tensors.emplace_back("c", sample(at::kLong, {}));
    }
    write_tensors(folder_ / name, tensors);
    return bytes_of_file(folder_ / name);
  }

  TempFolder folder_;
};

TEST_F(TensorFile, RoundTripsEveryDtypeAndShape) {
  NamedTensors in_npz;
  NamedTensors in_safetensors;
  const std::vector<std::vector<std::int64_t>> shapes = {{}, {0}, {3}, {2, 0, 5}, {2, 3, 4}};
  for (const auto& shape : shapes) {
    for (const ScalarType dtype : kNumpyDtypes) {
      const std::string name = std::to_string(in_npz.size()) + "/\xc3\xa4";
      in_npz.emplace_back(name, sample(dtype, shape));
      const NamedTensors one = {{"", sample(dtype, shape)}};
      expect_same(round_trip("x.npy", one), one);
    }
    for (const ScalarType dtype : kSafetensorsDtypes) {
      in_safetensors.emplace_back("n\n\"" + std::to_string(in_safetensors.size()),
                                  sample(dtype, shape));
    }
  }
  expect_same(round_trip("x.npz", in_npz), in_npz);
  expect_same(round_trip("x.safetensors", in_safetensors), in_safetensors);
  expect_same(round_trip("none.npz", {}), {});
  expect_same(round_trip("none.safetensors", {}), {});
}

TEST_F(TensorFile, WritesTensorsOfAnyLayout) {
  const at::Tensor base = at::arange(24, at::kFloat).reshape({2, 3, 4});
  const at::Tensor numbers = sample(at::kComplexFloat, {3});
  const NamedTensors tensors = {{"transposed", base.permute({2, 0, 1})},
                                {"strided", base.slice(2, 1, 4, 2)},
                                {"expanded", at::ones({1}).expand({2, 2})},
                                {"grad", at::ones({2}).requires_grad_()},
                                {"conj", numbers.conj()},
                                {"neg", at::imag(numbers.conj())}};
  expect_same(round_trip("x.npz", tensors), tensors);
  expect_same(round_trip("x.safetensors", tensors), tensors);
}

TEST_F(TensorFile, ConvertsOrderOfBytesAndAxes) {
  const std::string big = std::string("\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6", 24);
  const at::Tensor expected = at::arange(1, 7, at::kInt).reshape({2, 3});
  EXPECT_TRUE(read_one(npy(dict_of(">i4", "(2, 3)"), big)).equal(expected));
  const at::Tensor transposed = read_one(npy(dict_of(">i4", "(3, 2)", "True"), big));
  EXPECT_TRUE(transposed.equal(expected.t()));
  EXPECT_TRUE(transposed.is_contiguous());

  // A complex number is two numbers: each is swapped on its own.
  const at::Tensor number =
      read_one(npy(dict_of(">c8", "()"), std::string("\x3f\x80\0\0\x40\0\0\0", 8)));
  EXPECT_EQ(number.item().toComplexDouble(), c10::complex<double>(1, 2));
}

TEST_F(TensorFile, ReadsEveryVersionOfNpy) {
  for (const char version : {1, 2, 3}) {
    EXPECT_EQ(read_one(npy(dict_of("|u1", "(2,)"), "ab", version)).numel(), 2);
  }
  EXPECT_EQ(read_one(npy(dict_of("|u1", "(1L, 2L)"), "ab")).dim(), 2);
  EXPECT_EQ(read_one(npy(dict_of("=i2", "(1,)"), "ab")).scalar_type(), at::kShort);
  EXPECT_EQ(read_one(npy("{\"shape\":(2,),\"descr\":\"<i1\",\"fortran_order\":False} \n", "ab"))
                .scalar_type(),
            at::kChar);
}

TEST_F(TensorFile, RefusesArraysThatAreNoTensors) {
  const auto with_descr = [&](const std::string& descr) {
    return refusal_of(npy(dict_of(descr, "(1,)"), "12345678"));
  };
  EXPECT_HAS(with_descr("|O"), "holds Python objects\nSave it with a plain dtype");
  EXPECT_HAS(with_descr("|V2"), "holds raw bytes, '|V2'");
  EXPECT_HAS(with_descr("<U2"), "holds '<U2', a dtype that tensors do not have");
  for (const char* descr : {"<M8[ns]", "<f16", "f4", "|f4", "", "<", "<f", "<f4 ", ">>f4"}) {
    EXPECT_HAS(with_descr(descr), "a dtype that tensors do not have");
  }
  EXPECT_HAS(refusal_of(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "")),
             "holds an array of records");
}

TEST_F(TensorFile, RefusesDamagedNpyHeaders) {
  const auto with = [&](const std::string& dict) { return refusal_of(npy(dict, "12")); };
  EXPECT_HAS(with(""), "damaged .npy header: it holds no end");
  EXPECT_HAS(with("{}"), "not all of descr, fortran_order and shape");
  EXPECT_HAS(with("{'descr': '|u1', 'descr': '|u1'}"), "the key 'descr' twice");
  EXPECT_HAS(with("{'what': 1}"), "the unknown key 'what'");
  EXPECT_HAS(with(dict_of("|u1", "(2,)") + "x"), "something after its dict");
  EXPECT_HAS(with(dict_of("|u1", "(2)")), "a shape that is no tuple");
  EXPECT_HAS(with(dict_of("|u1", "[2]")), "'[2]");
  EXPECT_HAS(with(dict_of("|u1", "(-2,)")), "a size that is no natural number");
  EXPECT_HAS(with(dict_of("|u1", "(2.0,)")), "it holds '.0");
  EXPECT_HAS(with(dict_of("|u1", "(9223372036854775808,)")), "a size that is no natural number");
  EXPECT_HAS(with(dict_of("|u1", "(2,)", "1")), "neither True nor False");
  EXPECT_HAS(with("{'descr': '|u1"), "a string without end");
  EXPECT_HAS(with("{'a\\x00': '|u1'}"), "a backslash");
  EXPECT_HAS(with(std::string(10001, ' ')), "is 10001 bytes long, more than the 10000");
  EXPECT_HAS(refusal_of("\x93NUMPY"), "not a .npy file");
  EXPECT_HAS(refusal_of(npy("", "", 4)), "unknown version 4.0 of the .npy format");
}

TEST_F(TensorFile, RefusesNpyDataThatDoesNotFitItsShape) {
  const auto with = [&](const std::string& shape, const std::string& data) {
    return refusal_of(npy(dict_of("<f4", shape), data));
  };
  EXPECT_HAS(with("(2,)", "1234567"), "in: has 7 bytes of data, but float32[2] takes 8");
  EXPECT_HAS(with("(2,)", "123456789"), "has 9 bytes of data, but float32[2] takes 8");
  EXPECT_HAS(with("(0,)", "1"), "has 1 bytes of data, but float32[0] takes 0");
  EXPECT_HAS(with("(4611686018427387904, 4)", ""), "has an impossible shape");
  EXPECT_HAS(with("(0, 4611686018427387904, 4)", ""), "has an impossible shape");
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += "1,";
  EXPECT_HAS(with("(" + ones + ")", "1234"), "has 65 dimensions, more than 64");
  EXPECT_HAS(refusal_of(npy(dict_of("|b1", "(2,)"), "\1\2")), "bools that are neither 0 nor 1");
}

TEST_F(TensorFile, ReadsCompressedNpz) {
  const at::Tensor zeros = sample(at::kFloat, {100}).zero_();
  const std::string bytes = make_npy_header("<f4", {100}) + std::string(400, '\0');
  expect_same(read(zip_of({compressed("a.npy", bytes), stored("b.c.npy", bytes)})),
              {{"a", zeros}, {"b.c", zeros}});
}

TEST_F(TensorFile, RefusesDamagedNpz) {
  EXPECT_HAS(refusal_of(zip_of({stored("archive/data.pkl", "1")})),
             "in: record 'archive/data.pkl' is not an array (.npy)");
  EXPECT_HAS(refusal_of(zip_of({stored("a.npy", "1")})), "in: record 'a.npy': not a .npy file");
  EXPECT_HAS(refusal_of(zip_of({stored("a.npy", npy(dict_of("|O", "()"), "1"))})),
             "in: record 'a.npy': holds Python objects");
  const std::string bytes = written("x.npz");
  EXPECT_HAS(refusal_of(bytes.substr(0, bytes.size() - 1)), "not a zip file, or one that is cut");
}

TEST_F(TensorFile, RefusesDamagedSafetensorsHeaders) {
  const auto with = [&](const std::string& header) {
    return refusal_of(safetensors(header, "1234"));
  };
  const auto entry = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  EXPECT_EQ(with(entry(good)), "");
  EXPECT_EQ(with(R"({"__metadata__":{"x":"y"},"a":{)" + good + "}}  "), "");
  EXPECT_HAS(with("{"), "in: damaged .safetensors header: it is not JSON at byte 2");
  EXPECT_HAS(with(entry(good) + "x"), "it is not JSON at byte");
  EXPECT_HAS(with("{\"\xff\":1}"), "it is not JSON at byte");
  EXPECT_HAS(with(R"({"a":1})"), "tensor 'a' has a number out of place");
  EXPECT_HAS(with(R"({"a":[1]})"), "tensor 'a' has a list out of place");
  EXPECT_HAS(with(entry("")), "tensor 'a' lacks its dtype, shape or data_offsets");
  EXPECT_HAS(with(entry(good + ",\"dtype\":\"F32\"")), "tensor 'a' has 'dtype' twice");
  EXPECT_HAS(with("{\"a\":{" + good + "},\"a\":{" + good + "}}"), "tensor 'a' occurs twice");
  EXPECT_HAS(with(entry(good + ",\"x\":1")), "tensor 'a' has the unknown field 'x'");
  EXPECT_HAS(with(entry("\"dtype\":null")), "tensor 'a' has null out of place");
  EXPECT_HAS(with(entry("\"shape\":[-1]")), "tensor 'a' has a negative number out of place");
  EXPECT_HAS(with(entry("\"shape\":[1.5]")), "tensor 'a' has a fraction out of place");
  EXPECT_HAS(with(entry("\"shape\":[true]")), "tensor 'a' has a bool out of place");
  EXPECT_HAS(with(entry("\"shape\":[[1]]")), "tensor 'a' has a list out of place");
  EXPECT_HAS(with(entry("\"shape\":[9223372036854775808]")), "has a number out of place");
  EXPECT_HAS(with(R"({"__metadata__":{"x":1}})"), "__metadata__ has a number out of place");
  std::string zeros = "0";
  for (int i = 0; i < 64; ++i) zeros += ",0";
  EXPECT_HAS(with(entry("\"shape\":[" + zeros + "]")), "more than 64 numbers in its shape");
  std::string deep = "{\"a\":";
  for (int i = 0; i < 1'000'000; ++i) deep += "{\"dtype\":";
  EXPECT_HAS(with(deep), "tensor 'a' has an object out of place");
}

TEST_F(TensorFile, RefusesSafetensorsDataThatDoesNotFitItsHeader) {
  const auto with = [&](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return refusal_of(safetensors(
        R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":")" + dtype +
            R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}}",
        "123456"));
  };
  EXPECT_EQ(with("F32", "1", "2,6"), "");
  EXPECT_HAS(with("F32", "1", "3,6"), "tensor 'b' begins at byte 3 of the data, not at 2");
  EXPECT_HAS(with("F32", "1", "1,6"), "tensor 'b' begins at byte 1 of the data, not at 2");
  EXPECT_HAS(with("F32", "1", "2,7"), "has 6 bytes of data, but its header announces 7");
  EXPECT_HAS(with("F32", "1", "2,5"), "has 6 bytes of data, but its header announces 5");
  EXPECT_HAS(with("F32", "2", "2,6"), "tensor 'b' has 4 bytes, but float32[2] takes 8");
  EXPECT_HAS(with("F32", "1", "6,2"), "tensor 'b' has data_offsets that are no range");
  EXPECT_HAS(with("F32", "1", "2"), "tensor 'b' has data_offsets that are no range");
  EXPECT_HAS(with("F4", "8", "2,6"), "tensor 'b' has the dtype 'F4', which cannot be read here");
  EXPECT_HAS(with("F32", "9223372036854775807", "2,6"), "has an impossible shape");
  EXPECT_HAS(with("BOOL", "4", "2,6"), "bools that are neither 0 nor 1");
}

TEST_F(TensorFile, KeepsSafetensorsAligned) {
  const std::string bytes = written("x.safetensors");
  EXPECT_EQ(load_little<std::uint64_t>(bytes, 0) % 8, 0u);
  EXPECT_HAS(bytes, R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},"b":{"dtype":)"
                    R"("BOOL","shape":[3],"data_offsets":[32,35]},"c":{"dtype":"I64","shape":[],)"
                    R"("data_offsets":[0,8]}})");
}

TEST_F(TensorFile, GoesByContentWhenReading) {
  for (const char* name : {"x.npy", "x.npz", "x.safetensors"}) {
    EXPECT_GE(read(written(name)).size(), 1u) << name;
  }
  for (const char* bytes :
       {"", "x", "hello world, hello", "\x80\x02}q\x01.", "\x08\0\0\0\0\0\0\0"}) {
    EXPECT_HAS(refusal_of(bytes), "in: not a .npy, .npz or .safetensors file");
  }
  EXPECT_HAS(refusal([&] { read_tensors(folder_ / "none"); }), "none: no such file");
}

TEST_F(TensorFile, RefusesToWriteWhatTheFormatLacks) {
  const at::Tensor tensor = sample(at::kFloat, {2});
  const auto one = [](const at::Tensor& value) { return NamedTensors{{"a", value}}; };
  EXPECT_HAS(refusal_to_write("x.pt", one(tensor)),
             "x.pt: unknown extension '.pt'\nName it .npy, "
             ".npz or .safetensors.");
  EXPECT_HAS(refusal_to_write("x", one(tensor)), "x: has no extension");
  EXPECT_HAS(refusal_to_write("x.npy", {}), "x.npy: a .npy file holds one tensor, not 0");
  EXPECT_HAS(refusal_to_write("x.npz", {{"a", tensor}, {"a", tensor}}),
             "two tensors are named 'a'");
  EXPECT_HAS(refusal_to_write("x.safetensors", {{"\xff", tensor}}),
             "the name '\\xff' is not UTF-8");
  EXPECT_HAS(refusal_to_write("x.npz", {{"../a", tensor}}), "record '../a.npy' has '..'");
  EXPECT_HAS(refusal_to_write("no/x.npz", one(tensor)), "x.npz: no folder '");
  const at::Tensor brain = sample(at::kBFloat16, {2});
  EXPECT_HAS(refusal_to_write("x.npy", one(brain)), "x.npy: the tensor is bfloat16, which numpy");
  EXPECT_HAS(refusal_to_write("x.npz", one(brain)),
             "x.npz: tensor 'a' is bfloat16, which numpy "
             "does not have\nWrite a .safetensors file");
  EXPECT_HAS(refusal_to_write("x.safetensors", one(sample(at::kComplexDouble, {2}))),
             "tensor 'a' is complex128, which the .safetensors format does not have");
  EXPECT_HAS(refusal_to_write("x.npz", one(at::Tensor())), "tensor 'a' is undefined");
  EXPECT_HAS(refusal_to_write("x.npz", one(tensor.to_sparse())), "tensor 'a' is not dense");
  EXPECT_HAS(refusal_to_write("x.npz", one(tensor.to(at::kMeta))), "on the meta device");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(TensorFile, SurvivesRandomDamage) {
  for (const char* name : {"x.npy", "x.npz", "x.safetensors"}) {
    const std::string good = written(name);
    std::mt19937 random(7);
    int refused = 0;
    for (int i = 0; i < 2000; ++i) refused += refusal_of(mutated(good, random)).empty() ? 0 : 1;
    EXPECT_GT(refused, 500) << name;
    for (std::size_t length = 0; length < good.size(); length += 3) {
      EXPECT_NE(refusal_of(good.substr(0, length)), "") << name << ' ' << length;
    }
  }
}

}  // namespace
}  // namespace torchship
