# SPDX-License-Identifier: MIT
# Loading: who calls malloc before, while and after the library is loaded, and how often it is there.
survival_program(early loading/early.cc)
survival_test(loading.early early)

survival_library(interposers loading/interposers.cc)
survival_program(interposed loading/interposed.cc)
set(interposers $<TARGET_FILE:survival_interposers>)
survival_test(loading.interposers_first interposed PLAIN ENV LD_PRELOAD=${interposers}:$<TARGET_FILE:xalloc>)
survival_test(loading.interposers_last interposed PLAIN ENV LD_PRELOAD=$<TARGET_FILE:xalloc>:${interposers})
# Every free goes on to the kernel, and the options and the summary have something to do.
survival_test(loading.interposers_purging interposed PLAIN
  ENV LD_PRELOAD=${interposers}:$<TARGET_FILE:xalloc> MALLOC_CONF=dirty_decay_ms:0,stats_print:true)

foreach(i RANGE 1 20)
  survival_library(tls${i} loading/tls_library.c FLAGS -DNAME=Tls${i})
  list(APPEND tls_libraries $<TARGET_FILE:survival_tls${i}>)
endforeach()
survival_program(late loading/late.c)
survival_test(loading.dlopen_after_twenty_with_tls late PLAIN ARGS $<TARGET_FILE:xalloc> ${tls_libraries})

survival_program(namespaces loading/namespaces.c)
survival_test(loading.dlmopen_second_copy namespaces ARGS $<TARGET_FILE:xalloc>)

survival_library(audit loading/audit.c)
survival_test(loading.ld_audit early ENV LD_AUDIT=$<TARGET_FILE:survival_audit>)
# The module brings a copy of the library with it: it serves the loader's namespace before the program's copy is there.
survival_library(audit_linked loading/audit.c)
target_link_libraries(survival_audit_linked PRIVATE xalloc)
survival_test(loading.ld_audit_with_a_copy early ENV LD_AUDIT=$<TARGET_FILE:survival_audit_linked>)

survival_program(message_set loading/message.c LIBS xalloc)
survival_test(loading.message_set_at_run_time message_set PLAIN)
survival_program(message_defined loading/message.c FLAGS -DDEFINED LIBS xalloc)
survival_test(loading.message_defined message_defined PLAIN)
survival_program(message_static loading/message.c FLAGS -DDEFINED LIBS xalloc_static -static)
survival_test(loading.message_static message_static PLAIN)

survival_library(plugin loading/plugin.cc)
survival_program(plugin_host loading/plugin_host.c)
survival_test(loading.cpp_plugin_of_a_c_program plugin_host ARGS $<TARGET_FILE:survival_plugin>)
# Its C++ run-time inside it, nothing of that name loaded.
survival_library(plugin_with_runtime loading/plugin.cc)
target_link_options(survival_plugin_with_runtime PRIVATE -static-libstdc++ -static-libgcc)
survival_test(loading.plugin_with_its_own_runtime plugin_host ARGS $<TARGET_FILE:survival_plugin_with_runtime>)

survival_library(deep_plugin loading/deep_plugin.c)
survival_program(deep_host loading/deep_host.c)
survival_test(loading.plugin_bound_to_libc deep_host ARGS $<TARGET_FILE:survival_deep_plugin>)

survival_program(every_name loading/every_name.c)
survival_test(loading.every_name_preloaded every_name)
survival_program(every_name_static loading/every_name.c LIBS xalloc_static -static)
survival_test(loading.every_name_static every_name_static PLAIN)
survival_program(every_name_linked loading/every_name.c LIBS xalloc)
survival_test(loading.every_name_linked every_name_linked PLAIN)

survival_program(cpp_archive loading/cpp_everywhere.cc LIBS xalloc_static)
survival_test(loading.archive cpp_archive PLAIN)
survival_test(loading.archive_and_preload cpp_archive)
survival_program(cpp_static loading/cpp_everywhere.cc LIBS xalloc_static -static)
survival_test(loading.cpp_static cpp_static PLAIN)
survival_program(cpp_preloaded loading/cpp_everywhere.cc)
survival_test(loading.cpp_preloaded cpp_preloaded)

# Its getauxval is found before libc's.
survival_program(older_kernel loading/older_kernel.c)
target_link_options(survival_older_kernel PRIVATE -rdynamic)
survival_test(loading.older_kernel older_kernel)

survival_program(loader_storm loading/loader_storm.c)
survival_test(loading.dlopen_storm loader_storm ARGS $<TARGET_FILE:survival_tls1>)
