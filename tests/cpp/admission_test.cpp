#include "planned/admission.h"

#include <string>

#include <gtest/gtest.h>

namespace torchship {
namespace {

std::string key(int number) { return "sizes " + std::to_string(number); }

TEST(Admission, WhatComesOnceGetsNoPlan) {
  Admission admission(4);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(admission.admits(key(i)));
}

TEST(Admission, WhatComesAgainGetsOne) {
  Admission admission(4);
  EXPECT_FALSE(admission.admits(key(1)));
  EXPECT_TRUE(admission.admits(key(1)));
}

/// Forty sizes in turn, and places for four: each plan would go before it is used again.
TEST(Admission, PlansBecomeRareWhereTheyDoNotStay) {
  Admission admission(4);
  int admitted = 0, calls = 0;
  for (; calls < 100'000; ++calls) admitted += admission.admits(key(calls % 40)) ? 1 : 0;
  EXPECT_GT(admitted, 0);
  EXPECT_LT(admitted, calls / 100);
}

/// However it went before, sizes that stay get their plans.
TEST(Admission, NewSizesThatStayAreNotLeftOut) {
  Admission admission(4);
  for (int i = 0; i < 100'000; ++i) admission.admits(key(i % 40));
  int calls = 1;
  while (!admission.admits("new") && calls < 1000) ++calls;
  EXPECT_LE(calls, 256);
}

}  // namespace
}  // namespace torchship
