#include "fuzz/mutator.h"

#include <algorithm>

#include "fuzz/mutate_bytes.h"
#include "fuzz/mutate_pickle.h"
#include "fuzz/mutate_text.h"
#include "fuzz/mutate_zip.h"
#include "fuzz/random.h"

namespace torchship::fuzz {
namespace {

/// Changes what a record says, in the terms of its format.
std::string mutate_content(const Record& record, Random& random) {
  const std::string& name = record.name;
  if (name.ends_with(".pkl") || name.ends_with(".debug_pkl")) {
    return mutate_pickle(record.data, random);
  }
  if (name.ends_with(".py")) return mutate_code(record.data, random);
  if (name.ends_with(".json")) return mutate_json(record.data, random);
  if (name.ends_with(".safetensors")) return mutate_safetensors(record.data, random);
  return mutate_bytes(record.data, random);
}

/// Records of description and code, and those of the manifest, are worth more than weights.
Record& pick_record(std::vector<Record>& records, Random& random) {
  const auto is_weight = [](const Record& record) {
    return record.name.find("/data/") != std::string::npos ||
           record.name.find("/constants/") != std::string::npos;
  };
  Record* record = &random.pick(records);
  for (int tries = 0; is_weight(*record) && tries < 4; ++tries) record = &random.pick(records);
  return *record;
}

/// Changes records, forging the digests or not. The manifest has no digest and comes last.
void mutate_contents(std::vector<Record>& records, const Seed& seed, Mutant& mutant,
                     Random& random) {
  Record* manifest = nullptr;
  for (std::size_t times = random.once_in(4) ? 2 : 1; times > 0; --times) {
    Record& record = pick_record(records, random);
    mutant.how += (mutant.how.empty() ? "" : ", ") + record.name;
    if (is_manifest(record)) {
      manifest = &record;
    } else {
      record.data = mutate_content(record, random);
    }
  }
  if (mutant.forged) renew_digests(records, seed.folder);
  if (manifest != nullptr) {
    manifest->data = mutate_content(*manifest, random);
    mutant.forged = true;
  }
}

}  // namespace

Mutant make_mutant(const Seed& seed, std::uint64_t number) {
  Random random(number);
  if (random.once_in(6)) {
    return {.bytes = mutate_bytes(seed.bytes, random), .how = "bytes of the file"};
  }
  std::vector<Record> records = seed.records;
  // Nothing but its own checksums tells that a file without a manifest was changed.
  Mutant mutant{.bytes = {}, .how = {}, .forged = !seed.has_manifest() || !random.once_in(4)};
  const std::size_t kind = random.below(10);
  if (kind < 2) {
    mutant.how = "lies in the zip";
    mutant.forged = !seed.has_manifest();
    mutant.bytes = pack_with_lies(records, random);
    return mutant;
  }
  if (kind == 2) {
    mutant.how = "records";
    mutate_records(records, random);
    if (mutant.forged) renew_digests(records, seed.folder);
  } else {
    mutate_contents(records, seed, mutant, random);
  }
  mutant.bytes = pack(records);
  return mutant;
}

}  // namespace torchship::fuzz
