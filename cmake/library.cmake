# SPDX-License-Identifier: MIT
# The library: xalloc_core (everything but api/: defines no malloc, unit tests link it), xalloc (.so), xalloc_static (.a),
# xalloc_je and xalloc_compat (.so with jemalloc's names).

file(GLOB_RECURSE XALLOC_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cc)
# Linked last: their large arrays are hardly touched, and so the small variables of all other files share two pages.
set(XALLOC_LARGE_ARRAYS ${PROJECT_SOURCE_DIR}/src/arena/arena.cc ${PROJECT_SOURCE_DIR}/src/os/cpu.cc ${PROJECT_SOURCE_DIR}/src/extent/large.cc ${PROJECT_SOURCE_DIR}/src/meta/meta.cc)
# So is what a small program never runs: many kernels map 64 KiB around each fault. (Others map as much of a file as lies together.) What
# programs with threads run lies before it: test/golden/near.py.
set(XALLOC_RUN_LATE ${XALLOC_SOURCES})
list(FILTER XALLOC_RUN_LATE INCLUDE REGEX "/(conf|ctl|stats)/|/(mallctl|glibc_extras|extended|manual|manual_chunks|manual_life|manual_path|chunk|default_hooks|address_map|extent_mapped|extent_filled|extent_span|arena_stats|cold|drain|report|cgroup|interval).cc")
list(FILTER XALLOC_RUN_LATE EXCLUDE REGEX "/hooks.cc")
# Last of all, arrays of 32 and 64 KiB that most programs never touch: with pages of 64 KiB they would part the variables around them.
set(XALLOC_UNTOUCHED_ARRAYS ${PROJECT_SOURCE_DIR}/src/meta/last_words.cc ${PROJECT_SOURCE_DIR}/src/arena/directory.cc ${PROJECT_SOURCE_DIR}/src/cache/explicit.cc)
list(REMOVE_ITEM XALLOC_RUN_LATE ${XALLOC_UNTOUCHED_ARRAYS})
list(REMOVE_ITEM XALLOC_SOURCES ${XALLOC_LARGE_ARRAYS} ${XALLOC_RUN_LATE} ${XALLOC_UNTOUCHED_ARRAYS})
list(APPEND XALLOC_SOURCES ${XALLOC_LARGE_ARRAYS} ${XALLOC_RUN_LATE} ${XALLOC_UNTOUCHED_ARRAYS})
set(XALLOC_CORE_SOURCES ${XALLOC_SOURCES})
# Only where libc's own can be found behind it.
set(XALLOC_SHARED_SOURCES ${PROJECT_SOURCE_DIR}/src/api/threads.cc)
# jemalloc's names: all of them, in libraries of their own.
set(XALLOC_JEMALLOC_SOURCES ${PROJECT_SOURCE_DIR}/src/api/jemalloc_names.cc)
list(REMOVE_ITEM XALLOC_SOURCES ${XALLOC_SHARED_SOURCES} ${XALLOC_JEMALLOC_SOURCES})
list(FILTER XALLOC_CORE_SOURCES EXCLUDE REGEX "/src/api/")

add_library(xalloc_flags INTERFACE)
target_include_directories(xalloc_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(xalloc_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow
  -DXALLOC_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Debug>:-DXALLOC_DEBUG=1>)
# Named, so that no compiler's own default decides: every CPU of the architecture runs it (test/golden/baseline.py). Of x86-64 this is what
# psABI calls x86-64-v1.
if(XALLOC_ARCH)
  set(XALLOC_MARCH ${XALLOC_ARCH})
  set(XALLOC_MARCH_WORDS "only for CPUs that have it")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
  set(XALLOC_MARCH armv8-a)
  if(XALLOC_NO_OUTLINE_ATOMICS)
    set(XALLOC_MARCH_WORDS "the baseline, and its atomics")
  else()
    set(XALLOC_MARCH_WORDS "the baseline; atomics of ARMv8.1 where libgcc's helpers find that the CPU has them")
    target_compile_options(xalloc_flags INTERFACE -moutline-atomics)
  endif()
else()
  set(XALLOC_MARCH x86-64)
  set(XALLOC_MARCH_WORDS "the baseline")
endif()
target_compile_options(xalloc_flags INTERFACE -march=${XALLOC_MARCH})
message(STATUS "xalloc: ${CMAKE_BUILD_TYPE} for ${CMAKE_SYSTEM_PROCESSOR}, -march=${XALLOC_MARCH}: ${XALLOC_MARCH_WORDS}")
if(XALLOC_SANITIZE)
  target_compile_options(xalloc_flags INTERFACE -fsanitize=${XALLOC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(xalloc_flags INTERFACE -fsanitize=${XALLOC_SANITIZE})
endif()

# How the library itself is compiled. Unwind tables stay: debuggers and profilers walk through malloc.
set(XALLOC_LIBRARY_OPTIONS
  -Wconversion -Wno-sign-conversion
  -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden -ftls-model=initial-exec -fno-builtin-malloc
  -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc -fno-stack-protector -fno-plt -ffunction-sections
  -foptimize-sibling-calls)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND XALLOC_LIBRARY_OPTIONS -fcf-protection=none)
endif()
# Run rarely, but resident in every process: small rather than fast.
set(XALLOC_RARELY_RUN ${XALLOC_SOURCES})
list(FILTER XALLOC_RARELY_RUN INCLUDE REGEX
  "/(stats|ctl|conf|diag|purge|meta)/|/(lifecycle|extended|glibc_extras|cold|address_map|chunk|default_hooks|directory|manual|manual_chunks|manual_life|manual_path|explicit|bind|cgroup|system|thread|cpu|extent_huge|extent_mapped|extent_filled|extent_span|extent_grow|extent_purge|large|registry|drain|reporting|thread_stats|threads).cc")
list(FILTER XALLOC_RARELY_RUN EXCLUDE REGEX "/snapshot.cc")
set_source_files_properties(${XALLOC_RARELY_RUN} PROPERTIES COMPILE_OPTIONS -Os)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Where all of a file is cold it stays in its place: what is marked cold elsewhere comes first in the library.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/diag/report.cc PROPERTIES COMPILE_OPTIONS "-Os;-fno-reorder-functions")
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/conf/built_in.cc PROPERTIES COMPILE_DEFINITIONS "XALLOC_MALLOC_CONF=\"${XALLOC_MALLOC_CONF}\";XALLOC_CONF_LINK=\"${XALLOC_CONF_LINK}\"")
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/api/new_delete.cc PROPERTIES COMPILE_OPTIONS -fexceptions)

add_library(xalloc_core STATIC ${XALLOC_CORE_SOURCES})
target_link_libraries(xalloc_core PUBLIC xalloc_flags)
target_compile_options(xalloc_core PRIVATE ${XALLOC_LIBRARY_OPTIONS})

if(NOT XALLOC_SANITIZE)
  add_library(xalloc_objects OBJECT ${XALLOC_SOURCES})
  target_link_libraries(xalloc_objects PUBLIC xalloc_flags)
  target_compile_options(xalloc_objects PRIVATE ${XALLOC_LIBRARY_OPTIONS})

  # libc only: a C program must not get a C++ runtime loaded. initfirst: ready before every other constructor.
  # Without start files: src/api/threads.cc says why.
  function(xalloc_link name)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/xalloc.map)
    target_link_options(${name} PRIVATE -nostdlib
      LINKER:-z,now,-z,relro,-z,nodelete,-z,initfirst,-z,defs,-Bsymbolic-functions,--gc-sections,-O1
      LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/xalloc.map)
    target_link_libraries(${name} PRIVATE -lc -lgcc)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64" AND NOT XALLOC_ARCH AND NOT XALLOC_NO_OUTLINE_ATOMICS)
      # libgcc writes to it in every process: among the small variables, not behind the arrays on a page of its own.
      target_link_options(${name} PRIVATE LINKER:-u,__aarch64_have_lse_atomics -lgcc)
    endif()
  endfunction()
  add_library(xalloc_shared_objects OBJECT ${XALLOC_SHARED_SOURCES})
  target_link_libraries(xalloc_shared_objects PUBLIC xalloc_flags)
  target_compile_options(xalloc_shared_objects PRIVATE ${XALLOC_LIBRARY_OPTIONS})
  add_library(xalloc SHARED $<TARGET_OBJECTS:xalloc_shared_objects> $<TARGET_OBJECTS:xalloc_objects>)
  set_target_properties(xalloc PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 1)
  target_include_directories(xalloc PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  xalloc_link(xalloc)

  # The same with jemalloc's names, twice: under a name of its own, and as what packages that link to jemalloc look for. The latter lies
  # in a folder for LD_LIBRARY_PATH, here and where it is installed: it never takes the place of the system's.
  add_library(xalloc_jemalloc_objects OBJECT ${XALLOC_JEMALLOC_SOURCES})
  target_link_libraries(xalloc_jemalloc_objects PUBLIC xalloc_flags)
  target_compile_options(xalloc_jemalloc_objects PRIVATE ${XALLOC_LIBRARY_OPTIONS})
  foreach(name xalloc_je xalloc_compat)
    add_library(${name} SHARED $<TARGET_OBJECTS:xalloc_shared_objects> $<TARGET_OBJECTS:xalloc_objects> $<TARGET_OBJECTS:xalloc_jemalloc_objects>)
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
    xalloc_link(${name})
  endforeach()
  set_target_properties(xalloc_je PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 1)
  set_target_properties(xalloc_compat PROPERTIES OUTPUT_NAME jemalloc SUFFIX .so.2 NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/compat)
  target_link_options(xalloc_compat PRIVATE LINKER:-soname,libjemalloc.so.2)

  add_library(xalloc_static STATIC $<TARGET_OBJECTS:xalloc_objects>)
  set_target_properties(xalloc_static PROPERTIES OUTPUT_NAME xalloc)
  target_include_directories(xalloc_static PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endif()
