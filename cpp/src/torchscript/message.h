#pragma once

#include <exception>
#include <string>

namespace torchship {

/// What a LibTorch exception says, without the interpreter's traceback and LibTorch's own stack.
struct TorchMessage {
  std::string text;    ///< One line.
  std::string source;  ///< "net.py:12": the user's own line, where the archive tells; else empty.
  std::string hint;    ///< What to do, for the errors people meet most; else empty.
};

TorchMessage explain(const std::exception& error);

}  // namespace torchship
