# SPDX-License-Identifier: MIT
# Fork and its relatives.
survival_program(storm fork/storm.cc)
survival_test(fork.storm storm ARGS 400)
survival_test(fork.storm_full storm FULL ARGS 10000)

survival_library(handlers fork/handlers.c FLAGS -DPRIORITY=200)
survival_program(handled fork/handled.c)
set(handlers $<TARGET_FILE:survival_handlers>)
survival_test(fork.handlers_loaded_before handled PLAIN ENV LD_PRELOAD=${handlers}:$<TARGET_FILE:xalloc>)
survival_test(fork.handlers_loaded_after handled PLAIN ENV LD_PRELOAD=$<TARGET_FILE:xalloc>:${handlers})
survival_test(fork.handlers_loaded_late handled ARGS ${handlers})
survival_program(handled_static fork/handled_static.c FLAGS -DPRIORITY=101 LIBS xalloc_static -static)
survival_test(fork.handlers_in_a_static_program handled_static PLAIN)

survival_program(cousins fork/cousins.c)
survival_test(fork.cousins cousins)

survival_program(fork_cost fork/cost.cc)
target_link_options(survival_fork_cost PRIVATE -rdynamic)
survival_test(fork.cost_of_our_handlers fork_cost)
