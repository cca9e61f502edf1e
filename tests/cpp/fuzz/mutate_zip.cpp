#include "fuzz/mutate_zip.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <utility>

#include "fuzz/mutate_bytes.h"
#include "zip_builder.h"

namespace torchship::fuzz {
namespace {

using test::ZipRecord;

std::string other_case(std::string name) {
  for (char& letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    letter = static_cast<char>(std::islower(byte) ? std::toupper(byte) : std::tolower(byte));
  }
  return name;
}

std::string odd_name(const std::vector<Record>& records, Random& random) {
  const std::string& other = records[random.below(records.size())].name;
  switch (random.below(12)) {
    case 0: return "/" + other;
    case 1: return "../" + other;
    case 2: return other.substr(0, other.find('/') + 1) + "../../" + other;
    case 3: return other_case(other);
    case 4: return "";
    case 5: return "a\\b\\" + other;
    case 6: return other + std::string(random.below(65000 - other.size()), 'x');
    case 7: return other + "/";
    case 8: return other;
    case 9: return other + std::string(1, '\0') + ".txt";
    case 10: return other + "\xff\xfe\n\x1b[31m";
    default: return mutate_bytes(other, random).substr(0, 60000);
  }
}

/// A record of zeros that is small in the file.
ZipRecord bomb(const std::string& name, Random& random) {
  const std::size_t size = std::size_t{1} << (10 + random.below(15));
  ZipRecord record = test::compressed(name, std::string(size, '\0'));
  if (random.once_in(2)) record.size = static_cast<std::uint32_t>(random.number());
  return record;
}

/// Extra data with a zip64 field of up to three numbers, which may be more or fewer than announced.
std::string zip64_lie(Random& random) {
  std::string numbers;
  for (std::size_t i = random.below(4); i > 0; --i) {
    numbers += test::packed(static_cast<std::uint64_t>(random.number()));
  }
  const std::size_t length = random.once_in(3) ? random.below(64) : numbers.size();
  return test::packed(std::uint16_t{1}, static_cast<std::uint16_t>(length)) + numbers;
}

void lie(ZipRecord& record, const std::vector<Record>& records, Random& random) {
  switch (random.below(10)) {
    case 0: record.size = static_cast<std::uint32_t>(random.number()); break;
    case 1: record.crc ^= 1u << random.below(32); break;
    case 2: record.method = static_cast<std::uint16_t>(random.once_in(2) ? 8 : random.below(100));
            break;
    case 3: record.flags = static_cast<std::uint16_t>(1u << random.below(16)); break;
    case 4: record.extra = zip64_lie(random); record.size = 0xffffffff; break;
    case 5: record.local_extra = zip64_lie(random); break;
    case 6: record.local_name = odd_name(records, random); break;
    case 7: record.sizes_later = true; break;
    case 8: record = bomb(record.name, random); break;
    default:
      record = test::compressed(record.name, record.data);
      if (random.once_in(2)) record.data = mutate_bytes(record.data, random);
  }
}

/// Overwrites numbers in the directory and the end record, which lie behind the records.
void damage_directory(std::string& zip, Random& random) {
  const std::size_t start = std::min(zip.find("PK\x01\x02"), zip.size() - 1);
  const std::string tail = mutate_bytes(zip.substr(start), random);
  zip.replace(start, std::string::npos, tail);
}

}  // namespace

void mutate_records(std::vector<Record>& records, Random& random) {
  if (records.size() < 2) return;
  Record& first = random.pick(records);
  Record& second = random.pick(records);
  switch (random.below(6)) {
    case 0: std::swap(first.data, second.data); break;
    case 1: std::swap(first.name, second.name); break;
    case 2: records.erase(records.begin() + (&first - records.data())); break;
    case 3: records.push_back(Record(first)); break;
    case 4: records.push_back({odd_name(records, random), first.data}); break;
    default: first.name = odd_name(records, random); break;
  }
}

std::string pack_with_lies(const std::vector<Record>& records, Random& random) {
  std::vector<ZipRecord> zip;
  for (const Record& record : records) zip.push_back(test::stored(record.name, record.data));
  const bool only_directory = random.once_in(3);
  for (std::size_t lies = only_directory ? 0 : 1 + random.below(2); lies > 0; --lies) {
    lie(random.pick(zip), records, random);
  }
  std::string bytes = test::zip_of(zip, /*zip64=*/random.once_in(3));
  if (only_directory) damage_directory(bytes, random);
  return bytes;
}

}  // namespace torchship::fuzz
