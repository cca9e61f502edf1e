#include "options.h"

namespace torchship::cli {

void add_archive(CLI::App& command, std::string& archive) {
  command.add_option("archive", archive, "The model's archive; - for standard input")
      ->required()
      ->type_name("FILE");
}

void add_inputs(CLI::App& command, std::vector<std::string>& inputs) {
  command
      .add_option("-i,--input", inputs,
                  "An input: x=1,2,3 or x=[[1,2],[3,4]] or x:int64=7 or text=hello or "
                  "x=@file.npy; @file.npz gives all inputs by their names")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

void add_operator_libraries(CLI::App& command, std::vector<std::string>& libraries) {
  command
      .add_option("--op-library", libraries, "A shared library with operators that the model needs; may be given again")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

void add_load_arguments(CLI::App& command, LoadArguments& arguments) {
  add_archive(command, arguments.archive);
  command.add_option("--device", arguments.device, "cpu, cuda or cuda:N")
      ->type_name("DEVICE")
      ->capture_default_str();
  command.add_option("--engine", arguments.engine, "auto, planned, interpreter, compiled, or one of the archive's; with bench and check all")
      ->type_name("ENGINE")
      ->capture_default_str();
  command
      .add_option("--weights", arguments.weights,
                  "How linear layers keep theirs: float32, or bfloat16 or int8, which cost accuracy")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"float32", "bfloat16", "int8"}))
      ->capture_default_str();
  command.add_option("--threads", arguments.threads, "Threads that one operator may use")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  command.add_option("--cores", arguments.cores, "The only cores to use: 0,1")
      ->type_name("N,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      .add_option("--policy", arguments.policy,
                  "trusted, or strict for files from strangers: see lint --audit")
      ->type_name("POLICY")
      ->check(CLI::IsMember({"trusted", "strict"}));
  add_operator_libraries(command, arguments.operator_libraries);
  command.add_flag("--no-verify{false}", arguments.verify,
                   "Do not compare the file's records with their checksums");
  command.add_flag("--verify-digests", arguments.verify_digests,
                   "Compare them with the SHA-256 in the manifest instead, as check does");
  command.add_flag("--no-map{false}", arguments.map,
                   "Copy the weights: for files that may be written to while the model lives");
  command.add_flag("--no-retarget{false}", arguments.retarget,
                   "Keep the devices that the code names, where they are not the model's");
  command.add_flag("--no-optimize{false}", arguments.optimize,
                   "Run every operator as it was recorded");
  command.add_flag("--own-streams", arguments.own_streams,
                   "On CUDA: a stream for each calling thread, so that callers run beside each other");
  command.add_flag("--cuda-graphs", arguments.cuda_graphs,
                   "On CUDA: launch calls whose sizes came before as one CUDA graph");
}

}  // namespace torchship::cli
