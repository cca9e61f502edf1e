# What is installed, laid out as a Python package folder: torchship/{lib,bin,include}. Everything
# finds its libraries by relative paths: the library beside it, LibTorch in the torch package beside
# the torchship package. What is no wheel looks in TORCHSHIP_LIBTORCH_RPATH as well: in the LibTorch
# that it was built with, unless told.
if(DEFINED SKBUILD)
  set(default_rpath "")
else()
  set(default_rpath "${LibTorch_LIBRARY_DIR}")
endif()
set(TORCHSHIP_LIBTORCH_RPATH "${default_rpath}"
    CACHE STRING "Where installed files look for LibTorch as well")
if(TORCHSHIP_LIBTORCH_RPATH)
  list(GET TORCHSHIP_LIBTORCH_RPATH 0 torchship_other_libtorch)
  cmake_path(GET torchship_other_libtorch PARENT_PATH torchship_other_libtorch)
endif()

include(CMakePackageConfigHelpers)
set(config_dir lib/cmake/torchship)

set_target_properties(torchship PROPERTIES
  INSTALL_RPATH "$ORIGIN/../../torch/lib;${TORCHSHIP_LIBTORCH_RPATH}")
install(TARGETS torchship EXPORT torchshipTargets LIBRARY DESTINATION lib COMPONENT torchship)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/cpp/include/ DESTINATION include COMPONENT torchship
        FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/cpp/generated/torchship/version.h
        DESTINATION include/torchship COMPONENT torchship)
if(TORCHSHIP_BUILD_CLI)
  set_target_properties(torchship_cli PROPERTIES
    INSTALL_RPATH "$ORIGIN/../lib;$ORIGIN/../../torch/lib;${TORCHSHIP_LIBTORCH_RPATH}")
  install(TARGETS torchship_cli RUNTIME DESTINATION bin COMPONENT torchship)
  if(TARGET torchship_launcher)
    install(TARGETS torchship_launcher RUNTIME DESTINATION libexec COMPONENT torchship)
  endif()
endif()
if(TORCHSHIP_BUILD_PYTHON)
  set_target_properties(torchship_python PROPERTIES
    INSTALL_RPATH "$ORIGIN/lib;$ORIGIN/../torch/lib")
  install(TARGETS torchship_python LIBRARY DESTINATION . COMPONENT torchship)
endif()

string(REGEX MATCH "^[0-9]+\\.[0-9]+" LibTorch_VERSION_MINOR_SERIES "${LibTorch_VERSION}")
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/torchshipConfig.cmake.in
                              torchshipConfig.cmake INSTALL_DESTINATION ${config_dir})
# For those who build without CMake; torchship-cpp is the C++ interface.
set(torchship_pc_libtorch "${torchship_other_libtorch}")
if(NOT torchship_pc_libtorch)
  set(torchship_pc_libtorch "\${prefix}/../torch")
endif()
foreach(name torchship torchship-cpp)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION lib/pkgconfig
          COMPONENT torchship)
endforeach()
write_basic_package_version_file(torchshipConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT torchshipTargets NAMESPACE torchship:: DESTINATION ${config_dir}
        COMPONENT torchship)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/torchshipConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/torchshipConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake
        DESTINATION ${config_dir} COMPONENT torchship)
