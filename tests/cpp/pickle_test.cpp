#include "archive/pickle.h"

#include <limits>

#include <gtest/gtest.h>

#include "test_files.h"

namespace torchship {
namespace {

using namespace std::string_view_literals;
using test::refusal;
using Type = Pickle::Type;
using Node = Pickle::Node;

Pickle parsed(std::string_view bytes) { return {bytes, "m.pt: data.pkl"}; }

Node root_of(std::string_view bytes) { return parsed(bytes).root(); }

std::string refused(std::string_view bytes) {
  return refusal([&] { parsed(bytes); });
}

/// The integers that a pickled container holds.
std::vector<std::int64_t> integers_in(std::string_view bytes, Type type) {
  const Pickle pickle = parsed(bytes);
  EXPECT_EQ(pickle.root().type, type);
  std::vector<std::int64_t> integers;
  for (const std::size_t child : pickle.root().children) {
    EXPECT_EQ(pickle[child].type, Type::integer);
    integers.push_back(pickle[child].integer);
  }
  return integers;
}

using Integers = std::vector<std::int64_t>;

/// {"a": 1.0, "b": ("b" memoised, [True, None]), "m": Net(state), "w": call(persistent)}
constexpr auto kWhole =
    "\x80\x02}("
    "X\x01\0\0\0aG\x3f\xf0\0\0\0\0\0\0"
    "X\x01\0\0\0bq\x01h\x01](\x88Ne\x86"
    "X\x01\0\0\0mc__torch__\nNet\n)\x81}X\x01\0\0\0kM\x39\x30sb"
    "X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((U\x07storageJ\xff\xff\xff\xfftQK\0tR"
    "u."sv;

TEST(Pickle, ReadsScalars) {
  EXPECT_EQ(root_of("N."sv).type, Type::none);
  EXPECT_EQ(root_of("\x80\x02\x88."sv).type, Type::boolean);
  EXPECT_EQ(root_of("\x88."sv).integer, 1);
  EXPECT_EQ(root_of("\x89."sv).integer, 0);
  EXPECT_EQ(root_of("K\xff."sv).integer, 255);
  EXPECT_EQ(root_of("M\x01\x02."sv).integer, 0x201);
  EXPECT_EQ(root_of("J\xfe\xff\xff\xff."sv).integer, -2);
  EXPECT_EQ(root_of("J\x01\x02\x03\x04."sv).integer, 0x04030201);
  EXPECT_EQ(root_of("G\x3f\xf8\0\0\0\0\0\0."sv).type, Type::floating);
  EXPECT_EQ(root_of("G\x3f\xf8\0\0\0\0\0\0."sv).floating, 1.5);
}

TEST(Pickle, ReadsLongIntegers) {
  EXPECT_EQ(root_of("\x8a\x00."sv).integer, 0);
  EXPECT_EQ(root_of("\x8a\x01\xff."sv).integer, -1);
  EXPECT_EQ(root_of("\x8a\x02\xff\x00."sv).integer, 255);
  EXPECT_EQ(root_of("\x8a\x08\0\0\0\0\0\0\0\x80."sv).integer,
            std::numeric_limits<std::int64_t>::min());
  EXPECT_HAS(refused("\x8a\x09\0\0\0\0\0\0\0\0\x01."sv), "more than 64 bits");
}

TEST(Pickle, ReadsStrings) {
  EXPECT_EQ(root_of("X\x02\0\0\0ab."sv).type, Type::string);
  EXPECT_EQ(root_of("X\x02\0\0\0ab."sv).text, "ab");
  EXPECT_EQ(root_of("\x8d\x02\0\0\0\0\0\0\0ab."sv).text, "ab");
  EXPECT_EQ(root_of("T\x02\0\0\0ab."sv).text, "ab");
  EXPECT_EQ(root_of("U\x02""ab."sv).text, "ab");
  EXPECT_EQ(root_of("U\x00."sv).text, "");
  EXPECT_EQ(root_of("ctorch\nFloatStorage\n."sv).type, Type::global);
  EXPECT_EQ(root_of("ctorch\nFloatStorage\n."sv).text, "torch FloatStorage");
}

TEST(Pickle, ReadsContainers) {
  EXPECT_EQ(integers_in(")."sv, Type::tuple), Integers{});
  EXPECT_EQ(integers_in("K\1\x85."sv, Type::tuple), Integers{1});
  EXPECT_EQ(integers_in("K\1K\2\x86."sv, Type::tuple), (Integers{1, 2}));
  EXPECT_EQ(integers_in("K\1K\2K\3\x87."sv, Type::tuple), (Integers{1, 2, 3}));
  EXPECT_EQ(integers_in("(K\1K\2K\3K\4t."sv, Type::tuple), (Integers{1, 2, 3, 4}));
  EXPECT_EQ(integers_in("(t."sv, Type::tuple), Integers{});
  EXPECT_EQ(integers_in("]."sv, Type::list), Integers{});
  EXPECT_EQ(integers_in("]K\1a(K\2K\3e."sv, Type::list), (Integers{1, 2, 3}));
  EXPECT_EQ(integers_in("}K\1K\2s(K\3K\4u."sv, Type::dict), (Integers{1, 2, 3, 4}));
  EXPECT_EQ(integers_in("K\1K\2""0\x85."sv, Type::tuple), Integers{1});
}

TEST(Pickle, ReadsTheMemo) {
  EXPECT_EQ(integers_in("K\7q\0h\0\x86."sv, Type::tuple), (Integers{7, 7}));
  EXPECT_EQ(integers_in("K\7r\0\1\0\0j\0\1\0\0\x86."sv, Type::tuple), (Integers{7, 7}));
  EXPECT_HAS(refused("h\0."sv), "it refers to something it did not define");
}

TEST(Pickle, KeepsCallsAndObjectsAsNames) {
  const Pickle call = parsed("cos\nsystem\nU\2ls\x85R."sv);
  EXPECT_EQ(call.root().type, Type::call);
  ASSERT_EQ(call.root().children.size(), 2u);
  EXPECT_EQ(call[call.root().children[0]].text, "os system");
  EXPECT_EQ(call[call.root().children[1]].type, Type::tuple);

  const Pickle object = parsed("c__torch__\nNet\n)\x81}b."sv);
  EXPECT_EQ(object.root().type, Type::object);
  ASSERT_EQ(object.root().children.size(), 2u);
  EXPECT_EQ(object[object.root().children[0]].text, "__torch__ Net");
  EXPECT_EQ(object[object.root().children[1]].type, Type::dict);

  const Pickle persistent = parsed("U\1aQ."sv);
  EXPECT_EQ(persistent.root().type, Type::persistent);
  EXPECT_EQ(persistent[persistent.root().children.at(0)].text, "a");

  // A restored dict: the items go to the call that gives it its type.
  EXPECT_EQ(root_of("ca\nb\n}\x85R(K\1K\2u."sv).children.size(), 4u);
}

TEST(Pickle, ReadsAWholeTree) {
  const Pickle pickle = parsed(kWhole);
  const Node& root = pickle.root();
  ASSERT_EQ(root.type, Type::dict);
  ASSERT_EQ(root.children.size(), 8u);
  EXPECT_EQ(pickle[root.children[1]].floating, 1.0);
  const Node& pair = pickle[root.children[3]];
  ASSERT_EQ(pair.type, Type::tuple);
  EXPECT_EQ(pair.children[0], root.children[2]);
  EXPECT_EQ(pickle[pair.children[1]].type, Type::list);
  EXPECT_EQ(pickle[root.children[5]].type, Type::object);
  EXPECT_EQ(pickle[root.children[7]].type, Type::call);
}

TEST(Pickle, NamesDamage) {
  EXPECT_EQ(refused(""), "m.pt: data.pkl: damaged pickle at byte 0: it ends too early");
  EXPECT_HAS(refused("."sv), "its stack is empty");
  EXPECT_HAS(refused("N"sv), "at byte 1: it ends too early");
  EXPECT_HAS(refused("cmodule\nname"sv), "a line does not end");
  EXPECT_HAS(refused("K\1t."sv), "a mark is missing");
  EXPECT_HAS(refused("e."sv), "a mark is missing");
  EXPECT_HAS(refused("(K\1e."sv), "its stack is empty");
  EXPECT_HAS(refused("K\1(K\2K\3\x87."sv), "its stack is empty");
  EXPECT_HAS(refused("K\1K\2""a."sv), "items for something that holds none");
  EXPECT_HAS(refused("](K\1u."sv), "items for something that holds none");
  EXPECT_HAS(refused("]}b."sv), "a state for something that is no object");
  EXPECT_HAS(refused("q\0."sv), "its stack is empty");
  EXPECT_HAS(refused("R."sv), "its stack is empty");
  EXPECT_HAS(refused("hello"sv), "damaged pickle");
  // Opcodes that PyTorch never writes: INST, OBJ, EXT1, STACK_GLOBAL.
  for (const std::string_view bytes : {"i"sv, "o"sv, "\x82"sv, "\x93"sv, "\xff"sv, "\0"sv}) {
    EXPECT_HAS(refused(bytes), "an opcode that PyTorch does not write");
  }
}

TEST(Pickle, RefusesLengthsBeyondItsEnd) {
  EXPECT_HAS(refused("X\xff\xff\xff\xff""a."sv), "it ends too early");
  EXPECT_HAS(refused("\x8d\xff\xff\xff\xff\xff\xff\xff\xff""a."sv), "it ends too early");
  EXPECT_HAS(refused("T\xff\xff\xff\x7f""a."sv), "it ends too early");
  EXPECT_HAS(refused("U\xff""a."sv), "it ends too early");
}

TEST(Pickle, RefusesOneCutAnywhere) {
  for (std::size_t length = 0; length < kWhole.size(); ++length) {
    EXPECT_NE(refused(kWhole.substr(0, length)), "") << length;
  }
}

TEST(Pickle, SurvivesRandomDamage) {
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::string bytes = test::mutated(std::string(kWhole), random);
    accepted += refused(bytes).empty() ? 1 : 0;  // Anything but an ArchiveError ends the test.
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 5000);
}

TEST(Pickle, RefusesTreesThatCannotBeWalked) {
  EXPECT_HAS(refused("]q\0h\0a."sv), "holds itself");
  EXPECT_HAS(refused("}q\0K\1h\0s."sv), "holds itself");
  EXPECT_HAS(refused(std::string(2000, ']') + std::string(1999, 'a') + "."), "too deep");
  std::string doubled = ")";  // Each tuple holds the last one twice.
  for (int i = 0; i < 50; ++i) doubled += "q\1h\1\x86"sv;
  EXPECT_HAS(refused(doubled + "."), "repeat too often");
}

TEST(Pickle, RefusesMemosThatLibTorchWouldMakeRoomFor) {
  EXPECT_HAS(refused("Nr\xff\xff\xff\xff."sv), "memo");
}

}  // namespace
}  // namespace torchship
