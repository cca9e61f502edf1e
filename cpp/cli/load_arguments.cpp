#include "load_arguments.h"

namespace torchship::cli {

LoadOptions load_options(const LoadArguments& arguments, bool validate) {
  LoadOptions options;
  options.device = parse_device(arguments.device);
  options.validate = validate;
  options.verify = arguments.verify;
  options.policy = arguments.policy == "strict" ? Policy::strict : Policy::trusted;
  options.retarget = arguments.retarget;
  options.engine = arguments.engine;
  options.threads = arguments.threads;
  options.cores = arguments.cores;
  options.optimize = arguments.optimize;
  options.operator_libraries.assign(arguments.operator_libraries.begin(),
                                    arguments.operator_libraries.end());
  return options;
}

Model load(const LoadArguments& arguments, bool validate) {
  return Model(arguments.archive, load_options(arguments, validate));
}

}  // namespace torchship::cli
