#[[
Finds LibTorch without LibTorch's own CMake package, which asks for a CUDA toolkit, sets global
flags and reads the compiler's. Only headers and three libraries are needed to use it.

Looks in LibTorch_ROOT: a `torch` package of Python, or an unpacked LibTorch.
Defines LibTorch_FOUND, LibTorch_VERSION, LibTorch_LIBRARY_DIR and the target LibTorch::LibTorch.
]]
find_path(LibTorch_INCLUDE_DIR torch/headeronly/version.h PATH_SUFFIXES include)
find_library(LibTorch_LIBRARY torch PATH_SUFFIXES lib)

if(LibTorch_INCLUDE_DIR)
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" version_lines
       REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^;0-9]*([0-9]+)" "\\1" version_numbers "${version_lines}")
  string(REPLACE ";" "." LibTorch_VERSION "${version_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "Install torch (pip install torch) or set LibTorch_ROOT.")
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_LIBRARY)

if(LibTorch_FOUND)
  cmake_path(GET LibTorch_LIBRARY PARENT_PATH LibTorch_LIBRARY_DIR)
  if(NOT TARGET LibTorch::LibTorch)
    add_library(LibTorch::LibTorch INTERFACE IMPORTED)
    target_include_directories(
      LibTorch::LibTorch SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}"
                                          "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
    target_compile_features(LibTorch::LibTorch INTERFACE cxx_std_20)
    # libtorch.so names no symbol of its own, but brings the CUDA libraries where there are any: a
    # linker that drops unused libraries must keep it. Those libraries' own needs are theirs.
    # libstdc++ goes before it: CUDA builds of LibTorch 2.11 hand out a std::filesystem of their own that
    # crashes, and the loader takes the first one.
    target_link_libraries(
      LibTorch::LibTorch
      INTERFACE "-Wl,--no-as-needed" stdc++ "${LibTorch_LIBRARY}" "-Wl,--as-needed"
                "${LibTorch_LIBRARY_DIR}/libtorch_cpu.so" "${LibTorch_LIBRARY_DIR}/libc10.so")
    target_link_options(LibTorch::LibTorch INTERFACE
                        "-Wl,--allow-shlib-undefined")
  endif()
endif()
