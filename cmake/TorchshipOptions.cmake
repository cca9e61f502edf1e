# Warnings and sanitizers, as a target that the project's own code links privately.
add_library(torchship_options INTERFACE)
target_compile_options(torchship_options INTERFACE -Wall -Wextra -Wpedantic)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms on "text" + string: GCC bug 105651.
  target_compile_options(torchship_options INTERFACE -Wno-restrict)
endif()
if(TORCHSHIP_WERROR)
  target_compile_options(torchship_options INTERFACE -Werror)
endif()
if(TORCHSHIP_SANITIZE)
  # Lines of functions are what reports name; all of -g takes 800 MB for each of forty tests.
  target_compile_options(torchship_options INTERFACE -fsanitize=${TORCHSHIP_SANITIZE}
                                                     -fno-omit-frame-pointer -g1)
  # That check needs type information which LibTorch keeps to itself.
  target_compile_options(torchship_options INTERFACE -fno-sanitize=vptr)
  target_link_options(torchship_options INTERFACE -fsanitize=${TORCHSHIP_SANITIZE})
endif()
