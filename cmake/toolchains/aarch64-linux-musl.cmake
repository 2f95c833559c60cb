# SPDX-License-Identifier: MIT
# Debian's cross compiler with musl's headers and libraries from the architecture's own packages (musl, musl-dev), unpacked into the build
# folder; programs run under qemu-user, or in a machine (test/machine). As for x86-64 there is no C++ library, and the C driver compiles C++ too.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(XALLOC_LIBC musl)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_OBJDUMP aarch64-linux-gnu-objdump)
# The compiler is tried in projects of their own.
if(NOT XALLOC_FOREIGN_ROOT)
  set(XALLOC_FOREIGN_ROOT ${CMAKE_BINARY_DIR}/debian/root)
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES XALLOC_FOREIGN_ROOT)
set(specs ${XALLOC_FOREIGN_ROOT}/../musl-gcc.specs)
if(NOT EXISTS ${specs})
  execute_process(COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/../foreign.sh arm64 ${XALLOC_FOREIGN_ROOT}/.. musl musl-dev COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${XALLOC_FOREIGN_ROOT}/usr/lib/aarch64-linux-musl/musl-gcc.specs text)
  string(REPLACE "/usr/" "${XALLOC_FOREIGN_ROOT}/usr/" text "${text}")
  # What links to the shared libc from there means the system's.
  string(REPLACE "\n-L" "\n-L${XALLOC_FOREIGN_ROOT}/lib/aarch64-linux-musl -L" text "${text}")
  file(WRITE ${specs} "${text}")
endif()
# The helpers of this compiler's libgcc ask glibc what the CPU has. A gcc that is built for musl has others.
set(XALLOC_NO_OUTLINE_ATOMICS ON)
set(CMAKE_C_FLAGS_INIT "-specs=${specs} -mno-outline-atomics")
set(CMAKE_CXX_FLAGS_INIT "-specs=${specs} -mno-outline-atomics -nostdinc++")
set(CMAKE_FIND_ROOT_PATH ${XALLOC_FOREIGN_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
if(NOT XALLOC_MACHINE)
  set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${XALLOC_FOREIGN_ROOT})
endif()
