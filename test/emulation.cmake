# SPDX-License-Identifier: MIT
# Tests of a cross build: programs run under CMAKE_CROSSCOMPILING_EMULATOR, which add_test puts before them by itself. QEMU_PAGESIZE in the
# environment gives them another page size, as the option -p does.
if(NOT CMAKE_CROSSCOMPILING_EMULATOR)
  set(XALLOC_EMULATED)
  set(XALLOC_EMULATED_INSIDE)
  function(not_emulated)
  endfunction()
  function(not_emulated_case)
  endfunction()
  function(not_emulated_part)
  endfunction()
  function(not_emulated_at_all)
  endfunction()
  return()
endif()

# The target's GoogleTest and Google Benchmark, its libc, and the programs that test/emulated runs. (musl: the toolchain has what it needs.)
set(packages libgtest-dev libbenchmark-dev nlohmann-json3-dev
  bash coreutils grep sed mawk diffutils findutils procps dash busybox sqlite3 python3 libpython3.11-testsuite perl git redis-server redis-tools)
if(NOT XALLOC_LIBC STREQUAL "musl")
  execute_process(COMMAND bash ${PROJECT_SOURCE_DIR}/cmake/foreign.sh arm64 ${PROJECT_BINARY_DIR}/debian ${packages} COMMAND_ERROR_IS_FATAL ANY)
  # What the packages' scripts would have made.
  file(CREATE_LINK mawk ${XALLOC_FOREIGN_ROOT}/usr/bin/awk SYMBOLIC)
  file(WRITE ${XALLOC_FOREIGN_ROOT}/etc/passwd "root:x:0:0:root:/root:/bin/bash\n")
endif()

# Before the command of a test that is a script, or a program that starts others: the kernel then knows how to run the target's programs.
set(XALLOC_EMULATED bash ${CMAKE_CURRENT_LIST_DIR}/emulated/enter.sh ${XALLOC_FOREIGN_ROOT})

# The same for what itself has to be a program of the target.
set(XALLOC_EMULATED_INSIDE ${XALLOC_EMULATED} inside)

# not_emulated(<why> <test> ...): what an emulator of one process cannot run, or not in the time there is. ctest shows it as disabled, and
# not_emulated.txt says why.
file(WRITE ${PROJECT_BINARY_DIR}/not_emulated.txt "")
function(not_emulated why)
  set_tests_properties(${ARGN} PROPERTIES DISABLED TRUE)
  string(REPLACE ";" " " tests "${ARGN}")
  file(APPEND ${PROJECT_BINARY_DIR}/not_emulated.txt "${tests}: ${why}\n")
endfunction()
# not_emulated_part(<why> <test> <part>): the test leaves that out by itself.
function(not_emulated_part why test part)
  file(APPEND ${PROJECT_BINARY_DIR}/not_emulated.txt "${test}, ${part}: ${why}\n")
endfunction()
# not_emulated_case(<why> <test> <case>): the same for one case of a GoogleTest program.
function(not_emulated_case why test case)
  set_tests_properties(${test} PROPERTIES ENVIRONMENT_MODIFICATION GTEST_FILTER=set:-${case})
  file(APPEND ${PROJECT_BINARY_DIR}/not_emulated.txt "${test}, case ${case}: ${why}\n")
endfunction()
# not_emulated_at_all(<why> <test> ...): there is not even a program for it; so that the architectures have the same tests to show.
function(not_emulated_at_all why)
  foreach(test ${ARGN})
    add_test(NAME ${test} COMMAND ${CMAKE_COMMAND} -E false)
    set_tests_properties(${test} PROPERTIES LABELS ci)
  endforeach()
  not_emulated("${why}" ${ARGN})
endfunction()
