#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <torchship/graph.h>

namespace torchship::cli {

/// A page with an interactive diagram of a method's graphs: one HTML file that needs no other and
/// no network. `first` is the index of the graph that it opens with. Text of the graphs cannot
/// become code of the page.
std::string graph_page(const std::string& title, const std::vector<Graph>& graphs,
                       std::size_t first);

/// The page around its data: made from cpp/cli/page by cmake/EmbedPage.cmake.
extern const std::string_view kPageBeforeData;
extern const std::string_view kPageAfterData;

}  // namespace torchship::cli
