#pragma once

/// Marks what libtorchship exports; everything else has hidden visibility.
#define TORCHSHIP_EXPORT __attribute__((visibility("default")))
