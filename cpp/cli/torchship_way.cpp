#include <optional>
#include <utility>

#include "way.h"

namespace torchship::cli {
namespace {

class TorchshipWay final : public Way {
 public:
  TorchshipWay(Source archive, LoadOptions options, std::string method,
               std::vector<Value> inputs)
      : archive_(std::move(archive)),
        options_(std::move(options)),
        method_(std::move(method)),
        inputs_(std::move(inputs)) {}

  std::string name() const override {
    const bool named = options_.engine != "auto" && options_.engine != "compiled";
    return named || !model_ ? options_.engine : model_->engine().name;
  }
  void load() override { model_.emplace(archive_, options_); }
  void call() const override { model_->call(method_, inputs_); }
  std::function<void()> caller() const override {
    std::vector<Value> own = inputs_;
    for (Value& input : own) {
      if (input.is_tensor()) input = input.tensor().clone();
    }
    return [this, own] { model_->call(method_, own); };
  }

 private:
  Source archive_;
  LoadOptions options_;
  std::string method_;
  std::vector<Value> inputs_;
  std::optional<Model> model_;
};

}  // namespace

std::unique_ptr<Way> make_torchship_way(const Source& archive, const LoadOptions& options,
                                        const std::string& method,
                                        const std::vector<Value>& inputs) {
  return std::make_unique<TorchshipWay>(archive, options, method, inputs);
}

}  // namespace torchship::cli
