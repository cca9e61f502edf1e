#include "graph_page.h"

#include "graph_json.h"

namespace torchship::cli {
namespace {

/// JSON that may stand inside a script element: no "</script>", no "<!--" can occur in it.
std::string for_script(const std::string& json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      text += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string graph_page(const std::string& title, const std::vector<Graph>& graphs,
                       std::size_t first) {
  nlohmann::ordered_json data = {
      {"title", title}, {"first", first}, {"graphs", nlohmann::ordered_json::array()}};
  for (const Graph& graph : graphs) {
    data["graphs"].push_back(to_json(graph));
  }
  return std::string(kPageBeforeData) + for_script(ascii(data)) + std::string(kPageAfterData);
}

}  // namespace torchship::cli
