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

/// The tensors of each record of weights, by their paths.
std::map<std::string, std::vector<std::string>> tensors_by_record(const Subject& subject) {
  std::map<std::string, std::vector<std::string>> tensors;
  for (const ModuleNode& module : subject.modules) {
    for (const HeldTensor& held : module.tensors) {
      tensors["data/" + held.tensor.storage].push_back(tensor_path(module, held.attribute));
    }
  }
  const Pickle pickle(subject.file.read("constants.pkl"), subject.file.place("constants.pkl"));
  const auto& constants = pickle.root().children;
  for (std::size_t i = 0; i < constants.size(); ++i) {
    if (const auto tensor = tensor_of(pickle, pickle[constants[i]])) {
      tensors["constants/" + tensor->storage].push_back("c" + std::to_string(i));
    }
  }
  return tensors;
}

using Alike = std::vector<std::string>;  ///< Records.

/// Records that the directory of the zip says may be equal.
std::vector<Alike> candidates(const Subject& subject,
                              const std::map<std::string, std::vector<std::string>>& tensors) {
  constexpr std::uint64_t kSmallest = 1025;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Alike> groups;
  for (const auto& [record, paths] : tensors) {
    const ZipEntry* entry = subject.file.find(record);
    if (entry != nullptr && entry->size >= kSmallest) {
      groups[{entry->size, entry->crc32}].push_back(record);
    }
  }
  std::vector<Alike> alike;
  for (auto& [key, records] : groups) {
    if (records.size() > 1) alike.push_back(std::move(records));
  }
  return alike;
}

}  // namespace

std::vector<Hit> find_duplicate_weights(const Subject& subject) {
  const auto tensors = tensors_by_record(subject);
  std::vector<Hit> hits;
  for (const Alike& records : candidates(subject, tensors)) {
    std::map<std::string, Alike> by_digest;
    for (const std::string& record : records) {
      Content content;
      subject.file.stream(*subject.file.find(record),
                          [&](std::string_view bytes) { content.take(bytes); });
      if (!content.is_uniform()) by_digest[content.digest()].push_back(record);
    }
    for (const auto& [digest, equal] : by_digest) {
      if (equal.size() < 2) continue;
      const std::string& first = tensors.at(equal[0]).front();
      const std::uint64_t size = subject.file.find(equal[0])->size;
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
