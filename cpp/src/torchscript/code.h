#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <torchship/info.h>

namespace torch::jit {
struct ClassDef;
struct Def;
class ScriptTypeParser;
}  // namespace torch::jit

namespace torchship {

/// The classes in an archive's code/, parsed by LibTorch's own parser; nothing is compiled or run,
/// so operators that this process lacks do no harm.
class Code {
 public:
  /// Gives the text of a source record ("code/__torch__/net.py"), which passes refuse_deep_nesting(),
  /// or nothing when there is none.
  using Reader = std::function<std::optional<std::string>(const std::string& record)>;

  /// `place` names the archive in messages.
  Code(Reader reader, std::string place);
  ~Code();

  /// The methods of a class ("__torch__.Net") in the order of the source, without its hooks. Throws ArchiveError when
  /// the class is missing or its source cannot be parsed.
  std::vector<MethodInfo> methods(const std::string& class_name);

  /// The names of a module class's own parameters, without its submodules'.
  std::vector<std::string> parameters(const std::string& class_name);

  /// Whether a class is a module's; one without code is taken for one.
  bool is_module(const std::string& class_name);

 private:
  class TypeResolver;

  static MethodInfo method(const torch::jit::Def& definition,
                           const torch::jit::ScriptTypeParser& types);
  const torch::jit::ClassDef* find(const std::string& class_name);
  const torch::jit::ClassDef& require(const std::string& class_name);
  void parse_file(const std::string& module);
  /// What `read` returns; what LibTorch throws meanwhile becomes an ArchiveError naming the file.
  template <typename Read>
  auto guarded(const std::string& class_name, const Read& read) const;

  Reader reader_;
  std::string place_;
  std::map<std::string, bool> parsed_files_;
  std::map<std::string, torch::jit::ClassDef> classes_;
};

}  // namespace torchship
