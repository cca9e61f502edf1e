// Compiled engines without a compiler: where they are unpacked, what they take, whom they fit.
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "compiled/accept.h"
#include "compiled/cache_folder.h"
#include "compiled/library.h"
#include "compiled/package.h"
#include "compiled/target.h"
#include "compiled/unpack.h"
#include "cpu.h"
#include "libtorch_version.h"
#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using test::TempFolder;

/// An environment variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

class Cache : public ::testing::Test {
 protected:
  Cache() : variable_("TORCHSHIP_CACHE", (folder_ / "cache").string()) {}

  LibraryBytes bytes(std::string_view library, std::string_view json = {}) {
    return {.key = "key", .library = library, .extern_kernels = json, .verify = [this] { ++verified_; }};
  }

  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {
      count += entry.path().extension() == ".so" ? 1 : 0;
    }
    return count;
  }

  TempFolder folder_;
  Variable variable_;
  std::atomic<int> verified_ = 0;
};

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const EngineError& error) {
    return error.message();
  }
  return {};
}

TEST_F(Cache, IsFilledOnce) {
  const Unpacked first = Unpacked::to(UnpackPlace::cache, bytes("code", "{}"));
  EXPECT_EQ(first.path(), folder_ / "cache" / "key.so");
  EXPECT_EQ(test::bytes_of_file(first.path()), "code");
  EXPECT_EQ(test::bytes_of_file(folder_ / "cache" / "key.json"), "{}");
  const auto written = std::filesystem::last_write_time(first.path());
  const Unpacked second = Unpacked::to(UnpackPlace::cache, bytes("code", "{}"));
  EXPECT_EQ(std::filesystem::last_write_time(second.path()), written);
  EXPECT_EQ(verified_, 1);
  struct stat status = {};
  ASSERT_EQ(::stat((folder_ / "cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST_F(Cache, IsFilledOnceByManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] { Unpacked::to(UnpackPlace::cache, bytes(std::string_view("code"))); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(verified_, 1);
  EXPECT_EQ(files(), 1U);
}

TEST_F(Cache, OtherBytesAreWrittenAnew) {
  const Unpacked right = Unpacked::to(UnpackPlace::cache, bytes("code"));
  ::chmod(right.path().c_str(), 0700);
  folder_.file("cache/key.so", "evil");
  const Unpacked again = Unpacked::to(UnpackPlace::cache, bytes("code"));
  EXPECT_EQ(test::bytes_of_file(again.path()), "code");
  EXPECT_EQ(verified_, 2);
}

TEST_F(Cache, LinksAreNotFollowed) {
  std::filesystem::create_directory(folder_ / "cache");
  const auto elsewhere = folder_.file("elsewhere", "code");
  std::filesystem::create_symlink(elsewhere, folder_ / "cache" / "key.so");
  const Unpacked unpacked = Unpacked::to(UnpackPlace::cache, bytes("code"));
  EXPECT_FALSE(std::filesystem::is_symlink(unpacked.path()));
}

TEST_F(Cache, OfOthersIsNotUsed) {
  std::filesystem::create_directory(folder_ / "cache");
  ::chmod((folder_ / "cache").c_str(), 0777);
  EXPECT_NE(failure([&] { Unpacked::to(UnpackPlace::cache, bytes("code")); }).find("others may write"),
            std::string::npos);
}

TEST_F(Cache, RefusedBytesAreNotWritten) {
  LibraryBytes refused = bytes("code");
  refused.verify = [] { throw ArchiveError("damaged"); };
  EXPECT_EQ(test::refusal([&] { Unpacked::to(UnpackPlace::cache, refused); }), "damaged");
  EXPECT_EQ(files(), 0U);
}

TEST_F(Cache, KernelsForAGpuAreBesideTheLibraryUntilItGoes) {
  LibraryBytes with_kernels = bytes("code");
  with_kernels.device_kernels = {{.name = "a.cubin", .bytes = "A"}, {.name = "b.cubin", .bytes = "B"}};
  const Unpacked cached = Unpacked::to(UnpackPlace::cache, with_kernels);
  EXPECT_EQ(cached.kernels(), folder_ / "cache" / "key.kernels");
  EXPECT_EQ(test::bytes_of_file(cached.kernels() / "b.cubin"), "B");
  ::chmod((cached.kernels() / "b.cubin").c_str(), 0700);
  folder_.file("cache/key.kernels/b.cubin", "X");
  Unpacked::to(UnpackPlace::cache, with_kernels);
  EXPECT_EQ(test::bytes_of_file(cached.kernels() / "b.cubin"), "B");
  EXPECT_EQ(verified_, 2);

  EXPECT_NE(failure([&] { Unpacked::to(UnpackPlace::memory, with_kernels); }), "");
  std::filesystem::path kernels;
  {
    Unpacked temporary = Unpacked::to(UnpackPlace::temporary, with_kernels);
    temporary.clean_up();  // The library reads them later.
    kernels = temporary.kernels();
    EXPECT_EQ(test::bytes_of_file(kernels / "a.cubin"), "A");
  }
  EXPECT_FALSE(std::filesystem::exists(kernels));
  EXPECT_EQ(Unpacked::to(UnpackPlace::cache, bytes("code")).kernels(), "");
}

TEST_F(Cache, MemoryAndTemporaryFilesGo) {
  std::filesystem::path memory, temporary;
  {
    const Unpacked first = Unpacked::to(UnpackPlace::memory, bytes("code"));
    const Unpacked second = Unpacked::to(UnpackPlace::temporary, bytes("code", "{}"));
    memory = first.path();
    temporary = second.path();
    EXPECT_EQ(test::bytes_of_file(memory), "code");
    EXPECT_EQ(test::bytes_of_file(temporary), "code");
  }
  EXPECT_FALSE(std::filesystem::exists(temporary.parent_path()));
  EXPECT_FALSE(std::filesystem::exists(memory) && test::bytes_of_file(memory) == "code");
}

TEST_F(Cache, WhatIsNoLibraryIsOneMessage) {
  const std::string message = failure([&] { load_library(bytes("no library"), {}); });
  EXPECT_NE(message.find("the compiled library cannot be loaded"), std::string::npos) << message;
}

TEST(CacheFolder, IsWhereTheVariablesSay) {
  const Variable own("TORCHSHIP_CACHE", "");
  const Variable caches("XDG_CACHE_HOME", "/caches");
  EXPECT_EQ(cache_folder().path, "/caches/torchship");
  const Variable none("XDG_CACHE_HOME", "");
  const Variable home("HOME", "/home/me");
  EXPECT_EQ(cache_folder().path, "/home/me/.cache/torchship");
  EXPECT_EQ(cache_folder().variable, "HOME");
  const Variable homeless("HOME", "");
  EXPECT_EQ(cache_folder().path, "");
}

// What an engine takes.

ValueSpec tensor_spec(std::vector<Dimension> shape, const std::string& name = "x") {
  ValueSpec spec;
  spec.name = name;
  spec.kind = Kind::tensor;
  spec.dtype = at::kFloat;
  spec.shape = std::move(shape);
  return spec;
}

MethodInfo rows(std::int64_t least, std::optional<std::int64_t> most) {
  MethodInfo method;
  method.name = "forward";
  method.dimensions = {{.name = "rows", .min = least, .max = most, .multiple_of = 1, .tried = {}}};
  method.inputs = {tensor_spec({{.size = -1, .symbol = 0}, {.size = 3, .symbol = -1}}),
                   tensor_spec({{.size = -1, .symbol = 0}}, "y")};
  return method;
}

bool takes(const MethodInfo& method, const Value& x, const Value& y) {
  TensorList tensors;
  const bool taken = accept(method, {&x, &y}, tensors);
  EXPECT_TRUE(!taken || tensors.size() == 2);
  return taken;
}

TEST(Accept, SizesDtypesAndKinds) {
  const MethodInfo method = rows(2, 8);
  EXPECT_TRUE(takes(method, at::ones({2, 3}), at::ones({2})));
  EXPECT_FALSE(takes(method, at::ones({2, 3}), at::ones({4})));
  EXPECT_FALSE(takes(method, at::ones({1, 3}), at::ones({1})));
  EXPECT_FALSE(takes(method, at::ones({9, 3}), at::ones({9})));
  EXPECT_FALSE(takes(method, at::ones({2, 4}), at::ones({2})));
  EXPECT_FALSE(takes(method, at::ones({2, 3}, at::kDouble), at::ones({2})));
  EXPECT_FALSE(takes(method, at::ones({2, 3, 1}), at::ones({2})));
  EXPECT_FALSE(takes(method, at::ones({2, 3}).to_sparse(), at::ones({2})));
  EXPECT_FALSE(takes(method, at::ones({2, 3}), 3.0));
}

TEST(Accept, ConstantsAndWhatIsLeftOut) {
  MethodInfo method = rows(1, std::nullopt);
  method.inputs[1] = {};
  method.inputs[1].kind = Kind::string;
  method.inputs[1].constant = Value("mean");
  const Value x = at::ones({1, 3}), mean = "mean", sum = "sum";
  TensorList tensors;
  EXPECT_TRUE(accept(method, {&x, &mean}, tensors));
  EXPECT_FALSE(accept(method, {&x, &sum}, tensors));
  EXPECT_FALSE(accept(method, {&x, nullptr}, tensors));
  method.inputs[1].optional = true;
  EXPECT_TRUE(accept(method, {&x, nullptr}, tensors));
}

TEST(Accept, ResultsAreBuiltAgain) {
  ValueSpec output;
  output.kind = Kind::dict;
  output.items.emplace_back().kind = Kind::integer;
  ValueSpec pair;
  pair.kind = Kind::tuple;
  pair.members = {tensor_spec({}, "a"), tensor_spec({}, "b")};
  pair.name = "7";
  ValueSpec number;
  number.kind = Kind::integer;
  number.constant = Value(5);
  number.name = "8";
  output.members = {pair, number};
  TensorList tensors{at::ones({1}), at::ones({2})};
  const Value built = build_result(output, std::move(tensors));
  EXPECT_EQ(built.entries().at(0).first.integer(), 7);
  EXPECT_EQ(built.entries().at(0).second["b"].tensor().size(0), 2);
  EXPECT_EQ(built.entries().at(1).second.integer(), 5);
}

TEST(Accept, OneEngineLeavesNothingToAnother) {
  MethodInfo one = rows(1, 1);
  EXPECT_TRUE(covers(rows(1, std::nullopt), rows(2, 8)));
  EXPECT_FALSE(covers(rows(2, 8), rows(1, std::nullopt)));
  one.inputs[0] = tensor_spec({{.size = 4, .symbol = -1}, {.size = 3, .symbol = -1}});
  one.inputs[1] = tensor_spec({{.size = 4, .symbol = -1}}, "y");
  EXPECT_TRUE(covers(rows(2, 8), one));
  EXPECT_FALSE(covers(one, rows(2, 8)));
}

// Whom an engine fits.

EngineInfo engine(const std::string& isa) {
  EngineInfo info;
  info.target = {{"device", "cpu"}, {"isa", isa}, {"torch", running_libtorch()}, {"threads", "1"}};
  info.ratio = 0.25;
  info.beside = "planned";
  return info;
}

TEST(Target, OlderAndNewerProcessors) {
  const LoadOptions options{.threads = 1};
  if (cpu_level().empty()) GTEST_SKIP() << "not an x86-64 processor";
  EXPECT_EQ(misfit(engine("x86-64-v1"), options), "");
  const Variable older("TORCHSHIP_CPU", "x86-64-v1");
  EXPECT_EQ(misfit(engine("x86-64-v3"), options),
            "it needs a CPU of level x86-64-v3, and this one is x86-64-v1");
}

TEST(Target, OtherMachinesAndVersions) {
  const LoadOptions options{.threads = 1};
  EngineInfo other = engine("x86-64-v1");
  other.target["torch"] = "2.3.1";
  EXPECT_EQ(misfit(other, options),
            "it was compiled with torch 2.3.1, and this process runs LibTorch " + running_libtorch());
  other = engine("x86-64-v1");
  other.target["arch"] = "riscv64";
  EXPECT_NE(misfit(other, options).find("it is code for riscv64, and this is "), std::string::npos);
  other = engine("native");
  other.target["features"] = "fpu xyzzy";
  EXPECT_NE(misfit(other, options).find("a CPU with "), std::string::npos);
  other = engine("x86-64-v1");
  other.target["device"] = "cuda";
  EXPECT_EQ(misfit(other, options), "it is for cuda, and the model is on cpu");
}

TEST(Target, CodeForOneThreadIsTakenOnMoreWhereItIsFasterStill) {
  LoadOptions options{.threads = 4};
  EngineInfo other = engine("x86-64-v1");  // A quarter of the time.
  EXPECT_EQ(slower(other, options), "");
  options.threads = 8;
  EXPECT_EQ(expected_ratio(other, options), 2);
  EXPECT_EQ(slower(other, options), "it was made for 1 thread, and the model has 8");
  EXPECT_EQ(misfit(other, options), "");  // Who asks for it gets it.
  other.target["threads"] = "2";
  EXPECT_EQ(slower(other, options), "");
  other = engine("x86-64-v1");
  other.ratio.reset();  // Of a level that could not run where it was compiled.
  EXPECT_EQ(slower(other, options), "it was made for 1 thread, and the model has 8");
  options.threads = 1;
  EXPECT_EQ(slower(other, options), "");
}

TEST(Target, CodeForOneCpuIsNotForAnOlderOne) {
  if (cpu_level().empty() || cpu_level() == "x86-64-v1") GTEST_SKIP() << "there is none older";
  const LoadOptions options{.threads = 1};
  EXPECT_EQ(misfit(engine("native"), options), "");
  const Variable older("TORCHSHIP_CPU", "x86-64-v1");
  EXPECT_EQ(misfit(engine("native"), options),
            "it was compiled for one CPU alone, and TORCHSHIP_CPU says that this is another");
}

TEST(Target, EnginesThatWereSlowerAreLeftAlone) {
  const LoadOptions options{.threads = 1};
  EngineInfo other = engine("x86-64-v1");
  EXPECT_EQ(slower(other, options), "");
  other.ratio = 1.5;
  EXPECT_EQ(slower(other, options), "it was slower than planned where it was compiled");
  other.ratio = 0.5;
  other.beside = "interpreter";
  EXPECT_EQ(slower(other, options),
            "it was measured beside interpreter, and planned runs here: compile it again");
  EXPECT_EQ(slower(other, {.device = at::Device(at::kCUDA)}), "");
  other.ratio.reset();
  EXPECT_EQ(slower(other, options), "");
}

TEST(PackageTest, HoldsOneLibraryOrSaysWhatItHolds) {
  const TempFolder folder;
  const auto package = [&](std::vector<test::ZipRecord> records) {
    return Package(std::make_shared<const File>(folder.file("m.pt2", test::zip_of(records))));
  };
  const std::string at = "m/data/aotinductor/model/";
  const auto full = package({test::stored(at + "x.wrapper.so", "code"),
                             test::stored(at + "x.wrapper_metadata.json", R"({"AOTI_DEVICE_KEY": "cpu"})"),
                             test::compressed(at + "x.wrapper.json", "{}")});
  EXPECT_EQ(full.library(), "code");
  EXPECT_EQ(full.extern_kernels(), "{}");
  EXPECT_EQ(full.metadata().at("AOTI_DEVICE_KEY"), "cpu");
  EXPECT_NE(test::refusal([&] { package({test::stored(at + "x.wrapper.cpp", "int x;")}).library(); })
                .find("torchship starts no compiler"),
            std::string::npos);
  EXPECT_NE(test::refusal([&] {
              package({test::stored(at + "x.so", "1"), test::stored(at + "y.so", "2")});
            }).find("two libraries"),
            std::string::npos);
}

}  // namespace
}  // namespace torchship
