#pragma once

#include <stdexcept>
#include <string>

#include <torchship/export.h>

namespace torchship {

/// Base of every exception thrown by torchship.
///
/// `message()` is one line: which file, which value, what was expected and what was found.
/// `hint()` says what to do about it, and may be empty. `what()` is both, the hint on a line of
/// its own.
class TORCHSHIP_EXPORT Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, const std::string& hint = {})
      : std::runtime_error(hint.empty() ? message : message + "\n" + hint),
        message_length_(message.size()) {}

  std::string message() const { return std::string(what()).substr(0, message_length_); }
  std::string hint() const {
    const std::string whole = what();
    return whole.size() > message_length_ ? whole.substr(message_length_ + 1) : std::string();
  }

 private:
  std::size_t message_length_;
};

/// The file is absent, unreadable, damaged, not a model, or made for something this build is not.
class TORCHSHIP_EXPORT ArchiveError : public Error {
  using Error::Error;
};

/// The caller's values do not fit the method: number, names, kinds, dtypes or shapes.
class TORCHSHIP_EXPORT SignatureError : public Error {
  using Error::Error;
};

/// The device does not exist in this process.
class TORCHSHIP_EXPORT DeviceError : public Error {
  using Error::Error;
};

/// The model was called correctly as far as its signature tells, and failed while it ran.
class TORCHSHIP_EXPORT EngineError : public Error {
  using Error::Error;
};

}  // namespace torchship
