#include "lint/subject.h"

namespace torchship {

bool is_for_training(const std::string& method) { return method.ends_with("trainforward"); }

Subject::Subject(const ModelInfo& description, std::vector<ModuleNode> modules,
                 std::vector<HeldTensor> constants)
    : info(description), modules_(std::move(modules)), constants_(std::move(constants)) {
  for (std::size_t i = 0; i < modules_.size(); ++i) by_class_[modules_[i].class_name].push_back(i);
}

std::vector<std::string> Subject::places(const std::string& class_name) const {
  std::vector<std::string> places;
  const auto found = by_class_.find(class_name);
  if (found == by_class_.end()) return places;
  for (const std::size_t index : found->second) places.push_back(modules_[index].path);
  return places;
}

}  // namespace torchship
