#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchship {

/// A condition on the sizes of a program's inputs, as torch.export writes it in Python: what the
/// program takes for granted because a branch of the model went one way when it was exported, such as
/// "L['x'].size()[0] >= 4".
struct GuardExpression {
  enum class Kind {
    number,   ///< `number`
    size,     ///< `path`'s size number `number`
    value,    ///< `path`, which is a number itself
    operation ///< `operation` of `operands`
  };

  Kind kind = Kind::number;
  std::int64_t number = 0;
  std::string path;       ///< "L['x']", "L['d']['q'][0]"
  std::string operation;  ///< "+", "-", "*", "//", "%", "==", "<", "and", "not", "min", "neg", ...
  std::vector<GuardExpression> operands;
};

/// Nothing for what is no expression of this kind.
std::optional<GuardExpression> parse_guard(std::string_view text);

}  // namespace torchship
