#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "archive/zip.h"
#include "exported/stored_tensor.h"
#include "exported/torch_save.h"

namespace torchship {

/// The zip file that torch.export.save writes, in any of its forms:
///
/// - torch 2.8 and later, a package (torch/export/pt2_archive): `models/<name>.json`, weights and
///   constants as records of their own with a JSON that describes them, all in one folder;
/// - 2.8 with `data/weights/<name>.pt`, what torch.save writes, in the place of those records;
/// - 2.6 and 2.7: `serialized_exported_program.json` and three files of torch.save, without a folder.
class ProgramArchive {
 public:
  /// Whether a zip file is one of these, by the names of its records.
  static bool recognises(const ZipReader& zip);

  /// Throws ArchiveError where it is none, or holds several programs.
  explicit ProgramArchive(ZipReader zip);

  const ZipReader& zip() const { return zip_; }
  /// The folder that all records are in, with its slash; empty for old files.
  const std::string& folder() const { return folder_; }
  std::string name() const { return zip_.file().path().string(); }
  std::string place(const std::string& record) const { return name() + ": " + record; }
  const ZipEntry* find(const std::string& record) const { return zip_.find(folder_ + record); }

  /// The program's JSON, and what it is called.
  std::string program_text() const;
  std::string program_place() const { return place(program_); }

  /// The file of torch.save with example inputs; null where there is none.
  const ZipEntry* sample_inputs() const;

  /// Weights and constants by the names that the signature has. Objects that are no tensors are left out, as are
  /// tensors that were pickled with their class. Throws ArchiveError.
  StoredTensors tensors() const;

 private:
  void add_described(const std::string& config, const std::string& folder,
                     StoredTensors& tensors) const;
  void add_pickled(const std::string& record, StoredTensors& tensors) const;

  ZipReader zip_;
  std::string folder_;
  std::string program_;  ///< The record of the program.
  std::string model_;    ///< "model"; empty for old files.
  /// Files of torch.save inside this one, which hold the tensors.
  mutable std::map<std::string, std::unique_ptr<const TorchSaveFile>> nested_;
};

}  // namespace torchship
