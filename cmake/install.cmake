# What `cmake --install` and CPack put where. Everything is found relative to the program, so that a prefix can be
# moved as a whole.
#
#   bin/ganger                      the program
#   libexec/ganger/                 what it starts in place of recorded tasks
#   include/ganger.h, ganger_mpi.h  C functions as tasks
#   lib/libganger.so, libganger.a   the library that they declare
#   lib/cmake/ganger/               find_package(ganger): ganger_VERSION, ganger::libganger, ganger::ganger, ganger_DATADIR
#   share/pkgconfig/ganger.pc       the same for pkg-config
#   share/ganger/                   workflow.schema.json, slurm-templates/, pbs-templates/
#   share/man/, share/doc/ganger/, share/bash-completion/, share/zsh/
include(CMakePackageConfigHelpers)

set(ganger_libexec ${CMAKE_INSTALL_LIBEXECDIR}/ganger)
set(ganger_data ${CMAKE_INSTALL_DATADIR}/ganger)
set(ganger_cmake ${CMAKE_INSTALL_LIBDIR}/cmake/ganger)

# ---- programs ----

install(TARGETS ganger EXPORT ganger-targets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libganger EXPORT ganger-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS libganger_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/runtime/ganger.h ${CMAKE_SOURCE_DIR}/runtime/ganger_mpi.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(target ganger-replay ganger-forward)
  if(TARGET ${target})
    install(TARGETS ${target} RUNTIME DESTINATION ${ganger_libexec})
  endif()
endforeach()

# ---- what is read ----

file(GLOB ganger_man1 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.1)
file(GLOB ganger_man5 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.5)
install(FILES ${ganger_man1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${ganger_man5} DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

file(GLOB ganger_schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.schema.json)
install(FILES ${ganger_schemas} DESTINATION ${ganger_data})
foreach(folder slurm-templates pbs-templates)
  if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/${folder})
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder} DESTINATION ${ganger_data} PATTERN ".*" EXCLUDE)
  endif()
endforeach()

file(GLOB ganger_docs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.md)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_SOURCE_DIR}/LICENSE
  ${ganger_docs} DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN ".*" EXCLUDE)

install(FILES ${CMAKE_SOURCE_DIR}/launch/completion/ganger.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ganger)
install(FILES ${CMAKE_SOURCE_DIR}/launch/completion/_ganger DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

# ---- for other builds ----

configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/ganger-config.cmake.in ${CMAKE_BINARY_DIR}/ganger-config.cmake
  INSTALL_DESTINATION ${ganger_cmake} PATH_VARS ganger_data)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ganger-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ganger-config.cmake ${CMAKE_BINARY_DIR}/ganger-config-version.cmake
  DESTINATION ${ganger_cmake})
install(EXPORT ganger-targets NAMESPACE ganger:: DESTINATION ${ganger_cmake})

# Where it lies is known relative to the .pc file, so that a prefix can be moved.
set(ganger_pc_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH ganger_pc_prefix /${ganger_pc_dir} /)
string(REGEX REPLACE "/$" "" ganger_pc_prefix "${ganger_pc_prefix}")
configure_file(${CMAKE_SOURCE_DIR}/cmake/ganger.pc.in ${CMAKE_BINARY_DIR}/ganger.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/ganger.pc DESTINATION ${ganger_pc_dir})

include(${CMAKE_CURRENT_LIST_DIR}/package.cmake)
