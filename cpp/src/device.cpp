#include "device.h"

#include <charconv>
#include <string>

#include <ATen/Context.h>
#include <torchship/error.h>
#include <torchship/model.h>

#include "accelerator/device_graph.h"
#include "libtorch_version.h"

namespace torchship {
namespace {

[[noreturn]] void refuse_name(std::string_view name) {
  throw DeviceError("unknown device '" + std::string(name) + "'",
                    "supported devices are cpu, cuda and cuda:N");
}

at::DeviceIndex parse_index(std::string_view name, std::string_view digits) {
  int index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() || index < 0 || index > 127) {
    refuse_name(name);
  }
  return static_cast<at::DeviceIndex>(index);
}

}  // namespace

at::Device parse_device(std::string_view name) {
  const std::size_t colon = name.find(':');
  const std::string_view type = name.substr(0, colon);
  const bool indexed = colon != std::string_view::npos;
  if (type != "cpu" && type != "cuda") {
    refuse_name(name);
  }
  const at::DeviceIndex index = indexed ? parse_index(name, name.substr(colon + 1)) : 0;
  if (type == "cpu" && index != 0) {
    refuse_name(name);
  }
  const at::Device device = type == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, index);
  require_device(device);
  return device;
}

void require_device(const at::Device& device) {
  if (device.is_cpu()) {
    return;
  }
  const std::string wanted = "device '" + device.str() + "'";
  if (!device.is_cuda()) {
    throw DeviceError(wanted + " is not supported", "supported devices are cpu, cuda and cuda:N");
  }
  if (!at::detail::getCUDAHooks().isBuilt()) {
    throw DeviceError(wanted + ": this LibTorch (" + running_libtorch() + ") has no CUDA support",
                      "use device 'cpu', or install a CUDA build of the same torch version");
  }
  const int count = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (count == 0) {
    throw DeviceError(wanted + ": no CUDA device is visible to this process",
                      "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use device 'cpu'");
  }
  if (device.index() >= count) {
    throw DeviceError(wanted + ": this process sees " + std::to_string(count) + " CUDA device" +
                          (count == 1 ? "" : "s"),
                      "the last one is cuda:" + std::to_string(count - 1));
  }
}

void require_device_options(const LoadOptions& options) {
  const std::string on = " on device '" + options.device.str() + "'";
  if (options.own_streams && options.device.is_cpu()) {
    throw EngineError("own_streams was asked for" + on, "the CPU has no streams; leave it out");
  }
  if (!options.cuda_graphs) return;
  if (const std::string reason = missing_device_graphs(options.device); !reason.empty()) {
    throw EngineError("cuda_graphs was asked for" + on + ": " + reason, "leave it out");
  }
}

}  // namespace torchship
