#include "load_arguments.h"

#include <unistd.h>

namespace torchship::cli {

LoadOptions load_options(const LoadArguments& arguments, bool validate) {
  LoadOptions options;
  options.device = parse_device(arguments.device);
  options.validate = validate;
  options.verify = arguments.verify;
  options.verify_digests = arguments.verify_digests;
  options.map = arguments.map;
  options.policy = arguments.policy == "strict" ? Policy::strict : Policy::trusted;
  options.retarget = arguments.retarget;
  options.engine = arguments.engine;
  options.weights = arguments.weights;
  options.threads = arguments.threads;
  options.cores = arguments.cores;
  options.optimize = arguments.optimize;
  options.own_streams = arguments.own_streams;
  options.cuda_graphs = arguments.cuda_graphs;
  options.operator_libraries.assign(arguments.operator_libraries.begin(),
                                    arguments.operator_libraries.end());
  return options;
}

std::string archive_name(const std::string& archive) {
  return archive == "-" ? "stdin" : archive;
}

Source archive_source(const std::string& archive) {
  return archive == "-" ? Source::descriptor(STDIN_FILENO, archive_name(archive))
                        : Source(archive);
}

Model load(const LoadArguments& arguments, bool validate) {
  return Model(archive_source(arguments.archive), load_options(arguments, validate));
}

}  // namespace torchship::cli
