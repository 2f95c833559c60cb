// SPDX-License-Identifier: MIT
#include "stats/print.h"

#include <string.h>

#include "diag/message.h"
#include "stats/snapshot.h"

namespace xalloc {

LineBuffer<24> Bytes(uint64_t bytes) {
  static constexpr char kUnits[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
  unsigned unit = 0;
  uint64_t tenths = bytes * 10;
  while (tenths >= 10240 && unit < 4) {
    tenths /= 1024;
    ++unit;
  }
  LineBuffer<24> text;
  text << tenths / 10;
  if (unit != 0 && tenths < 1000) text << '.' << tenths % 10;
  return text << ' ' << kUnits[unit], text;
}

LineBuffer<24> Percent(uint64_t part, uint64_t whole) {
  LineBuffer<24> text;
  const uint64_t tenths = whole == 0 ? 0 : part / 1024 * 1000 / Max(whole / 1024, uint64_t{1});
  text << tenths / 10 << '.' << tenths % 10 << " %";
  return text;
}

Parts PartsOf(const char* letters) {
  Parts parts;
  for (; letters != nullptr && *letters != '\0'; ++letters) {
    switch (*letters) {
      case 'J': parts.json = true; break;
      case 'p': parts.metrics = true; break;
      case 'g': parts.general = false; break;
      case 'm': parts.merged = false; break;
      case 'd': parts.destroyed = false; break;
      case 'a': parts.each_arena = false; break;
      case 'b': parts.bins = false; break;
      case 'l': parts.large = false; break;
      case 'e': parts.extents = false; break;
      case 'h': parts.huge = false; break;
      default: break;  // x: no locks are counted here; others are nobody's
    }
  }
  return parts;
}

void PrintStatistics(WriteText write, void* opaque, const char* letters) {
  const Parts parts = PartsOf(letters);
  RefreshSnapshot();
  Emitter out(write, opaque);
  if (parts.metrics) return PrintMetrics(out);
  if (parts.json) return PrintJson(out, parts);
  PrintText(out, parts);
}

void ToMessages(void*, const char* text) { Message(text, strlen(text)); }

void PrintStats(const char* letters) {
  if (*letters == '\0') return PrintSummary();
  PrintStatistics(ToMessages, nullptr, letters);
}

}  // namespace xalloc
