#include "files/safetensors_header.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>
#include <torchship/error.h>

#include "archive/text.h"

namespace torchship {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadata = "__metadata__";
constexpr std::size_t kLongestList = 64;

/// Receives the header value by value, so that a hostile one is refused at the first thing that
/// does not belong, however deep or long it would go on.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& source) : source_(source) {}

  std::vector<SafetensorsEntry> take() { return std::move(entries_); }

  bool key(string_t& text) override {
    if (!(depth_ == 1 ? names_ : fields_).insert(text).second) {
      fail(depth_ == 1 ? "tensor " + quote(text) + " occurs twice"
                       : where() + " has " + quote(text) + " twice");
    }
    if (depth_ == 1) {
      fields_.clear();
      in_metadata_ = text == kMetadata;
      if (!in_metadata_) entries_.emplace_back().name = text;
    } else {
      const bool known = text == "dtype" || text == "shape" || text == "data_offsets";
      if (!in_metadata_ && !known) fail(where() + " has the unknown field " + quote(text));
      field_ = text;
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ > 1) unexpected("an object");
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (depth_ == 2 && !in_metadata_ && fields_.size() != 3) {
      fail(where() + " lacks its dtype, shape or data_offsets");
    }
    --depth_;
    return true;
  }

  bool start_array(std::size_t) override {
    const bool expected = depth_ == 2 && !in_metadata_ && field_ != "dtype";
    if (!expected) unexpected("a list");
    ++depth_;
    return true;
  }

  bool end_array() override {
    --depth_;
    return true;
  }

  bool string(string_t& text) override {
    const bool expected = depth_ == 2 && (in_metadata_ || field_ == "dtype");
    if (!expected) unexpected("a string");
    if (!in_metadata_) entries_.back().dtype = text;
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    if (depth_ != 3 || number > static_cast<number_unsigned_t>(kMost)) unexpected("a number");
    SafetensorsEntry& entry = entries_.back();
    std::vector<std::int64_t>& list = field_ == "shape" ? entry.shape : entry.data_offsets;
    if (list.size() == kLongestList) fail(where() + " has more than 64 numbers in its " + field_);
    list.push_back(static_cast<std::int64_t>(number));
    return true;
  }

  bool number_integer(number_integer_t) override { unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { unexpected("a fraction"); }
  bool boolean(bool) override { unexpected("a bool"); }
  bool null() override { unexpected("null"); }
  bool binary(binary_t&) override { unexpected("bytes"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail("it is not JSON at byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ArchiveError(source_ + ": damaged .safetensors header: " + what);
  }

  [[noreturn]] void unexpected(const std::string& found) const {
    fail(depth_ == 0 ? "it is not a JSON object" : where() + " has " + found + " out of place");
  }

  std::string where() const {
    return in_metadata_ ? std::string(kMetadata) : "tensor " + quote(entries_.back().name);
  }

  const std::string& source_;
  std::vector<SafetensorsEntry> entries_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> fields_;  ///< Keys so far of the tensor being read.
  std::string field_;
  int depth_ = 0;  ///< 1: among the tensors, 2: in one of them, 3: in a list of one.
  bool in_metadata_ = false;
};

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view json,
                                                       const std::string& source) {
  HeaderReader reader(source);
  Json::sax_parse(json.begin(), json.end(), &reader);
  return reader.take();
}

std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries) {
  constexpr std::size_t kAlignment = 8;
  std::string text;
  for (const SafetensorsEntry& entry : entries) {
    text += (text.empty() ? "" : ",") + Json(entry.name).dump() +
            ":{\"dtype\":" + Json(entry.dtype).dump() + ",\"shape\":" + Json(entry.shape).dump() +
            ",\"data_offsets\":" + Json(entry.data_offsets).dump() + '}';
  }
  text = '{' + text + '}';
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  return text;
}

}  // namespace torchship
