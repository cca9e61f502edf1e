#include "planned/weights_format.h"

#include <torchship/error.h>

namespace torchship {

compute::Format parse_weights(std::string_view name) {
  if (name == kFloat32Weights) return compute::Format::float32;
  if (name == "bfloat16") return compute::Format::bfloat16;
  if (name == "int8") return compute::Format::int8;
  throw EngineError("weights cannot be kept as '" + std::string(name) + "'",
                    "they can as float32, bfloat16 and int8");
}

double normwise_tolerance(std::string_view weights) {
  switch (parse_weights(weights)) {
    case compute::Format::float32: return 0;
    case compute::Format::bfloat16: return 1e-2;
    case compute::Format::int8: return 1e-1;
  }
  return 0;
}

}  // namespace torchship
