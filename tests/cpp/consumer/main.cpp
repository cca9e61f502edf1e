#include <iostream>

#include <ATen/ops/ones.h>
#include <torchship/torchship.h>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: consumer ARCHIVE [ANSWER.npy]\n";
    return 2;
  }
  try {
    const torchship::Model model(argv[1]);
    const at::Tensor answer = model({at::ones({1, 3})}).tensor();
    std::cout << "f(1, 1, 1) = " << answer.item<float>() << '\n';
    if (argc > 2) {
      torchship::write_tensors(argv[2], {{"", answer}});
    }
    return 0;
  } catch (const torchship::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
