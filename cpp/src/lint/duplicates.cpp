#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "archive/sha256.h"
#include "lint/rules.h"

namespace torchship {
namespace {

/// Sums up the bytes of a record, and whether they are one value over and over, as of zeros.
class Content {
 public:
  void take(std::string_view bytes) {
    sum_.update(bytes);
    for (const char byte : bytes) {
      if (length_ < kPattern) {
        pattern_[length_] = byte;
      } else {
        uniform_ = uniform_ && byte == pattern_[length_ % kPattern];
      }
      ++length_;
    }
  }

  bool is_uniform() const { return uniform_; }
  std::string digest() { return sum_.finish(); }

 private:
  static constexpr std::size_t kPattern = 16;  ///< Bytes of the longest element.

  Sha256 sum_;
  char pattern_[kPattern] = {};
  std::size_t length_ = 0;
  bool uniform_ = true;
};

/// In the order of the file.
struct ByPosition {
  bool operator()(const ZipEntry* a, const ZipEntry* b) const { return a->offset < b->offset; }
};

/// The tensors of each record of weights, by their paths.
using TensorsByRecord = std::map<const ZipEntry*, std::vector<std::string>, ByPosition>;

TensorsByRecord tensors_by_record(const Subject& subject) {
  TensorsByRecord tensors;
  const auto add = [&](const HeldTensor& held, bool is_constant, std::string path) {
    if (const ZipEntry* record = subject.record_of(held, is_constant)) {
      tensors[record].push_back(std::move(path));
    }
  };
  for (const ModuleNode& module : subject.modules()) {
    for (const HeldTensor& held : module.tensors) {
      add(held, false, tensor_path(module, held.attribute));
    }
  }
  for (const HeldTensor& held : subject.constants()) add(held, true, held.attribute);
  return tensors;
}

using Alike = std::vector<const ZipEntry*>;

/// Records that the directory of the zip says may be equal.
std::vector<Alike> candidates(const TensorsByRecord& tensors) {
  constexpr std::uint64_t kSmallest = 1025;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Alike> groups;
  for (const auto& [record, paths] : tensors) {
    if (record->size >= kSmallest) groups[{record->size, record->crc32}].push_back(record);
  }
  std::vector<Alike> alike;
  for (auto& [key, records] : groups) {
    if (records.size() > 1) alike.push_back(std::move(records));
  }
  return alike;
}

}  // namespace

std::vector<Hit> find_duplicate_weights(const Subject& subject) {
  const TensorsByRecord tensors = tensors_by_record(subject);
  std::vector<Hit> hits;
  for (const Alike& records : candidates(tensors)) {
    std::map<std::string, Alike> by_digest;
    for (const ZipEntry* record : records) {
      Content content;
      subject.zip().stream(*record, [&](std::string_view bytes) { content.take(bytes); });
      if (!content.is_uniform()) by_digest[content.digest()].push_back(record);
    }
    for (const auto& [digest, equal] : by_digest) {
      if (equal.size() < 2) continue;
      const std::string& first = tensors.at(equal[0]).front();
      const std::uint64_t size = equal[0]->size;
      hits.push_back(hit(make_finding(
          "duplicate-weights", "note",
          "the " + std::to_string(size) + " bytes of " + tensors.at(equal[1]).front() +
              (equal.size() > 2 ? " and of " + std::to_string(equal.size() - 2) + " more" : "") +
              " are those of " + first + " once more: the file and the memory hold them " +
              std::to_string(equal.size()) + " times",
          "share the tensor between the modules before they are saved", first)));
    }
  }
  return hits;
}

}  // namespace torchship
