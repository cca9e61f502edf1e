#include "manifest/json.h"

#include <cstddef>
#include <unordered_set>
#include <vector>

#include <torchship/error.h>

#include "archive/text.h"
#include "manifest/manifest.h"

namespace torchship {
namespace {

/// Watches the parser at work, so that a hostile text is refused before it fills the memory.
class Guard {
 public:
  Guard(const std::string& place, const JsonLimits& limits) : place_(place), limits_(limits) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start: keys_.emplace_back(); [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= limits_.depth) {
          fail("is nested deeper than " + std::to_string(limits_.depth));
        }
        count();
        break;
      case Json::parse_event_t::object_end: keys_.pop_back(); break;
      case Json::parse_event_t::value: count(); break;
      case Json::parse_event_t::key: {
        const auto& key = parsed.get_ref<const std::string&>();
        if (!keys_.back().insert(key).second) fail("key " + quote(key) + " occurs twice");
        break;
      }
      default: break;
    }
    return true;
  }

 private:
  void count() {
    if (++values_ > limits_.values) {
      fail("holds more than " + std::to_string(limits_.values) + " values");
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw ArchiveError(place_ + ": " + what);
  }

  const std::string& place_;
  const JsonLimits& limits_;
  std::vector<std::unordered_set<std::string>> keys_;  ///< Of the objects that are open.
  std::size_t values_ = 0;
};

}  // namespace

Json parse_manifest_json(std::string_view text, const std::string& place) {
  return parse_json(text, place, kManifestLimits);
}

Json parse_json(std::string_view text, const std::string& place, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    throw ArchiveError(place + ": holds " + std::to_string(text.size()) + " bytes, more than the " +
                       std::to_string(limits.bytes) + " allowed");
  }
  Guard guard(place, limits);
  try {
    return Json::parse(text, std::ref(guard));
  } catch (const Json::parse_error& error) {
    throw ArchiveError(place + ": is not JSON at byte " + std::to_string(error.byte));
  } catch (const Json::out_of_range&) {
    throw ArchiveError(place + ": holds a number that is not finite");
  }
}

}  // namespace torchship
