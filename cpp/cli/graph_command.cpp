#include "graph_command.h"

#include <iostream>

#include <torchship/torchship.h>

#include "files/atomic_file.h"
#include "graph_dot.h"
#include "graph_json.h"
#include "graph_page.h"
#include "graph_text.h"
#include "graphviz.h"
#include "ink.h"
#include "inputs.h"
#include "method.h"
#include "usage_error.h"

namespace torchship::cli {
namespace {

Stage chosen_stage(const GraphCommandOptions& options) {
  const bool runs = !options.inputs.empty() || options.profile || options.compare;
  const Stage stage =
      options.stage.empty() ? runs ? Stage::optimized : Stage::initial : parse_stage(options.stage);
  const std::string name(to_string(stage));
  if (runs && stage != Stage::optimized && options.html.empty()) {
    const std::string which = !options.inputs.empty() ? "--input"
                              : options.profile       ? "--profile"
                                                      : "--compare";
    throw UsageError(which + " says nothing at stage " + name,
                     "they belong to --stage optimized; a page (--html) has all stages");
  }
  return stage;
}

class Graphs {
 public:
  Graphs(const Model& model, const GraphCommandOptions& options) : model_(model) {
    const MethodInfo& method = chosen_method(model.info(), options.method);
    options_.method = method.name;
    if (!options.inputs.empty()) {
      options_.inputs.emplace();
      options_.named = parse_inputs(method, options.inputs);
    }
    options_.profile = options.profile;
    options_.compare = options.compare;
  }

  Graph at(Stage stage) const {
    GraphOptions options = options_;
    if (stage != Stage::optimized) options.profile = options.compare = false;
    return model_.graph(stage, options);
  }

 private:
  const Model& model_;
  GraphOptions options_;
};

void write(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

/// All stages that can be had; the reason why one cannot is noted on the one that was asked for.
void write_page(const GraphCommandOptions& options, const Graphs& graphs, Graph asked) {
  std::vector<Graph> pages;
  std::size_t first = 0;
  std::vector<std::string> notes;
  for (const Stage stage : {Stage::initial, Stage::frozen, Stage::optimized}) {
    if (stage == asked.stage) {
      first = pages.size();
      pages.push_back(asked);
      continue;
    }
    try {
      pages.push_back(graphs.at(stage));
    } catch (const Error& error) {
      notes.push_back("stage " + std::string(to_string(stage)) +
                      " is not here: " + error.message());
    }
  }
  pages[first].notes.insert(pages[first].notes.end(), notes.begin(), notes.end());
  const std::filesystem::path archive = archive_name(options.load.archive);
  const std::string name = archive.filename().string();
  write(options.html, graph_page(name, pages, first));
}

}  // namespace

void run_graph(const GraphCommandOptions& options) {
  const Stage stage = chosen_stage(options);
  const Model model = load(options.load);
  const Graphs graphs(model, options);
  const Graph graph = graphs.at(stage);
  if (!options.dot.empty()) write(options.dot, to_dot(graph));
  if (!options.svg.empty()) write(options.svg, draw_svg(to_dot(graph)));
  if (!options.html.empty()) write_page(options, graphs, graph);
  const bool has_file = !options.dot.empty() || !options.svg.empty() || !options.html.empty();
  if (options.json) {
    std::cout << ascii(to_json(graph), 2) << '\n';
  } else if (!has_file) {
    std::cout << describe_graph(
        graph, {.colour = wants_colour(options.colour), .constants = options.constants});
  }
}

}  // namespace torchship::cli
