#include "fuzz/archive.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>

#include <nlohmann/json.hpp>

#include "archive/sha256.h"
#include "archive/zip.h"
#include "zip_builder.h"

namespace torchship::fuzz {
namespace {

constexpr std::string_view kManifest = "extra/torchship/manifest.json";

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string sha256(std::string_view bytes) {
  Sha256 sum;
  sum.update(bytes);
  return sum.finish();
}

}  // namespace

bool is_manifest(const Record& record) { return record.name.ends_with(kManifest); }

bool Seed::has_manifest() const {
  return std::any_of(records.begin(), records.end(), is_manifest);
}

Seed read_seed(const std::filesystem::path& path) {
  Seed seed{.path = path, .bytes = bytes_of(path), .folder = {}, .records = {}};
  const ZipReader zip(std::make_shared<const File>(path));
  for (const ZipEntry& entry : zip.entries()) {
    seed.records.push_back({entry.name, zip.read(entry, seed.bytes.size() * 1032)});
  }
  const std::string& first = seed.records.front().name;
  seed.folder = first.substr(0, first.find('/') + 1);
  return seed;
}

std::string pack(const std::vector<Record>& records) {
  std::vector<test::ZipRecord> zip;
  for (const Record& record : records) zip.push_back(test::stored(record.name, record.data));
  return test::zip_of(zip);
}

void renew_digests(std::vector<Record>& records, const std::string& folder) {
  const auto manifest = std::find_if(records.begin(), records.end(), is_manifest);
  if (manifest == records.end()) return;
  nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(manifest->data, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  nlohmann::ordered_json digests = nlohmann::ordered_json::object();
  for (const Record& record : records) {
    if (!is_manifest(record) && record.name.starts_with(folder)) {
      digests[record.name.substr(folder.size())] = sha256(record.data);
    }
  }
  json["records"] = std::move(digests);
  manifest->data = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace torchship::fuzz
