// SPDX-License-Identifier: MIT
// The plugin of loading/plugin_host.c: C++ where the program is C.
#include <cstddef>
#include <new>
#include <string>

namespace {
int g_handled = 0;
void Handler() {
  if (++g_handled == 3) std::set_new_handler(nullptr);
}
}  // namespace

// 0: every form of new that cannot have its memory says so as C++ demands.
extern "C" int PluginMain() {
  volatile std::size_t huge = std::size_t{1} << 60;
  const auto throws = [](auto make) {
    try {
      make();
    } catch (const std::bad_alloc&) {
      return true;
    }
    return false;
  };
  if (!throws([&] { return ::operator new(huge); })) return 1;
  if (!throws([&] { return ::operator new[](huge); })) return 2;
  if (!throws([&] { return ::operator new(huge, std::align_val_t{64}); })) return 3;
  if (::operator new(huge, std::nothrow) != nullptr) return 4;
  if (::operator new(huge, std::align_val_t{64}, std::nothrow) != nullptr) return 5;
  g_handled = 0;
  std::set_new_handler(Handler);
  if (!throws([&] { return ::operator new(huge); }) || g_handled != 3) return 6;
  // A handler that throws: the nothrow forms turn that into null.
  std::set_new_handler([] { throw std::bad_alloc(); });
  if (::operator new(huge, std::nothrow) != nullptr) return 7;
  if (::operator new(huge, std::align_val_t{64}, std::nothrow) != nullptr) return 8;
  std::set_new_handler(nullptr);
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "plugin";
  return text.size() == 60000 ? 0 : 9;
}
