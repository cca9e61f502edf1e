#include <utility>

#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchship/error.h>

#include "torchscript/convert.h"
#include "way.h"

namespace torchship::cli {
namespace {

/// What LibTorch throws has a stack trace behind its first line.
template <typename Work>
auto with_one_line(const std::string& archive, const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw EngineError(archive + ": stock LibTorch fails: " + text.substr(0, text.find('\n')));
  }
}

class StockWay final : public Way {
 public:
  StockWay(std::string archive, const at::Device& device, std::string method,
           std::vector<Value> inputs)
      : archive_(std::move(archive)),
        device_(device),
        name_(std::move(method)),
        values_(std::move(inputs)) {}

  std::string name() const override { return "stock"; }

  void load() override {
    with_one_line(archive_, [&] {
      module_ = torch::jit::load(archive_, device_);
      module_.eval();
      inputs_ = inputs_on(at::kCPU);
    });
  }

  void call() const override { call_with(inputs_); }
  std::function<void()> caller() const override {
    std::vector<c10::IValue> own;
    for (const c10::IValue& input : inputs_) own.push_back(input.deepcopy());
    return [this, own] { call_with(own); };
  }

 private:
  void call_with(const std::vector<c10::IValue>& inputs) const {
    with_one_line(archive_, [&] {
      const c10::InferenceMode inference;
      if (device_.is_cpu()) {
        module_.get_method(name_)(inputs);
        return;
      }
      // From memory of the host and back, as the other ways are called: to(), forward(), cpu().
      const c10::IValue result = module_.get_method(name_)(inputs_on(device_));
      to_value(result, [](const at::Tensor& tensor) { return tensor.cpu(); });
    });
  }

  std::vector<c10::IValue> inputs_on(const at::Device& device) const {
    const auto take = [&](const at::Tensor& tensor) { return tensor.to(device); };
    const auto& arguments = module_.get_method(name_).function().getSchema().arguments();
    std::vector<c10::IValue> inputs;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      inputs.push_back(to_ivalue(values_[i], arguments.at(i + 1).type(), take));
    }
    return inputs;
  }

  std::string archive_;
  at::Device device_;
  std::string name_;
  std::vector<Value> values_;
  torch::jit::Module module_;
  std::vector<c10::IValue> inputs_;
};

}  // namespace

std::unique_ptr<Way> make_stock_way(const std::string& archive, const at::Device& device,
                                    const std::string& method, const std::vector<Value>& inputs) {
  return std::make_unique<StockWay>(archive, device, method, inputs);
}

}  // namespace torchship::cli
