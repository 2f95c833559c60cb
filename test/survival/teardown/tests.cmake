# SPDX-License-Identifier: MIT
# Teardown: what still allocates and frees while threads and processes end.
survival_program(destructors teardown/destructors.cc)
survival_test(teardown.destructors destructors)
survival_test(teardown.destructors_full destructors FULL ARGS 20000)
survival_program(thousands teardown/thousands.cc)
survival_test(teardown.threads_by_the_thousand thousands)
survival_test(teardown.threads_by_the_thousand_full thousands FULL ARGS 100000)
survival_program(cancelled teardown/cancelled.c)
survival_test(teardown.cancelled cancelled)
survival_test(teardown.cancelled_full cancelled FULL ARGS 5000)
survival_program(ends teardown/ends.cc)
survival_test(teardown.ends_of_a_process ends)
survival_test(teardown.ends_of_a_process_full ends FULL ARGS 1000)
survival_program(strangers teardown/strangers.c)
survival_test(teardown.threads_that_never_allocate strangers)

survival_program(hoppers teardown/hoppers.c)
survival_test(teardown.threads_that_hop hoppers)
