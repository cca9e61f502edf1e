#include "archive/recognise.h"

#include <memory>

#include <gtest/gtest.h>

#include "test_files.h"
#include "zip_builder.h"

namespace torchship {
namespace {

using namespace test;
using namespace std::string_literals;

/// What a file of these bytes is refused with, its path left out; empty for a TorchScript archive.
std::string refused(const std::string& bytes) {
  const TempFolder folder;
  const std::filesystem::path path = folder.file("m.pt", bytes);
  const std::string said = refusal([&] {
    const auto file = std::make_shared<const File>(path);
    require_zip(*file);
    require_torchscript(ZipReader(file));
  });
  if (said.empty()) {
    return {};
  }
  EXPECT_TRUE(said.starts_with(path.string() + ": ")) << said;
  return said.substr(path.string().size() + 2);
}

std::string refused_zip(const std::vector<std::string>& names) {
  std::vector<ZipRecord> records;
  for (const std::string& name : names) {
    records.push_back(stored(name, "data"));
  }
  return refused(zip_of(records));
}

std::string is(const std::string& what) { return "is not a TorchScript archive: it is " + what; }

struct Magic {
  std::string bytes;
  std::string what;
  std::string hint;
};

class RefusesByFirstBytes : public testing::TestWithParam<Magic> {};

TEST_P(RefusesByFirstBytes, InItsWords) {
  const Magic& magic = GetParam();
  for (const std::size_t more : {0, 1000}) {
    const std::string said = refused(magic.bytes + std::string(more, '\1'));
    EXPECT_EQ(said.substr(0, said.find('\n')), is(magic.what));
    EXPECT_HAS(said, "\n" + magic.hint);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Recognise, RefusesByFirstBytes,
    testing::Values(
        Magic{"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s,
              "a checkpoint of torch.save (before PyTorch 1.6)", "save a traced or scripted"},
        Magic{"PK\x03\x04"s, "a zip archive that is cut off or damaged: it has no end record",
              "copy or download the file again"},
        Magic{"\x89HDF\r\n\x1a\n"s, "an HDF5 file", "torchship opens TorchScript archives"},
        Magic{"\x1f\x8b\x08"s, "a gzip file", "unpack it first"},
        Magic{"\x93NUMPY\1\0"s, "a NumPy array", "torchship opens TorchScript archives"},
        Magic{"GGUF\3\0\0\0"s, "a GGUF file", "torchship opens TorchScript archives"},
        Magic{"\x7f" "ELF\2\1\1"s, "a compiled program or library", "pass the model's archive"},
        Magic{"\x1c\0\0\0TFL3"s, "a TensorFlow Lite model", "torchship opens TorchScript"},
        Magic{"\x1c\0\0\0ET12"s, "an ExecuTorch program", "torchship opens TorchScript"},
        Magic{"\x1c\0\0\0PTMF"s, "a PyTorch Mobile flatbuffer", "save the module with"},
        Magic{std::string(257, 'a') + "ustar\0"s, "a tar archive", "unpack it and pass the model"},
        Magic{"\x20\0\0\0\0\0\0\0{\"__metadata__\":{}}"s,
              "a safetensors file: weights without code", "save a traced or scripted"},
        Magic{"\x80\x02}."s, "a Python pickle", "save a traced or scripted"},
        Magic{"\x80\x03}."s, "a Python pickle", "save a traced or scripted"},
        Magic{"\x80\x04}."s, "a Python pickle", "save a traced or scripted"},
        Magic{"\x80\x05}."s, "a Python pickle", "save a traced or scripted"}));

TEST(Recognise, RefusesWhatItDoesNotKnow) {
  EXPECT_HAS(refused(""), "the file is empty");
  EXPECT_HAS(refused("hello, world"), "is not a TorchScript archive: it is no zip file");
  EXPECT_HAS(refused(std::string(5000, '\0')), "it is no zip file");
}

TEST(Recognise, TakesATorchScriptArchive) {
  const TempFolder folder;
  const auto path = folder.file("m.pt", zip_of({stored("net/version", "3\n"),
                                                stored("net/data.pkl", "N."),
                                                stored("net/constants.pkl", ").")}));
  const auto file = std::make_shared<const File>(path);
  EXPECT_NO_THROW(require_zip(*file));
  EXPECT_EQ(require_torchscript(ZipReader(file)), "net/");
}

TEST(Recognise, RefusesOtherZipFilesInTheirWords) {
  EXPECT_HAS(refused_zip({}), is("an empty zip archive"));
  EXPECT_HAS(refused_zip({"m/data.pkl", "m/version", "m/data/0"}), is("a checkpoint of torch.save"));
  EXPECT_HAS(refused_zip({"m/model.json", "m/version", "m/tensors/0"}),
             is("in the format of PyTorch 1.0 and 1.1"));
  EXPECT_HAS(refused_zip({"m/model.json", "m/data.pkl", "m/constants.pkl", "m/version"}),
             is("in the format of PyTorch 1.0 and 1.1"));
  EXPECT_HAS(refused_zip({"m/data/aotinductor/model/a.so", "m/version"}),
             is("a package of torch.export"));
  EXPECT_HAS(refused_zip({"m/bytecode.pkl", "m/version"}), is("a PyTorch Mobile archive"));
  EXPECT_HAS(refused_zip({"MAR-INF/MANIFEST.json", "model.pt"}),
             is("a TorchServe model archive (.mar)"));
  EXPECT_HAS(refused_zip({"x.npy", "y.npy"}), is("a NumPy .npz file"));
  EXPECT_HAS(refused_zip({"word/document.xml", "x.npy"}),
             is("some other zip archive, whose first record is 'word/document.xml'"));
}

TEST(Recognise, WantsOneFolder) {
  EXPECT_NE(refused_zip({"a/data.pkl", "a/constants.pkl", "a/version", "b/code.py"}), "");
  EXPECT_HAS(refused_zip({"data.pkl", "constants.pkl", "version"}), is("a checkpoint"));
  EXPECT_NE(refused_zip({"m/data.pkl", "m/constants.pkl"}), "");
}

}  // namespace
}  // namespace torchship
