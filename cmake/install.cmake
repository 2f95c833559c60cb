# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
if(NOT XALLOC_SANITIZE)
  install(TARGETS xalloc xalloc_je xalloc_static LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  # Where the loader does not look by itself.
  install(TARGETS xalloc_compat LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/xalloc/compat)
  install(FILES ${PROJECT_SOURCE_DIR}/include/xalloc/xalloc.h ${PROJECT_SOURCE_DIR}/include/xalloc/jemalloc.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xalloc)
  # Relative to the file itself: right under any --prefix.
  file(RELATIVE_PATH XALLOC_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  foreach(XALLOC_PC_NAME xalloc xalloc_je)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/xalloc.pc.in ${PROJECT_BINARY_DIR}/${XALLOC_PC_NAME}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${XALLOC_PC_NAME}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endforeach()
endif()
