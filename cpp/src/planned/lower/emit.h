#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "planned/lower/epilogue.h"
#include "planned/planner.h"
#include "team.h"

namespace torchship {

/// "2 x 3 x 4".
inline std::string sizes_text(std::initializer_list<std::int64_t> sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

/// What a step is, beside its kernel's arguments.
struct StepText {
  std::string kernel;
  std::string detail;
  double operations = 0;
};

/// A step with a kernel of one input and one result, to which `arguments` do not point yet; by all
/// threads if `is_large`.
template <typename Arguments>
void emit_simple(Planner& planner, StepText text, void (*run)(const Arguments&, compute::Share),
                 const Arguments& arguments, const Array& input, const Array& result,
                 bool is_large) {
  planner.emit({.kernel = std::move(text.kernel),
                .operators = {},
                .run =
                    [=](Frame& frame) {
                      Arguments bound = arguments;
                      bound.input = frame.at(input);
                      bound.result = frame.at(result);
                      run_team(is_large ? frame.threads() : 1,
                               [&](compute::Share share) { run(bound, share); });
                    },
                .reads = {input.buffer},
                .writes = {result.buffer},
                .operations = text.operations,
                .detail = std::move(text.detail)});
}

/// A step with a kernel that has an epilogue and scratch; `bind` points its arguments to the input
/// and the result. Work of fewer than `few` operations is done by one thread: waking another takes
/// longer.
template <typename Arguments, typename Bind>
void emit_with_epilogue(Planner& planner, StepText text,
                        void (*run)(const Arguments&, compute::Share, float*),
                        const Arguments& arguments, const Array& input, const Array& result,
                        const Following& following, double few, const Bind& bind) {
  Step step{.kernel = std::move(text.kernel),
            .operators = {},
            .run = {},
            .reads = {input.buffer},
            .writes = {result.buffer},
            .operations = text.operations,
            .detail = std::move(text.detail)};
  if (following.residual) step.reads.push_back(following.residual->buffer);
  step.run = [=, residual = following.residual, is_large = text.operations >= few](Frame& frame) {
    Arguments bound = arguments;
    bind(bound, frame.at(input), frame.at(result));
    if (residual) bound.epilogue.residual = frame.at(*residual);
    run_team(is_large ? frame.threads() : 1,
             [&](compute::Share share) { run(bound, share, frame.scratch(share.index)); });
  };
  planner.emit(std::move(step));
}

}  // namespace torchship
