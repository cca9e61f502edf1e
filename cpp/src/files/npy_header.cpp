#include "files/npy_header.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include <torchship/error.h>

#include "archive/little_endian.h"
#include "archive/text.h"

namespace torchship {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLead = 8;  ///< Magic and version.
/// numpy itself reads no longer ones either.
constexpr std::uint32_t kLongestHeader = 10'000;

/// Parser of the one Python literal a header is: a dict of a string, a bool and a tuple of ints.
class Literal {
 public:
  Literal(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  /// The whole literal; the header's data_offset is left for the caller.
  NpyHeader parse() {
    NpyHeader header;
    std::set<std::string, std::less<>> seen;
    expect('{');
    while (!accept('}')) {
      if (!seen.empty()) {
        expect(',');
        if (accept('}')) break;
      }
      const std::string key = string();
      expect(':');
      if (!seen.insert(key).second) fail("the key " + quote(key) + " twice");
      if (key == "descr") {
        header.descr = descr();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = shape();
      } else {
        fail("the unknown key " + quote(key));
      }
    }
    skip_spaces();
    if (!text_.empty()) fail("something after its dict");
    if (seen.size() != 3) fail("not all of descr, fortran_order and shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw ArchiveError(source_ + ": damaged .npy header: it holds " + found);
  }

  void skip_spaces() {
    const std::size_t start = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(std::min(start, text_.size()));
  }

  bool accept(char wanted) {
    skip_spaces();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(text_.empty() ? "no end" : quote(text_.substr(0, 20)));
  }

  bool accept_word(std::string_view word) {
    skip_spaces();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::string string() {
    skip_spaces();
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) fail("a string without end");
    const std::string value(text_.substr(0, end));
    if (value.find('\\') != std::string::npos) fail("a backslash");
    text_.remove_prefix(end + 1);
    return value;
  }

  std::string descr() {
    skip_spaces();
    if (text_.starts_with('[') || text_.starts_with('(')) {
      throw ArchiveError(source_ + ": holds an array of records (a structured dtype)",
                         "Save each field on its own, as an array of plain numbers.");
    }
    return string();
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail("a fortran_order that is neither True nor False");
    return false;
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      if (!sizes.empty()) {
        expect(',');
        if (accept(')')) break;
      }
      sizes.push_back(size());
      // "(3)" is a number to Python, no tuple.
      skip_spaces();
      if (sizes.size() == 1 && text_.starts_with(')')) fail("a shape that is no tuple");
    }
    return sizes;
  }

  std::int64_t size() {
    skip_spaces();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail("a size that is no natural number below 2^63");
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    accept('L');  // Python 2 wrote its long integers so.
    return value;
  }

  std::string_view text_;
  const std::string& source_;
};

}  // namespace

bool is_npy(std::string_view start) { return start.starts_with(kMagic); }

NpyHeader read_npy_header(const ByteSource& source) {
  const std::string lead = source.text(0, std::min<std::uint64_t>(source.size, kLead));
  if (lead.size() < kLead || !is_npy(lead)) throw ArchiveError(source.name + ": not a .npy file");
  const int version = static_cast<unsigned char>(lead[6]);
  if (version < 1 || version > 3 || lead[7] != 0) {
    throw ArchiveError(source.name + ": unknown version " + std::to_string(version) + "." +
                       std::to_string(static_cast<unsigned char>(lead[7])) + " of the .npy format");
  }
  const std::uint64_t width = version == 1 ? 2 : 4;
  const std::string field = source.text(kLead, width);
  const std::uint32_t length =
      version == 1 ? load_little<std::uint16_t>(field, 0) : load_little<std::uint32_t>(field, 0);
  if (length > kLongestHeader) {
    throw ArchiveError(source.name + ": its .npy header is " + std::to_string(length) +
                       " bytes long, more than the 10000 that are allowed");
  }
  const std::string text = source.text(kLead + width, length);
  NpyHeader header = Literal(text, source.name).parse();
  header.data_offset = kLead + width + length;
  return header;
}

std::string make_npy_header(std::string_view descr, const std::vector<std::int64_t>& shape) {
  constexpr std::size_t kAlignment = 64;
  std::string text = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t size : shape) text += std::to_string(size) + ", ";
  if (shape.size() > 1) text.resize(text.size() - 2);
  text += "), }";
  const std::size_t length = kLead + sizeof(std::uint16_t) + text.size() + 1;
  text.append((kAlignment - length % kAlignment) % kAlignment, ' ');
  text += '\n';
  return std::string(kMagic) + '\x01' + '\0' +
         little_bytes(static_cast<std::uint16_t>(text.size())) + text;
}

}  // namespace torchship
