#include "lint/libraries.h"

#include <array>

namespace torchship {
namespace {

struct Library {
  std::string_view start;  ///< Of the operator's name.
  std::string_view package;
};

/// The most special first.
constexpr std::array kLibraries = {
    Library{"torchvision::", "torchvision"},
    Library{"image::", "torchvision"},
    Library{"torchaudio::", "torchaudio"},
    Library{"torch.classes.torchaudio.", "torchaudio"},
    Library{"torch.classes.rnnt.", "torchaudio"},
    Library{"torchtext::", "torchtext"},
    Library{"torch.classes.torchtext.", "torchtext"},
    Library{"torchcodec_ns::", "torchcodec"},
    Library{"torch_scatter::", "torch-scatter"},
    Library{"torch_sparse::", "torch-sparse"},
    Library{"torch_cluster::", "torch-cluster"},
    Library{"torch_spline_conv::", "torch-spline-conv"},
    Library{"pyg::", "pyg-lib"},
    Library{"fbgemm::", "fbgemm-gpu"},
    Library{"torch.classes.fbgemm.", "fbgemm-gpu"},
    Library{"detectron2::", "detectron2"},
    Library{"_caffe2::", "caffe2, as detectron2's export uses it"},
    Library{"mmcv::", "mmcv"},
    Library{"mmdeploy::", "mmdeploy"},
    Library{"ort::", "torch-ort"},
    Library{"onnx::", "an export to ONNX"},
    Library{"torch_ipex::", "intel-extension-for-pytorch"},
    Library{"torch.classes.ipex_prepack.", "intel-extension-for-pytorch"},
    Library{"ipex_prepack::", "intel-extension-for-pytorch"},
    Library{"tensorrt::", "torch-tensorrt"},
    Library{"torch.classes.tensorrt.", "torch-tensorrt"},
    Library{"trtorch::", "torch-tensorrt"},
    Library{"xformers::", "xformers"},
    Library{"flash_attn::", "flash-attn"},
    Library{"torchao::", "torchao"},
    Library{"bitsandbytes::", "bitsandbytes"},
    Library{"metatensor::", "metatomic-torch"},
    Library{"torch.classes.metatensor.", "metatensor-torch"},
    Library{"torch.classes.metatomic.", "metatomic-torch"},
    Library{"neuron::", "torch-neuron"},
    Library{"torch.classes.neuron.", "torch-neuron"},
    Library{"torchrec::", "torchrec"},
    Library{"spconv::", "spconv"},
    Library{"torchsparse::", "torchsparse"},
    Library{"nvfuser::", "nvfuser"},
};

}  // namespace

std::string library_of(std::string_view operator_name) {
  for (const Library& library : kLibraries) {
    if (operator_name.starts_with(library.start)) return std::string(library.package);
  }
  return {};
}

}  // namespace torchship
