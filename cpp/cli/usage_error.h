#pragma once

#include <torchship/error.h>

namespace torchship::cli {

/// The command line itself makes no sense: exit status 2.
class UsageError : public Error {
  using Error::Error;
};

}  // namespace torchship::cli
