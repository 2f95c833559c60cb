// SPDX-License-Identifier: MIT
// The option parser: whatever the text, each option has its default or a value in its range, the same text gives the same result,
// and a text without problems changes nothing that it does not name.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "conf/options.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

using xalloc::Options;

const char* const kNames[] = {
#define XALLOC_NAME(name, ...) #name,
    XALLOC_OPTIONS(XALLOC_NAME)
#undef XALLOC_NAME
};
const char* const kValues[] = {":true", ":false", ":auto", ":never", ":now", ":1G", ":-1", ":0", ":free", ":64K", ":4", ":off", ":full", ":default", ":1-1K:4|2K-2K:0", ":Ja"};

void Check(bool holds, const char* what, const std::string& text) {
  if (holds) return;
  fprintf(stderr, "fuzz: %s: \"%s\"\n", what, text.c_str());
  abort();
}

bool Same(int64_t a, int64_t b) { return a == b; }
bool Same(const xalloc::OptionText& a, const xalloc::OptionText& b) { return memcmp(a.text, b.text, sizeof a.text) == 0; }
bool InRange(int64_t value, int64_t low, int64_t high) { return value == 0 || (value >= low && value <= high); }
bool InRange(const xalloc::OptionText& value, int64_t, int64_t high) { return strlen(value.text) <= static_cast<size_t>(high); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Options first, second, defaults;
  const size_t refused = xalloc::ParseOptions(text.c_str(), first);
  Check(xalloc::ParseOptions(text.c_str(), second) == refused && memcmp(&first, &second, sizeof first) == 0, "another result the second time", text);
  size_t pairs = 1;
  for (const char* c = text.c_str(); *c != '\0'; ++c) pairs += *c == ',';
  Check(refused <= pairs, "more refused than there are", text);
#define XALLOC_CHECK_ROW(name, def, low, high, ...)                                                                       \
  Check(Same(first.name, defaults.name) || InRange(first.name, low, high), "out of range: " #name, text);                 \
  if (strstr(text.c_str(), #name) == nullptr) Check(Same(first.name, defaults.name), "changed without being named: " #name, text);
  XALLOC_OPTIONS(XALLOC_CHECK_ROW)
#undef XALLOC_CHECK_ROW
  return 0;
}

// Random bytes rarely spell a name: every third mutation puts a pair of the table in front.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (seed % 3 != 0) return LLVMFuzzerMutate(data, size, most);
  std::string pair = kNames[seed / 3 % (sizeof kNames / sizeof *kNames)];
  pair += kValues[seed / 101 % (sizeof kValues / sizeof *kValues)];
  pair += ',';
  if (size + pair.size() > most) return LLVMFuzzerMutate(data, size, most);
  memmove(data + pair.size(), data, size);
  memcpy(data, pair.data(), pair.size());
  return size + pair.size();
}
