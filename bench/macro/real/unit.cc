// SPDX-License-Identifier: MIT
// A translation unit for the compiler: many headers of the standard library and some templates to instantiate. Preprocessed once,
// compiled under each allocator.
#include <algorithm>
#include <any>
#include <deque>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N>
struct Table {
  std::map<std::string, std::vector<std::variant<int, std::string, double>>> rows;
  std::unordered_map<std::string, std::function<int(int)>> functions;
  int Run(int x) {
    functions["f"] = [x](int y) { return x + y + N; };
    rows[std::to_string(x)].push_back(std::string(N, 'x'));
    std::sort(rows["0"].begin(), rows["0"].end());
    return functions["f"](x) + Table<N - 1>().Run(x);
  }
};
template <>
struct Table<0> {
  int Run(int x) { return static_cast<int>(std::to_string(x).size()); }
};
int Answer(int x) { return Table<6>().Run(x); }
