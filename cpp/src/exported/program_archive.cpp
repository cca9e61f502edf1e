#include "exported/program_archive.h"

#include <algorithm>
#include <iterator>

#include <torchship/error.h>

#include "exported/json_access.h"
#include "exported/parse_program.h"
#include "exported/torch_save.h"

namespace torchship {
namespace {

constexpr std::string_view kModels = "models/";
constexpr std::string_view kOldProgram = "serialized_exported_program.json";

/// The records of programs: "folder/models/model.json".
std::vector<const ZipEntry*> programs_of(const ZipReader& zip) {
  std::vector<const ZipEntry*> programs;
  for (const ZipEntry& entry : zip.entries()) {
    const std::size_t at = entry.name.find(kModels);
    const bool begins = at == 0 || (at != std::string::npos && entry.name[at - 1] == '/' &&
                                    entry.name.find('/') == at - 1);
    if (begins && entry.name.ends_with(".json")) programs.push_back(&entry);
  }
  return programs;
}

/// torch.export's JSON has no way to write these, and torch 2.6 wrote them as Python does.
std::string with_quoted_infinities(std::string text) {
  constexpr std::string_view kWords[] = {"-Infinity", "Infinity", "NaN"};
  std::string quoted;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (inside && letter == '\\') {
      quoted += letter;
      if (++i < text.size()) quoted += text[i];
      continue;
    }
    if (letter == '"') inside = !inside;
    const auto* word = inside ? std::end(kWords)
                              : std::find_if(std::begin(kWords), std::end(kWords),
                                             [&](std::string_view each) {
                                               return text.compare(i, each.size(), each) == 0;
                                             });
    if (word == std::end(kWords)) {
      quoted += letter;
    } else {
      quoted.append("\"").append(*word).append("\"");
      i += word->size() - 1;
    }
  }
  return quoted;
}

}  // namespace

bool ProgramArchive::recognises(const ZipReader& zip) {
  return zip.find(kOldProgram) != nullptr || !programs_of(zip).empty();
}

ProgramArchive::ProgramArchive(ZipReader zip) : zip_(std::move(zip)) {
  if (zip_.find(kOldProgram) != nullptr) {
    program_ = kOldProgram;
  } else {
    const std::vector<const ZipEntry*> programs = programs_of(zip_);
    if (programs.size() != 1) {
      std::string names;
      for (const ZipEntry* each : programs) names += (names.empty() ? "" : ", ") + each->name;
      throw ArchiveError(name() + ": holds " + std::to_string(programs.size()) +
                             " exported programs (" + names + "), and torchship opens files of one",
                         "save each program to a file of its own");
    }
    const std::string& whole = programs.front()->name;
    const std::size_t start = whole.find(kModels);
    folder_ = whole.substr(0, start);
    program_ = whole.substr(start);
    model_ = program_.substr(kModels.size(), program_.size() - kModels.size() - 5);
  }
  for (const ZipEntry& entry : zip_.entries()) {
    if (entry.name.starts_with(folder_)) continue;
    throw ArchiveError(place(entry.name) + ": the record is outside of the folder " + folder_ +
                       " that the program is in");
  }
  const ZipEntry* order = find("byteorder");
  if (order != nullptr && zip_.read(*order, 64) != "little") {
    throw ArchiveError(place("byteorder") + ": the file was written on a machine with another byte "
                                            "order",
                       "save it again on a machine like this one");
  }
}

std::string ProgramArchive::program_text() const {
  std::string text = zip_.read(*find(program_), kProgramLimits.bytes);
  return model_.empty() ? with_quoted_infinities(std::move(text)) : text;
}

const ZipEntry* ProgramArchive::sample_inputs() const {
  const ZipEntry* record = find(model_.empty() ? "serialized_example_inputs.pt"
                                               : "data/sample_inputs/" + model_ + ".pt");
  return record != nullptr && record->size > 0 ? record : nullptr;
}

StoredTensors ProgramArchive::tensors() const {
  StoredTensors tensors;
  if (model_.empty()) {
    add_pickled("serialized_state_dict.pt", tensors);
    add_pickled("serialized_constants.pt", tensors);
    return tensors;
  }
  for (const char* kind : {"weights", "constants"}) {
    const std::string folder = std::string("data/") + kind + "/";
    if (find(folder + model_ + ".pt") != nullptr) {
      add_pickled(folder + model_ + ".pt", tensors);
    } else {
      add_described(folder + model_ + "_" + kind + "_config.json", folder, tensors);
    }
  }
  return tensors;
}

void ProgramArchive::add_described(const std::string& config, const std::string& folder,
                                   StoredTensors& tensors) const {
  const ZipEntry* record = find(config);
  if (record == nullptr) throw ArchiveError(place(config) + ": the record is missing");
  const Json json = parse_json(zip_.read(*record, kProgramLimits.bytes), place(config),
                               kProgramLimits);
  const JsonAccess access(place(config));
  const Json& all = access.object(access.at(json, "config"));
  for (auto each = all.begin(); each != all.end(); ++each) {
    access.enter("'" + each.key() + "'");
    const std::string& path = access.string(access.at(*each, "path_name"));
    const bool is_object = path.starts_with("custom_obj_") || path.starts_with("opaque_obj_");
    if (is_object || access.boolean(access.at(*each, "use_pickle"))) continue;
    StoredTensor tensor;
    tensor.zip = &zip_;
    tensor.record = find(folder + path);
    tensor.is_parameter = access.boolean(access.at(*each, "is_param"));
    tensor.description = parse_tensor_meta(access.at(*each, "tensor_meta"),
                                           place(config) + ": '" + each.key() + "'");
    if (tensor.record == nullptr) {
      throw ArchiveError(place(folder + path) + ": the record is missing");
    }
    tensors[each.key()] = std::move(tensor);
  }
}

void ProgramArchive::add_pickled(const std::string& record, StoredTensors& tensors) const {
  const ZipEntry* entry = find(record);
  if (entry == nullptr || entry->size == 0) return;
  std::unique_ptr<const TorchSaveFile>& file = nested_[record];
  if (file == nullptr) file = std::make_unique<const TorchSaveFile>(zip_, *entry);
  const Pickle& pickle = file->pickle();
  const Pickle::Node& root = pickle.root();
  if (root.type != Pickle::Type::dict) throw ArchiveError(place(record) + ": is no dict of tensors");
  for (std::size_t i = 0; i + 1 < root.children.size(); i += 2) {
    const Pickle::Node& key = pickle[root.children[i]];
    std::optional<StoredTensor> tensor = file->tensor(pickle[root.children[i + 1]]);
    if (tensor && key.type == Pickle::Type::string) tensors[key.text] = std::move(*tensor);
  }
}

}  // namespace torchship
