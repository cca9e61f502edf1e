#include "load_arguments.h"

#include <ATen/Parallel.h>

namespace torchship::cli {

Model load(const LoadArguments& arguments, bool validate) {
  if (arguments.threads > 0) {
    at::set_num_threads(arguments.threads);
  }
  LoadOptions options;
  options.device = parse_device(arguments.device);
  options.validate = validate;
  options.verify = arguments.verify;
  options.policy = arguments.policy == "strict" ? Policy::strict : Policy::trusted;
  options.retarget = arguments.retarget;
  options.operator_libraries.assign(arguments.operator_libraries.begin(),
                                    arguments.operator_libraries.end());
  return Model(arguments.archive, options);
}

}  // namespace torchship::cli
