# `cpack --config build/CPackConfig.cmake` makes a .deb and a .tar.gz of what is installed.
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME ganger)
set(CPACK_PACKAGE_VENDOR "the ganger developers")
set(CPACK_PACKAGE_CONTACT "the ganger developers <ganger@lists.example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "run many dependent tasks on the cores of a cluster")
set(CPACK_PACKAGE_DESCRIPTION
"ganger takes a graph of many commands and runs it over MPI on the cores that a
workstation or a batch allocation offers. One rank schedules, every other one
is a worker that is bound to its core. Each task states the cores, memory,
GPUs and tokens that it needs. A journal records what is done, so that a run
goes on where it ended.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Who links libganger depends on this package; ldconfig learns of it by a trigger.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/debian/triggers)
# The libraries are found by dpkg-shlibdeps; mpirun is a program.
if(MPIEXEC_EXECUTABLE MATCHES "mpich|hydra")
  set(CPACK_DEBIAN_PACKAGE_DEPENDS mpich)
else()
  set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
endif()

# What Debian wants to lie elsewhere, or compressed, or both.
string(TIMESTAMP ganger_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${CMAKE_SOURCE_DIR}/cmake/changelog.Debian.in ${CMAKE_BINARY_DIR}/changelog.Debian @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/cmake/debianize.cmake.in ${CMAKE_BINARY_DIR}/debianize.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/debianize.cmake)

include(CPack)
