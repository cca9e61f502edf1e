#pragma once

namespace torchship {

// Note [Memory between calls]
// glibc gives memory at the end of its heap back to the system when more than 128 kB are free there. A
// model whose intermediate results lie there, which is chance, frees and faults them in again with
// every call: a small LSTM takes 1.5 times as long. The limit grows by itself to twice the largest block
// that a process got from the system and freed: LibTorch's load() frees such a block, and mapping a
// file needs none. So one is taken and freed, untouched. Hosts that set the limit themselves
// (M_TRIM_THRESHOLD) have switched that growth off, and keep theirs.

/// Lets about 8 MB of free memory stay with the process. Costs some microseconds.
void keep_memory_between_calls();

}  // namespace torchship
