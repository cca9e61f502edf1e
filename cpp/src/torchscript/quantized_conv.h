#pragma once

#include <string>

#include <torch/csrc/jit/api/module.h>

namespace torchship {

/// Whether code has an operator that update_quantized_conv() may be about.
bool names_quantized_conv(const std::string& code);

/// PyTorch before 1.5 gave quantized convolutions their strides and paddings in the call; now the
/// packed weights have them. Rewrites those calls in all methods, as torch::jit::load() does.
void update_quantized_conv(const torch::jit::Module& module);

}  // namespace torchship
