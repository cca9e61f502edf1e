#include "torchscript/quantized_conv.h"

#include <torch/csrc/jit/passes/subgraph_rewrite.h>

namespace torchship {
namespace {

/// A graph that is one call of an operator.
std::string graph_of(const std::string& name, const std::string& arguments) {
  return "graph(%x, %weights, %stride, %padding, %dilation, %groups, %scale, %zero):\n"
         "  %y = " + name + "(" + arguments + ")\n"
         "  return (%y)";
}

}  // namespace

bool names_quantized_conv(const std::string& code) {
  return code.find("quantized.conv") != std::string::npos;
}

void update_quantized_conv(const torch::jit::Module& module) {
  torch::jit::SubgraphRewriter rewriter;
  for (const char* name : {"quantized::conv2d", "quantized::conv2d_relu", "quantized::conv3d",
                           "quantized::conv3d_relu"}) {
    rewriter.RegisterRewritePattern(
        graph_of(name, "%x, %weights, %stride, %padding, %dilation, %groups, %scale, %zero"),
        graph_of(name, "%x, %weights, %scale, %zero"));
  }
  for (const torch::jit::Module& each : module.modules()) rewriter.runOnModule(each);
}

}  // namespace torchship
