// SPDX-License-Identifier: MIT
#include "os/cgroup.h"

#include <stdint.h>
#include <string.h>

#include "base/bits.h"
#include "base/line_buffer.h"
#include "os/read_file.h"

namespace xalloc::os {
namespace {

using Path = LineBuffer<600>;

// Not on a stack: there may be little of it where a tick comes.
constinit Path g_path;
constinit char g_groups[4096];

// SIZE_MAX: none ("max", or the number that v1 has for it).
size_t LimitIn(const char* path) {
  char text[64];
  if (!ReadFile(path, text) || text[0] < '0' || text[0] > '9') return SIZE_MAX;
  uint64_t value = 0;
  for (const char* c = text; *c >= '0' && *c <= '9' && value < (uint64_t{1} << 60); ++c) value = value * 10 + static_cast<uint64_t>(*c - '0');
  return value >= (uint64_t{1} << 60) ? SIZE_MAX : value;
}

// The lowest limit in `group` and the groups that contain it. A container may not see its own group's path: then the top is its own.
size_t LowestFrom(const char* root, const char* top, const char* group, size_t length, const char* const* files) {
  size_t lowest = SIZE_MAX;
  for (;;) {
    for (const char* const* file = files; *file != nullptr; ++file) {
      g_path.clear();
      (g_path << root << top).Append(group, length) << '/' << *file;
      lowest = Min(lowest, LimitIn(g_path.data()));
    }
    while (length > 0 && group[length - 1] != '/') --length;
    if (length == 0) return lowest;
    --length;
  }
}

}  // namespace

size_t CgroupMemoryLimit(const char* root) {
  static constexpr const char* kV2[] = {"memory.max", "memory.high", nullptr};
  static constexpr const char* kV1[] = {"memory.limit_in_bytes", nullptr};
  g_path.clear();
  g_path << root << "/proc/self/cgroup";
  if (!ReadFile(g_path.data(), g_groups)) return 0;
  size_t lowest = SIZE_MAX;
  // Lines of number:controllers:group; v2 has one without controllers.
  for (const char* line = g_groups; *line != '\0';) {
    const char* end = strchr(line, '\n');
    if (end == nullptr) end = line + strlen(line);
    const char* controllers = static_cast<const char*>(memchr(line, ':', static_cast<size_t>(end - line)));
    const char* group = controllers == nullptr ? nullptr : static_cast<const char*>(memchr(controllers + 1, ':', static_cast<size_t>(end - controllers - 1)));
    if (group != nullptr) {
      const auto length = static_cast<size_t>(end - group - 1);
      constexpr size_t kMemory = sizeof ":memory:" - 1;
      if (group == controllers + 1) {
        lowest = Min(lowest, LowestFrom(root, "/sys/fs/cgroup", group + 1, length, kV2));
      } else if (static_cast<size_t>(group - controllers) + 1 == kMemory && memcmp(controllers, ":memory:", kMemory) == 0) {
        lowest = Min(lowest, LowestFrom(root, "/sys/fs/cgroup/memory", group + 1, length, kV1));
      }
    }
    line = *end == '\n' ? end + 1 : end;
  }
  return lowest == SIZE_MAX ? 0 : lowest;
}

}  // namespace xalloc::os
