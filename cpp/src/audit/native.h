#pragma once

#include <string>

#include "archive/zip.h"

namespace torchship {

/// What a .pt2 package brings besides data.
struct NativePackage {
  bool is_package = false;   ///< Whether it is one of AOTInductor at all.
  bool has_library = false;  ///< Machine code.
  bool has_source = false;   ///< C++, which the loader would compile where there is no library.
};

/// Looks at names only.
NativePackage native_package(const ZipReader& zip);

/// "a package of torch.export (.pt2) with native code: ...".
std::string describe(const NativePackage& package);

}  // namespace torchship
