#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "level.h"


namespace torchship::compute {
namespace {

constexpr float kGuard = 12345.5F;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

std::vector<float> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> result(size(count));
  for (float& number : result) {
    number = uniform(random);
  }
  return result;
}

/// A layer's sizes and options; gaps are floats after each row, of inputs and of results.
struct Case {
  Cell cell = Cell::lstm;
  std::int64_t steps = 1, batch = 1, inputs = 1, hidden = 1;
  bool backward = false, has_biases = true, has_first = true, batch_first = false;
  std::int64_t gap = 0;

  std::int64_t gates() const { return cell == Cell::lstm ? 4 : 3; }
  std::string text() const {
    return std::string(cell == Cell::lstm ? "lstm" : "gru") + ", steps " + std::to_string(steps) +
           ", batch " + std::to_string(batch) + ", inputs " + std::to_string(inputs) + ", hidden " +
           std::to_string(hidden) + (backward ? ", backward" : "") + (has_biases ? ", biases" : "") +
           (has_first ? ", first state" : "") + (batch_first ? ", batch first" : "") + ", gap " +
           std::to_string(gap);
  }
};

/// The parameters and the input of a case.
struct Data {
  explicit Data(const Case& c)
      : input(numbers(c.steps * c.batch * (c.inputs + c.gap), 1)),
        first_hidden(numbers(c.batch * c.hidden, 2)),
        first_cell(numbers(c.batch * c.hidden, 3)),
        input_weight(numbers(c.gates() * c.hidden * c.inputs, 4)),
        hidden_weight(numbers(c.gates() * c.hidden * c.hidden, 5)),
        input_bias(numbers(c.gates() * c.hidden, 6)),
        hidden_bias(numbers(c.gates() * c.hidden, 7)) {
    // Small sums, so that no gate is saturated.
    for (float& weight : hidden_weight) {
      weight *= 2 / std::sqrt(static_cast<float>(c.hidden));
    }
  }
  std::vector<float> input, first_hidden, first_cell;
  std::vector<float> input_weight, hidden_weight, input_bias, hidden_bias;
};

struct Result {
  std::vector<float> all, last_hidden, last_cell;
};

std::int64_t stride_of_steps(const Case& c, std::int64_t width) {
  return (c.batch_first ? 1 : c.batch) * (width + c.gap);
}
std::int64_t stride_of_batch(const Case& c, std::int64_t width) {
  return (c.batch_first ? c.steps : 1) * (width + c.gap);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// One sequence's state, in torch.nn's equations.
class Reference {
 public:
  Reference(const Case& c, const Data& data, std::int64_t row)
      : case_(c), data_(data), hidden(size(c.hidden)), cells(size(c.hidden)) {
    for (std::int64_t unit = 0; c.has_first && unit < c.hidden; ++unit) {
      hidden[size(unit)] = data.first_hidden[size(row * c.hidden + unit)];
      cells[size(unit)] = data.first_cell[size(row * c.hidden + unit)];
    }
  }

  void step(const float* input) {
    std::vector<double> next(hidden.size());
    for (std::int64_t unit = 0; unit < case_.hidden; ++unit) {
      next[size(unit)] = case_.cell == Cell::lstm ? lstm(input, unit) : gru(input, unit);
    }
    hidden = next;
  }

 private:
  double input_part(const float* input, std::int64_t gate, std::int64_t unit) const {
    const std::int64_t row = gate * case_.hidden + unit;
    double sum = case_.has_biases ? data_.input_bias[size(row)] : 0;
    for (std::int64_t k = 0; k < case_.inputs; ++k) {
      sum += static_cast<double>(input[k]) * data_.input_weight[size(row * case_.inputs + k)];
    }
    return sum;
  }
  double hidden_part(std::int64_t gate, std::int64_t unit) const {
    const std::int64_t row = gate * case_.hidden + unit;
    double sum = case_.has_biases ? data_.hidden_bias[size(row)] : 0;
    for (std::int64_t k = 0; k < case_.hidden; ++k) {
      sum += hidden[size(k)] * data_.hidden_weight[size(row * case_.hidden + k)];
    }
    return sum;
  }
  double both(const float* input, std::int64_t gate, std::int64_t unit) const {
    return input_part(input, gate, unit) + hidden_part(gate, unit);
  }
  double lstm(const float* input, std::int64_t unit) {
    double& cell = cells[size(unit)];
    cell = sigmoid(both(input, 1, unit)) * cell +
           sigmoid(both(input, 0, unit)) * std::tanh(both(input, 2, unit));
    return sigmoid(both(input, 3, unit)) * std::tanh(cell);
  }
  double gru(const float* input, std::int64_t unit) const {
    const double reset = sigmoid(both(input, 0, unit));
    const double keep = sigmoid(both(input, 1, unit));
    const double fresh = std::tanh(input_part(input, 2, unit) + reset * hidden_part(2, unit));
    return (1 - keep) * fresh + keep * hidden[size(unit)];
  }

  const Case& case_;
  const Data& data_;

 public:
  std::vector<double> hidden, cells;
};

Result expected(const Case& c, const Data& data) {
  Result result{std::vector<float>(size(c.steps * c.batch * (c.hidden + c.gap)), kGuard), {}, {}};
  for (std::int64_t row = 0; row < c.batch; ++row) {
    Reference reference(c, data, row);
    for (std::int64_t i = 0; i < c.steps; ++i) {
      const std::int64_t step = c.backward ? c.steps - 1 - i : i;
      reference.step(data.input.data() + step * stride_of_steps(c, c.inputs) +
                     row * stride_of_batch(c, c.inputs));
      for (std::int64_t unit = 0; unit < c.hidden; ++unit) {
        result.all[size(step * stride_of_steps(c, c.hidden) + row * stride_of_batch(c, c.hidden) +
                        unit)] = static_cast<float>(reference.hidden[size(unit)]);
      }
    }
    result.last_hidden.insert(result.last_hidden.end(), reference.hidden.begin(),
                              reference.hidden.end());
    result.last_cell.insert(result.last_cell.end(), reference.cells.begin(), reference.cells.end());
  }
  return result;
}

/// Memory of this size with a guard behind, which must be as it was in the end.
class Guarded {
 public:
  explicit Guarded(std::int64_t count) : numbers_(size(count) + kGuards, kGuard) {}
  ~Guarded() {
    for (std::size_t i = numbers_.size() - kGuards; i < numbers_.size(); ++i) {
      EXPECT_EQ(numbers_[i], kGuard);
    }
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  float* data() { return numbers_.data(); }
  std::vector<float> values() const {
    return {numbers_.begin(), numbers_.end() - static_cast<std::ptrdiff_t>(kGuards)};
  }

 private:
  static constexpr std::size_t kGuards = 16;
  std::vector<float> numbers_;
};

Result computed(const Case& c, const Data& data) {
  RecurrentWeights weights{c.cell, c.inputs, c.hidden, data.input_weight.data(),
                           data.hidden_weight.data()};
  if (c.has_biases) {
    weights.input_bias = data.input_bias.data();
    weights.hidden_bias = data.hidden_bias.data();
  }
  Guarded packed(level().packed_recurrent_size(weights));
  level().pack_recurrent(weights, packed.data());

  RecurrentLayer layer;
  layer.cell = c.cell;
  layer.steps = c.steps;
  layer.batch = c.batch;
  layer.inputs = c.inputs;
  layer.hidden = c.hidden;
  layer.backward = c.backward;
  layer.input = data.input.data();
  layer.input_strides[0] = stride_of_steps(c, c.inputs);
  layer.input_strides[1] = stride_of_batch(c, c.inputs);
  layer.result_strides[0] = stride_of_steps(c, c.hidden);
  layer.result_strides[1] = stride_of_batch(c, c.hidden);
  if (c.has_first) {
    layer.first_hidden = data.first_hidden.data();
    layer.first_cell = data.first_cell.data();
  }
  layer.weight = packed.data();
  Guarded scratch(level().run_recurrent_scratch(layer));
  Guarded all(c.steps * c.batch * (c.hidden + c.gap));
  Guarded last_hidden(c.batch * c.hidden);
  Guarded last_cell(c.batch * c.hidden);
  layer.result = all.data();
  layer.last_hidden = last_hidden.data();
  layer.last_cell = c.cell == Cell::lstm ? last_cell.data() : nullptr;
  level().run_recurrent({.layers = &layer}, {}, scratch.data());
  return {all.values(), last_hidden.values(), last_cell.values()};
}

void expect_near(const std::vector<float>& found, const std::vector<float>& wanted,
                 const char* what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], wanted[i], 2e-5) << what << " at " << i;
  }
}

void check(const Case& c) {
  SCOPED_TRACE(c.text());
  const Data data(c);
  const Result found = computed(c, data);
  const Result wanted = expected(c, data);
  expect_near(found.all, wanted.all, "result");
  expect_near(found.last_hidden, wanted.last_hidden, "last hidden state");
  if (c.cell == Cell::lstm) {
    expect_near(found.last_cell, wanted.last_cell, "last cell state");
  }
}

constexpr Cell kCells[] = {Cell::lstm, Cell::gru};

TEST(Recurrent, AllSizes) {
  for (const Cell cell : kCells) {
    for (const std::int64_t hidden : {1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 33, 40, 64}) {
      for (const std::int64_t batch : {1, 2, 3, 4, 5, 6, 7, 9, 13}) {
        for (const std::int64_t inputs : {1, 5, 16}) {
          check({.cell = cell, .steps = 4, .batch = batch, .inputs = inputs, .hidden = hidden});
        }
      }
    }
  }
}

TEST(Recurrent, AllOptions) {
  for (const Cell cell : kCells) {
    for (int options = 0; options < 64; ++options) {
      for (const std::int64_t batch : {1, 4}) {
        check({.cell = cell,
               .steps = 3,
               .batch = batch,
               .inputs = 6,
               .hidden = 11,
               .backward = (options & 1) != 0,
               .has_biases = (options & 2) != 0,
               .has_first = (options & 4) != 0,
               .batch_first = (options & 8) != 0,
               .gap = options / 16});
      }
    }
  }
}

TEST(Recurrent, ManySteps) {
  for (const Cell cell : kCells) {
    for (const bool backward : {false, true}) {
      for (const std::int64_t steps : {1, 2, 63, 64, 65, 130, 200}) {
        for (const std::int64_t batch : {1, 3, 70}) {
          check({.cell = cell,
                 .steps = steps,
                 .batch = batch,
                 .inputs = 3,
                 .hidden = 10,
                 .backward = backward,
                 .batch_first = true});
        }
      }
    }
  }
}

TEST(Recurrent, ManyUnits) {
  for (const Cell cell : kCells) {
    for (const std::int64_t batch : {1, 8}) {
      check({.cell = cell, .steps = 3, .batch = batch, .inputs = 100, .hidden = 260});
      check({.cell = cell, .steps = 5, .batch = batch, .inputs = 300, .hidden = 128});
    }
  }
}

TEST(Recurrent, NothingToDo) {
  for (const Cell cell : kCells) {
    check({.cell = cell, .steps = 3, .batch = 0, .inputs = 4, .hidden = 5});
    check({.cell = cell, .steps = 0, .batch = 2, .inputs = 4, .hidden = 5});
    check({.cell = cell, .steps = 0, .batch = 2, .inputs = 4, .hidden = 5, .backward = true});
    check({.cell = cell, .steps = 0, .batch = 2, .inputs = 4, .hidden = 5, .has_first = false});
    check({.cell = cell, .steps = 3, .batch = 2, .inputs = 0, .hidden = 5});
  }
}

/// A sequence has the same result, to the last bit, alone and wherever it is in a batch.
TEST(Recurrent, RowsDoNotDependOnTheBatch) {
  for (const Cell cell : kCells) {
    const Case one{.cell = cell, .steps = 70, .inputs = 9, .hidden = 21, .has_first = false};
    const Data data(one);
    const std::vector<float> wanted = computed(one, data).all;
    for (std::int64_t batch = 2; batch < 12; ++batch) {
      Case many = one;
      many.batch = batch;
      many.batch_first = true;
      Data repeated = data;
      for (std::int64_t row = 1; row < batch; ++row) {
        repeated.input.insert(repeated.input.end(), data.input.begin(), data.input.end());
      }
      const std::vector<float> found = computed(many, repeated).all;
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_EQ(found[i], wanted[i % wanted.size()]) << "batch " << batch << ", at " << i;
      }
    }
  }
}

/// What is no number in one sequence reaches all its later steps, and no other sequence.
TEST(Recurrent, NanStaysInItsRow) {
  for (const Cell cell : kCells) {
    const Case c{.cell = cell, .steps = 5, .batch = 4, .inputs = 6, .hidden = 19};
    Data data(c);
    const std::int64_t step = 2, row = 1;
    data.input[size((step * c.batch + row) * c.inputs + 3)] = kNan;
    const std::vector<float> found = computed(c, data).all;
    for (std::int64_t i = 0; i < c.steps * c.batch * c.hidden; ++i) {
      const bool affected = i / c.hidden % c.batch == row && i / c.hidden / c.batch >= step;
      ASSERT_EQ(std::isnan(found[size(i)]), affected) << i;
    }
  }
}

TEST(Recurrent, LargeInputsSaturate) {
  for (const Cell cell : kCells) {
    const Case c{.cell = cell, .steps = 3, .batch = 2, .inputs = 6, .hidden = 12};
    Data data(c);
    for (float& number : data.input) {
      number *= 1e6F;
    }
    const Result found = computed(c, data);
    const Result wanted = expected(c, data);
    expect_near(found.all, wanted.all, "result");
  }
}

/// The last states may take the place of the first ones.
TEST(Recurrent, StatesInPlace) {
  for (const Cell cell : kCells) {
    const Case c{.cell = cell, .steps = 4, .batch = 3, .inputs = 5, .hidden = 13};
    const Data data(c);
    const RecurrentWeights weights{c.cell, c.inputs, c.hidden, data.input_weight.data(),
                                   data.hidden_weight.data(), data.input_bias.data(),
                                   data.hidden_bias.data()};
    std::vector<float> packed(size(level().packed_recurrent_size(weights)));
    level().pack_recurrent(weights, packed.data());
    std::vector<float> hidden = data.first_hidden, cells = data.first_cell;
    std::vector<float> all(size(c.steps * c.batch * c.hidden));
    RecurrentLayer layer;
    layer.cell = c.cell;
    layer.steps = 1;
    layer.batch = c.batch;
    layer.inputs = c.inputs;
    layer.hidden = c.hidden;
    layer.input_strides[0] = c.batch * c.inputs;
    layer.input_strides[1] = c.inputs;
    layer.result_strides[0] = c.batch * c.hidden;
    layer.result_strides[1] = c.hidden;
    layer.first_hidden = layer.last_hidden = hidden.data();
    layer.first_cell = layer.last_cell = cells.data();
    layer.weight = packed.data();
    std::vector<float> scratch(size(level().run_recurrent_scratch(layer)));
    for (std::int64_t step = 0; step < c.steps; ++step) {  // As a program that streams does.
      layer.input = &data.input[size(step * layer.input_strides[0])];
      layer.result = &all[size(step * layer.result_strides[0])];
      level().run_recurrent({.layers = &layer}, {}, scratch.data());
    }
    const Result wanted = expected(c, data);
    expect_near(all, wanted.all, "result");
    expect_near(hidden, wanted.last_hidden, "last hidden state");
    if (cell == Cell::lstm) {
      expect_near(cells, wanted.last_cell, "last cell state");
    }
  }
}

/// Layers of random weights over one another, in one direction or two.
class Stacked {
 public:
  Stacked(const Case& c, int layers, int directions)
      : case_(c), layers_(layers), directions_(directions), width_(c.hidden * directions) {
    for (int place = 0; place < layers * directions; ++place) {
      Case one = c;
      one.inputs = place < directions ? c.inputs : width_;
      data_.emplace_back(one);
      packed_.push_back(packed(one, data_.back()));
    }
  }

  /// All results and last states, of this many threads at once; all layers in one call, or in one each.
  std::vector<std::vector<float>> run(int threads, bool layer_by_layer = false) {
    std::vector<std::vector<float>> found;
    for (int layer = 0; layer < layers_; ++layer) {
      found.emplace_back(size(case_.steps * case_.batch * width_));
    }
    for (int i = 0; i < 2 * layers_ * directions_; ++i) {
      found.emplace_back(size(case_.batch * case_.hidden));
    }
    std::vector<RecurrentLayer> parts;
    for (int place = 0; place < layers_ * directions_; ++place) {
      parts.push_back(part(place, found));
    }
    const int calls = layer_by_layer ? layers_ : 1;
    for (int call = 0; call < calls; ++call) {
      run_team({.layers = parts.data() + call * directions_,
                .layer_count = layers_ / calls,
                .directions = directions_},
               threads);
    }
    return found;
  }

 private:
  static std::vector<float> packed(const Case& c, const Data& data) {
    const RecurrentWeights weights{c.cell, c.inputs, c.hidden, data.input_weight.data(),
                                   data.hidden_weight.data(), data.input_bias.data(),
                                   data.hidden_bias.data()};
    std::vector<float> packed(size(level().packed_recurrent_size(weights)));
    level().pack_recurrent(weights, packed.data());
    return packed;
  }

  RecurrentLayer part(int place, std::vector<std::vector<float>>& found) const {
    const int layer = place / directions_, direction = place % directions_;
    const Data& data = data_[size(place)];
    RecurrentLayer made;
    made.cell = case_.cell;
    made.steps = case_.steps;
    made.batch = case_.batch;
    made.inputs = layer == 0 ? case_.inputs : width_;
    made.hidden = case_.hidden;
    made.backward = direction == 1;
    made.input = layer == 0 ? data_[0].input.data() : found[size(layer - 1)].data();
    made.input_strides[0] = case_.batch * made.inputs;
    made.input_strides[1] = made.inputs;
    made.result = found[size(layer)].data() + direction * case_.hidden;
    made.result_strides[0] = case_.batch * width_;
    made.result_strides[1] = width_;
    if (case_.has_first) {
      made.first_hidden = data.first_hidden.data();
      made.first_cell = data.first_cell.data();
    }
    made.last_hidden = found[size(layers_ + 2 * place)].data();
    if (case_.cell == Cell::lstm) {
      made.last_cell = found[size(layers_ + 2 * place + 1)].data();
    }
    made.weight = packed_[size(place)].data();
    return made;
  }

  void run_team(RecurrentStack stack, int threads) const {
    std::vector<RecurrentProgress> progress(kMostRecurrentThreads);
    stack.progress = progress.data();
    std::int64_t scratch = 0;
    for (int place = 0; place < stack.layer_count * directions_; ++place) {
      scratch = std::max(scratch, level().run_recurrent_scratch(stack.layers[place]));
    }
    std::vector<std::thread> team;
    for (int index = 0; index < threads; ++index) {
      team.emplace_back([&, index] {
        Guarded own(scratch);
        level().run_recurrent(stack, {index, threads}, own.data());
      });
    }
    for (std::thread& thread : team) {
      thread.join();
    }
  }

  Case case_;
  int layers_, directions_;
  std::int64_t width_;
  std::vector<Data> data_;
  std::vector<std::vector<float>> packed_;
};

/// The same bits as layer after layer on one thread.
void check_stack(const Case& c, int layers, int directions, int repetitions = 1) {
  SCOPED_TRACE(c.text() + ", layers " + std::to_string(layers) + ", directions " +
               std::to_string(directions));
  Stacked stacked(c, layers, directions);
  const auto wanted = stacked.run(1, true);
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    for (int threads = 1; threads <= 5; ++threads) {
      ASSERT_EQ(stacked.run(threads), wanted) << threads << " threads";
    }
  }
}

TEST(RecurrentStack, ThreadsMakeNoDifference) {
  for (const Cell cell : kCells) {
    for (const int directions : {1, 2}) {
      for (const std::int64_t hidden : {5, 64, 101}) {
        for (const std::int64_t batch : {1, 2, 7}) {
          for (const int layers : {1, 2, 3, 6}) {
            check_stack({.cell = cell, .steps = 9, .batch = batch, .inputs = 13, .hidden = hidden},
                        layers, directions);
          }
        }
      }
    }
  }
}

TEST(RecurrentStack, FewAndManySteps) {
  for (const Cell cell : kCells) {
    for (const bool has_first : {false, true}) {
      for (const std::int64_t steps : {0, 1, 2, 70}) {
        check_stack({.cell = cell,
                     .steps = steps,
                     .batch = 2,
                     .inputs = 20,
                     .hidden = 90,
                     .has_first = has_first},
                    2, 2);
      }
    }
  }
}

TEST(RecurrentStack, ManyTimes) {
  for (const Cell cell : kCells) {
    check_stack({.cell = cell, .steps = 20, .batch = 1, .inputs = 8, .hidden = 120}, 3, 1, 20);
    check_stack({.cell = cell, .steps = 20, .batch = 1, .inputs = 8, .hidden = 120}, 2, 2, 20);
  }
}

TEST(RecurrentStack, SmallStepsAreForOneThread) {
  RecurrentLayer layer;
  layer.steps = 10;
  layer.batch = 1;
  layer.inputs = layer.hidden = 16;
  EXPECT_EQ(level().run_recurrent_threads({.layers = &layer}, 8), 1);
  EXPECT_EQ(level().run_recurrent_threads({.layers = &layer, .directions = 2}, 8), 2);
  layer.hidden = 512;
  EXPECT_EQ(level().run_recurrent_threads({.layers = &layer}, 8), 8);
  EXPECT_EQ(level().run_recurrent_threads({.layers = &layer}, 100), kMostRecurrentThreads);
}

}  // namespace
}  // namespace torchship::compute
