#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <torchship/error.h>

#include "archive/little_endian.h"
#include "audit/audit.h"
#include "audit/native.h"

namespace torchship {
namespace {

using namespace std::string_view_literals;

/// How programs and libraries begin, whatever they are called.
constexpr std::array kMagic = {
    "\x7f" "ELF"sv,          "\xfe\xed\xfa\xce"sv, "\xfe\xed\xfa\xcf"sv, "\xce\xfa\xed\xfe"sv,
    "\xcf\xfa\xed\xfe"sv,    "\xca\xfe\xba\xbe"sv, "!<arch>\n"sv,        "\0asm"sv,
    "#!/"sv,                 "#! /"sv};

constexpr std::array kSuffixes = {".so"sv,  ".dll"sv, ".dylib"sv, ".exe"sv, ".com"sv, ".bat"sv,
                                  ".cmd"sv, ".sh"sv,  ".ps1"sv,   ".scr"sv, ".pyd"sv, ".cubin"sv,
                                  ".o"sv,   ".a"sv,   ".lib"sv,   ".pyc"sv, ".jar"sv, ".wasm"sv};

std::string lower_case(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return name;
}

/// "libx.so" and "libx.so.1.2".
bool names_program(const std::string& name) {
  return name.find(".so.") != std::string::npos ||
         std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

/// Two letters alone begin many a weight: the header that they announce must be there.
bool is_windows_program(const ZipReader& zip, const ZipEntry& entry, std::string_view head) {
  constexpr std::size_t kWhere = 0x3c;
  if (!head.starts_with("MZ") || head.size() < kWhere + 4 || entry.deflated) return false;
  const auto offset = load_little<std::uint32_t>(head, kWhere);
  if (std::uint64_t{offset} + 4 > entry.size) return false;
  return zip.file().read(zip.data_offset(entry) + offset, 4) == "PE\0\0"sv;
}

std::string head_of(const ZipReader& zip, const ZipEntry& entry) {
  constexpr std::uint64_t kHead = 64, kSmall = 1 << 20;
  if (!entry.deflated) return zip.file().read(zip.data_offset(entry), std::min(entry.size, kHead));
  // Of compressed records the small ones: LibTorch compresses code alone.
  return entry.size <= kSmall ? zip.read(entry, kSmall).substr(0, kHead) : std::string();
}

bool is_program(const ZipReader& zip, const ZipEntry& entry) {
  const std::string head = head_of(zip, entry);
  return std::any_of(kMagic.begin(), kMagic.end(),
                     [&](std::string_view magic) { return head.starts_with(magic); }) ||
         is_windows_program(zip, entry, head);
}

/// What torch.export.save writes.
bool is_usual_of_programs(std::string_view name) {
  constexpr std::array kNames = {"archive_format"sv,       "archive_version"sv,
                                 "serialized_state_dict.pt"sv, "serialized_constants.pt"sv,
                                 "serialized_example_inputs.pt"sv,
                                 "serialized_exported_program.json"sv};
  return (name.starts_with("models/") && name.ends_with(".json")) ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

/// What torch.jit.save, R torch and torchship write.
bool is_usual(std::string_view name) {
  constexpr std::array kNames = {"data.pkl"sv,        "constants.pkl"sv, "version"sv,
                                 "byteorder"sv,       ".data/version"sv, ".data/serialization_id"sv,
                                 ".format_version"sv, ".storage_alignment"sv,
                                 "traced_inputs.pkl"sv};
  constexpr std::array kFolders = {"data/"sv, "constants/"sv, "traced_inputs/"sv,
                                   "extra/torchship/"sv};
  const bool code = name.starts_with("code/") &&
                    (name.ends_with(".py") || name.ends_with(".debug_pkl"));
  return code || std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kFolders.begin(), kFolders.end(),
                     [&](std::string_view folder) { return name.starts_with(folder); });
}

}  // namespace

void audit_records(const ZipReader& zip, const std::string& folder, AuditReport& report) {
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(folder.size());
    const std::string lower = lower_case(name);
    if (lower.ends_with(".pt2") || lower.starts_with("extra/torchship/engines/")) {
      report.error("audit-native-code", name,
                   "the record is a compiled engine: machine code, which no check can judge",
                   "take the archive without engines, or load it with the trusted policy if you "
                   "trust whoever compiled it");
    } else if (names_program(lower) || is_program(zip, entry)) {
      report.error("audit-native-code", name,
                   "the record is, or is named as, a program or a library of machine code",
                   "do not use it: a model has no use for one");
    } else if (!is_usual(name) && !is_usual_of_programs(name)) {
      report.note("audit-record", name, "the record is none that a model needs",
                  "nothing: torchship does not read it; others that open the file may");
    }
  }
}

NativePackage native_package(const ZipReader& zip) {
  NativePackage package;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = lower_case(entry.name);
    if (name.find("data/aotinductor/") == std::string::npos) continue;
    package.is_package = true;
    package.has_library = package.has_library || names_program(name);
    package.has_source = package.has_source || name.ends_with(".cpp") || name.ends_with(".cc") ||
                         name.ends_with(".cu");
  }
  return package;
}

std::string describe(const NativePackage& package) {
  if (package.has_library) {
    return "a package of torch.export (.pt2) with native code: a shared library that runs as soon as "
           "it is loaded, and that no check can judge";
  }
  return package.has_source
             ? "a package of torch.export (.pt2) with source code alone: loading it would start a "
               "compiler on the file's own code"
             : "a package of torch.export (.pt2) without code";
}

}  // namespace torchship
