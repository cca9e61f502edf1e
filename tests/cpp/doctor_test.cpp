#include <gtest/gtest.h>
#include <torchship/doctor.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "doctor/control_group.h"
#include "doctor/parts.h"
#include "test_files.h"

namespace torchship {
namespace {

namespace fs = std::filesystem;

/// A machine about which there is nothing to say.
Diagnosis sound() {
  Diagnosis found;
  found.cpu.level = found.cpu.offered = "x86-64-v3";
  found.threads.cores = found.threads.allowed = found.threads.used = 4;
  found.libtorch.version = found.libtorch.built_with = "2.13.0";
  found.libtorch.kernels = "AVX2";
  found.cuda.why = "this LibTorch was built without CUDA";
  found.openmp = {"/lib/libgomp.so.1"};
  found.cache = {"/cache", "HOME", false, true, false, true, 1u << 30};
  found.memory.total = found.memory.available = std::uint64_t{8} << 30;
  return found;
}

/// "subject/code/severity" of the only remark; empty when there is none.
std::string remark(const Diagnosis& found) {
  const std::vector<Remark> remarks = remarks_on(found);
  if (remarks.empty()) return {};
  EXPECT_EQ(remarks.size(), 1u);
  EXPECT_FALSE(remarks[0].message.empty());
  EXPECT_FALSE(remarks[0].hint.empty());
  EXPECT_EQ(remarks[0].message.find('\n'), std::string::npos);
  return remarks[0].subject + "/" + remarks[0].code + "/" + remarks[0].severity;
}

TEST(Remarks, AreNoneOnASoundMachine) { EXPECT_EQ(remark(sound()), ""); }

TEST(Remarks, OnTheCpu) {
  Diagnosis found = sound();
  found.cpu.level = found.cpu.asked = "x86-64-v2";
  EXPECT_EQ(remark(found), "cpu/lowered-cpu/warning");
  found = sound();
  found.cpu.asked = "v2";
  EXPECT_EQ(remark(found), "cpu/unused-cpu-variable/warning");
  found.cpu.asked = "x86-64-v3";
  EXPECT_EQ(remark(found), "");
  found = sound();
  found.cpu.level = found.cpu.offered = "x86-64-v2";
  EXPECT_EQ(remark(found), "cpu/old-cpu/warning");
  found.cpu.level = found.cpu.offered = "";  // Another architecture.
  EXPECT_EQ(remark(found), "");
}

TEST(Remarks, OnThreads) {
  Diagnosis found = sound();
  found.threads.used = 5;
  EXPECT_EQ(remark(found), "threads/too-many-threads/warning");
  found.threads.used = 4;
  found.threads.quota = 2.5;
  EXPECT_EQ(remark(found), "threads/too-many-threads/warning");
  found.threads.used = 3;  // Half a core is enough for a thread.
  EXPECT_EQ(remark(found), "");
  found.threads.used = 1;
  found.threads.omp_num_threads = "1";
  EXPECT_EQ(remark(found), "threads/one-thread/warning");
  found.threads.quota = 0.5;
  EXPECT_EQ(remark(found), "");
  found.threads.governor = "powersave";
  EXPECT_EQ(remark(found), "threads/powersave/warning");
}

TEST(Remarks, OnLibTorch) {
  Diagnosis found = sound();
  found.libtorch.version = "2.13.1";
  EXPECT_EQ(remark(found), "");
  found.libtorch.version = "2.1.3";
  EXPECT_EQ(remark(found), "libtorch/other-libtorch/problem");
  found.remarks = remarks_on(found);
  EXPECT_FALSE(found.passed());
  found = sound();
  found.libtorch.kernels = "DEFAULT";
  EXPECT_EQ(remark(found), "libtorch/slow-kernels/warning");
  found.remarks = remarks_on(found);
  EXPECT_TRUE(found.passed());
}

TEST(Remarks, OnCuda) {
  Diagnosis found = sound();
  found.cuda.why = "there is no CUDA driver: libcuda.so.1: cannot open shared object file";
  EXPECT_EQ(remark(found), "cuda/no-cuda-device/warning");
  found.cuda = {2, "12.4", ""};
  EXPECT_EQ(remark(found), "");
}

TEST(Remarks, OnOpenMP) {
  Diagnosis found = sound();
  found.openmp.push_back("/other/libiomp5.so");
  EXPECT_EQ(remark(found), "openmp/duplicate-openmp/warning");
  const std::string message = remarks_on(found)[0].message;
  EXPECT_NE(message.find("/lib/libgomp.so.1, /other/libiomp5.so"), std::string::npos) << message;
}

TEST(Remarks, OnTheCache) {
  Diagnosis found = sound();
  found.cache.writable = false;
  EXPECT_EQ(remark(found), "cache/read-only-cache/warning");
  found = sound();
  found.cache.shared = true;
  EXPECT_EQ(remark(found), "cache/shared-cache/warning");
  found = sound();
  found.cache.executable = false;
  EXPECT_EQ(remark(found), "cache/noexec-cache/warning");
  found = sound();
  found.cache.free = 1000;
  EXPECT_EQ(remark(found), "cache/full-cache/warning");
  found.cache = {};
  EXPECT_EQ(remark(found), "cache/no-cache/warning");
}

TEST(Remarks, OnMemory) {
  Diagnosis found = sound();
  found.memory.limit = std::uint64_t{2} << 30;
  EXPECT_EQ(remark(found), "");
  found.memory.limit = 1u << 28;
  EXPECT_EQ(remark(found), "memory/small-memory-limit/warning");
  found.memory.limit.reset();
  found.memory.available = 1u << 28;
  EXPECT_EQ(remark(found), "memory/little-memory/warning");
}

TEST(OpenMPRuntimes, AreKnownByName) {
  const std::vector<fs::path> runtimes = {"/a/libgomp.so.1", "/b/libgomp-a34b3233.so.1",
                                          "/c/libiomp5.so",  "/d/libomp.so",
                                          "/e/libomp5.so.5", "/f/libomp-140.so"};
  std::vector<fs::path> files = runtimes;
  files.insert(files.begin() + 2,
               {"/g/libompl.so", "/h/libgompertz.so", "/i/libc.so.6", "/j/libomp"});
  EXPECT_EQ(openmp_runtimes(files), runtimes);
}

/// A root with the /proc and /sys of a machine.
class ControlGroups : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  ControlGroupLimits limits() const { return control_group_limits(folder_.path()); }

 private:
  test::TempFolder folder_;
};

TEST_F(ControlGroups, MayBeAbsent) {
  EXPECT_FALSE(limits().cores);
  EXPECT_FALSE(limits().bytes);
}

TEST_F(ControlGroups, OfVersion2AreTheTightestOfAllAbove) {
  write("proc/self/cgroup", "0::/machine/job");
  write("sys/fs/cgroup/machine/job/cpu.max", "max 100000");
  write("sys/fs/cgroup/machine/job/memory.max", "2000000");
  write("sys/fs/cgroup/machine/cpu.max", "150000 100000");
  write("sys/fs/cgroup/machine/memory.max", "1000000");
  EXPECT_EQ(limits().cores, 1.5);
  EXPECT_EQ(limits().bytes, 1000000u);
}

TEST_F(ControlGroups, OfAContainerAreAtTheTop) {
  write("proc/self/cgroup", "0::/../job");
  write("sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(limits().cores, 0.5);
  EXPECT_FALSE(limits().bytes);
}

TEST_F(ControlGroups, OfVersion1HaveControllers) {
  write("proc/self/cgroup", "9:memory:/job\n4:cpu,cpuacct:/job\n1:name=systemd:/job");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3000000");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(limits().cores, 2.0);
  EXPECT_EQ(limits().bytes, 3000000u);
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1");
  EXPECT_FALSE(limits().cores);
}

TEST_F(ControlGroups, MayHoldNonsense) {
  write("proc/self/cgroup", "nonsense\n0::/job\n::");
  write("sys/fs/cgroup/job/cpu.max", "much");
  write("sys/fs/cgroup/job/memory.max", "-5");
  EXPECT_FALSE(limits().cores);
  EXPECT_FALSE(limits().bytes);
}

TEST(Diagnose, FindsThisProcess) {
  const Diagnosis found = diagnose();
  EXPECT_GE(found.threads.cores, found.threads.allowed);
  EXPECT_GE(found.threads.allowed, 1);
  EXPECT_EQ(found.libtorch.path.filename(), "libtorch_cpu.so");
  EXPECT_TRUE(fs::exists(found.libtorch.path));
  EXPECT_EQ(found.libtorch.version, found.libtorch.built_with);
  EXPECT_EQ(found.cuda.devices == 0, !found.cuda.why.empty());
  EXPECT_GT(found.memory.total, found.memory.available);
  EXPECT_TRUE(found.system.kernel.starts_with("Linux "));
  EXPECT_FALSE(found.openmp.empty());
}

}  // namespace
}  // namespace torchship
