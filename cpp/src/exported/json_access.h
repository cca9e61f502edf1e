#pragma once

#include <cstdint>
#include <string>

#include "manifest/json.h"

namespace torchship {

/// Reads values out of a program's JSON. Cheap where all is well: a program has a hundred values for
/// each of its nodes, and what is wrong with one is told by the node it belongs to.
class JsonAccess {
 public:
  explicit JsonAccess(std::string place) : place_(std::move(place)) {}

  const Json& at(const Json& object, const char* key) const;
  /// Null where the key is missing, or its value is null.
  const Json* find(const Json& object, const char* key) const;

  const std::string& string(const Json& value) const;
  std::int64_t integer(const Json& value) const;
  bool boolean(const Json& value) const;
  double number(const Json& value) const;  ///< "Infinity", "-Infinity" and "NaN" are such.
  const Json& array(const Json& value) const;
  const Json& object(const Json& value) const;

  /// The one key and value of an object, as unions are written.
  std::pair<const std::string&, const Json&> only(const Json& value) const;

  /// What messages say is wrong from here on: "node 3 (torch.ops.aten.add.Tensor)".
  void enter(std::string part) const { part_ = std::move(part); }

  [[noreturn]] void refuse(const std::string& what) const;

 private:
  [[noreturn]] void expected(const char* what, const Json& got) const;

  std::string place_;
  mutable std::string part_;
};

}  // namespace torchship
