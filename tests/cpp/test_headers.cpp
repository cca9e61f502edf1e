// What the tests precompile; see CMakeLists.txt.
