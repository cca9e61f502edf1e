#pragma once

#include <cstddef>
#include <string>

#include <torchship/c_api.h>
#include <torchship/error.h>

namespace torchship::c_api {

/// The interface was used wrongly: TS_ARGUMENT_ERROR.
class ArgumentError : public Error {
  using Error::Error;
};

/// To be called in a handler: keeps what is being handled for this thread's ts_error_...(), and
/// tells its kind.
ts_status remember_failure() noexcept;

/// What `action` gives, or `failure` if it throws.
template <typename Action, typename Result>
Result guarded(Result failure, Action&& action) noexcept {
  try {
    return action();
  } catch (...) {
    remember_failure();
    return failure;
  }
}

/// The same for functions that give a pointer.
template <typename Result, typename Action>
Result* guarded_pointer(Action&& action) noexcept {
  return guarded(static_cast<Result*>(nullptr), action);
}

/// The same for functions that give a status.
template <typename Action>
ts_status guarded_status(Action&& action) noexcept {
  try {
    action();
    return TS_OK;
  } catch (...) {
    return remember_failure();
  }
}

/// What is there. Throws ArgumentError, naming function and argument, when it is not.
template <typename T>
T& given(T* thing, const char* function, const char* argument) {
  if (thing == nullptr) {
    throw ArgumentError(std::string(function) + ": " + argument + " is NULL");
  }
  return *thing;
}

/// Throws ArgumentError when `index` is none of `count` things.
inline void require_index(std::size_t index, std::size_t count, const char* function) {
  if (index >= count) {
    throw ArgumentError(std::string(function) + ": index " + std::to_string(index) + " of " +
                        std::to_string(count));
  }
}

}  // namespace torchship::c_api
