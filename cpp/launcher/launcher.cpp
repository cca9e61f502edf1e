/*
Starts the executable of a bundle with the C library that lies beside it.

A program names its loader by an absolute path, which a folder that may be put anywhere cannot do.
So this one, which needs no loader and no library, starts the bundle's loader with the program:

  DIR/bin/torchship ...  ->  DIR/lib/libc/ld-linux-x86-64.so.2 DIR/libexec/torchship ...

It makes system calls itself and links nothing; it works without /proc.
*/
#include <elf.h>
#include <limits.h>
#include <sys/syscall.h>

namespace {

#if defined(__x86_64__)

constexpr const char* kLoader = "/../lib/libc/ld-linux-x86-64.so.2";

long system_call(long number, long a, long b, long c, long d = 0) {
  long result = number;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

constexpr const char* kLoader = "/../lib/libc/ld-linux-aarch64.so.1";

long system_call(long number, long a, long b, long c, long d = 0) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

#endif

constexpr const char* kProgram = "/../libexec/torchship";
constexpr int kNotFound = 127;
constexpr int kStandardError = 2;
constexpr long kHere = -100;  // AT_FDCWD
constexpr int kMostLinks = 40;

/// A path, built up in place.
class Path {
 public:
  Path() { clear(); }  // The rest stays as it is: to fill it would take a library.
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  const char* text() const { return bytes_; }
  /// Whether it still fits.
  bool append(const char* text) {
    while (*text != '\0') {
      if (length_ + 1 == sizeof bytes_) return false;
      bytes_[length_++] = *text++;
    }
    bytes_[length_] = '\0';
    return true;
  }
  /// "a/b" becomes "a", "/b" becomes "/.", and "b" becomes ".".
  void cut_name() {
    while (length_ > 0 && bytes_[length_ - 1] != '/') --length_;
    const bool relative = length_ == 0;
    const bool top = length_ == 1;
    if (!relative && !top) --length_;
    bytes_[length_] = '\0';
    if (relative || top) append(".");
  }
  void clear() {
    length_ = 0;
    bytes_[0] = '\0';
  }

 private:
  char bytes_[PATH_MAX];
  unsigned long length_ = 0;
};

[[noreturn]] void give_up(const char* what, const char* path) {
  const char* const words[] = {"torchship: error: ", path, what, "\n"};
  for (const char* text : words) {
    long length = 0;
    while (text[length] != '\0') ++length;
    system_call(SYS_write, kStandardError, reinterpret_cast<long>(text), length);
  }
  system_call(SYS_exit_group, kNotFound, 0, 0);
  __builtin_unreachable();
}

/// Where a symbolic link leads; false for what is none.
bool read_link(const char* path, Path& target) {
  char bytes[PATH_MAX];
  const long length = system_call(SYS_readlinkat, kHere, reinterpret_cast<long>(path),
                                  reinterpret_cast<long>(bytes), sizeof bytes - 1);
  if (length <= 0) return false;
  bytes[length] = '\0';
  target.clear();
  return target.append(bytes);
}

/// The folder of the file that was started, which may have been found through links.
void find_folder(const char* started, Path& folder) {
  Path target;
  bool fits = folder.append(started);
  for (int links = 0; fits && read_link(folder.text(), target); ++links) {
    if (links == kMostLinks) give_up(": too many symbolic links", started);
    if (target.text()[0] == '/') {
      folder.clear();
    } else {
      folder.cut_name();
      fits = folder.append("/");
    }
    fits = fits && folder.append(target.text());
  }
  if (!fits) give_up(": the path is too long", started);
  folder.cut_name();
}

}  // namespace

/// `stack` is what the kernel hands to a new program: argc, argv, environment, auxiliary values.
extern "C" [[noreturn]] void launch(char** stack) {
  const long count = reinterpret_cast<long>(stack[0]);
  char** const arguments = stack + 1;
  char** const environment = arguments + count + 1;
  char** entry = environment;
  while (*entry != nullptr) ++entry;
  const char* started = nullptr;
  for (const auto* value = reinterpret_cast<const Elf64_auxv_t*>(entry + 1);
       value->a_type != AT_NULL; ++value) {
    if (value->a_type == AT_EXECFN) started = reinterpret_cast<const char*>(value->a_un.a_val);
  }
  if (started == nullptr) give_up("the kernel does not say which file was started", "");

  Path loader;
  find_folder(started, loader);
  Path program;
  if (!program.append(loader.text()) || !program.append(kProgram) || !loader.append(kLoader)) {
    give_up(": the path is too long", started);
  }
  // The place of argv[0] and the word before it, argc, are the loader's and the program's.
  const char** const command = const_cast<const char**>(count > 0 ? stack : stack + 1);
  const char* alone[] = {loader.text(), program.text(), nullptr};
  if (count > 0) {
    command[0] = loader.text();
    command[1] = program.text();
  }
  system_call(SYS_execve, reinterpret_cast<long>(loader.text()),
              reinterpret_cast<long>(count > 0 ? command : alone),
              reinterpret_cast<long>(environment));
  give_up(" cannot be started: the bundle is not whole", loader.text());
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call launch\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  bl launch\n");
#endif
