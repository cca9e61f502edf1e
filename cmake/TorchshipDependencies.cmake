# What the build needs, each with the words that say how to get it.
function(require_package name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DEBIAN" "")
  find_package(${name} ${arg_UNPARSED_ARGUMENTS} QUIET)
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "torchship needs ${name}, which was not found. On Debian and Ubuntu: "
                        "apt-get install ${arg_DEBIAN}")
  endif()
endfunction()

# LibTorch: where LibTorch_ROOT says, else in the torch package of the Python in use.
if(NOT LibTorch_ROOT)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
            "import importlib.util as u; s = u.find_spec('torch'); print(*(s.submodule_search_locations if s else []))"
    OUTPUT_VARIABLE LibTorch_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
find_package(LibTorch 2.11 REQUIRED)

require_package(nlohmann_json DEBIAN nlohmann-json3-dev)
if(TORCHSHIP_BUILD_CLI OR TORCHSHIP_BUILD_TESTS OR TORCHSHIP_BUILD_BENCHMARKS)
  require_package(CLI11 DEBIAN libcli11-dev)
endif()
if(TORCHSHIP_BUILD_TESTS)
  require_package(GTest DEBIAN libgtest-dev)
endif()
if(TORCHSHIP_BUILD_PYTHON)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
  find_package(pybind11 3.0 CONFIG REQUIRED)
endif()
