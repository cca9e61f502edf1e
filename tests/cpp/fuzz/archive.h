#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace torchship::fuzz {

/// One record of an archive, inflated.
struct Record {
  std::string name;
  std::string data;
};

bool is_manifest(const Record& record);

/// An archive that is right, to be made wrong.
struct Seed {
  std::filesystem::path path;
  std::string bytes;
  std::string folder;  ///< The top folder, with its slash.
  std::vector<Record> records;

  bool has_manifest() const;
};

Seed read_seed(const std::filesystem::path& path);

/// A zip file of these records, all stored.
std::string pack(const std::vector<Record>& records);

/// Writes the digests of the records into the manifest, where there is one that can be read.
void renew_digests(std::vector<Record>& records, const std::string& folder);

}  // namespace torchship::fuzz
