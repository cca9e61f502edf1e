#include "compiled/package.h"

#include <torchship/error.h>

#include "manifest/field.h"
#include "manifest/json.h"

namespace torchship {
namespace {

constexpr std::uint64_t kLargestText = std::uint64_t{256} << 20;
constexpr std::uint64_t kLargestLibrary = std::uint64_t{1} << 40;

std::map<std::string, std::string> parse_metadata(const std::string& text, const std::string& place) {
  const Json json = parse_manifest_json(text, place);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : Field(json, place).members()) metadata[key] = value.string();
  return metadata;
}

/// Of CUDA, ROCm and XPU, in this order; beside the library, in no folder of its own.
bool is_device_code(const std::string& name) {
  return name.find('/') == std::string::npos &&
         (name.ends_with(".cubin") || name.ends_with(".fatbin") || name.ends_with(".hsaco") ||
          name.ends_with(".spv"));
}

}  // namespace

Package::Package(std::shared_ptr<const File> file, const std::string& model)
    : zip_(std::move(file)) {
  const std::string folder = "data/aotinductor/" + model + "/";
  for (const ZipEntry& entry : zip_.entries()) {
    const std::size_t at = entry.name.find(folder);
    if (at == std::string::npos || (at > 0 && entry.name[at - 1] != '/')) continue;
    const std::string name = entry.name.substr(at + folder.size());
    if (name.ends_with(".so")) {
      if (library_ != nullptr) throw ArchiveError(this->name() + ": holds two libraries for one model");
      library_ = &entry;
    } else if (name.ends_with("wrapper_metadata.json")) {
      metadata_ = parse_metadata(zip_.read(entry, kLargestText), this->name() + ": " + entry.name);
    } else if (name.ends_with(".wrapper.json")) {
      extern_kernels_ = zip_.read(entry, kLargestText);
    } else if (name.ends_with(".wrapper.cpp")) {
      source_ = zip_.read(entry, kLargestText);
    } else if (is_device_code(name)) {
      add_kernel(entry, name);
    }
  }
}

void Package::add_kernel(const ZipEntry& entry, std::string name) {
  std::string& copy = kernel_copies_.emplace_back();
  device_kernels_.push_back({.name = std::move(name), .bytes = bytes(entry, copy)});
}

std::string_view Package::bytes(const ZipEntry& entry, std::string& copy) const {
  if (const auto seen = zip_.view(entry, zip_.file().bytes())) return *seen;
  if (copy.empty()) copy = zip_.read(entry, kLargestLibrary);
  return copy;
}

std::string_view Package::library() const {
  if (library_ == nullptr) {
    throw ArchiveError(name() + ": holds no compiled library",
                       "torchship starts no compiler: package it without package_cpp_only");
  }
  return bytes(*library_, library_copy_);
}

std::shared_ptr<const File> nested_file(const ZipReader& zip, const ZipEntry& entry) {
  const std::string name = zip.file().path().string() + ": " + entry.name;
  if (const auto seen = zip.view(entry, zip.file().bytes())) {
    return std::make_shared<const File>(std::span(seen->data(), seen->size()), name, nullptr);
  }
  const auto copy = std::make_shared<const std::string>(zip.read(entry, kLargestLibrary));
  return std::make_shared<const File>(std::span(copy->data(), copy->size()), name, copy);
}

}  // namespace torchship
