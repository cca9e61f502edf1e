#include "archive/open_source.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include <torchship/error.h>

#include "archive/read_to_end.h"

namespace torchship {
namespace {

class PathSource final : public Source::Impl {
 public:
  explicit PathSource(std::filesystem::path path) : path_(std::move(path)) {}

  std::shared_ptr<const File> open(File::Access access) const override {
    return std::make_shared<const File>(path_, access);
  }

 private:
  std::filesystem::path path_;
};

class MemorySource final : public Source::Impl {
 public:
  MemorySource(std::span<const char> bytes, const std::string& name,
               std::shared_ptr<const void> owner)
      : file_(std::make_shared<const File>(bytes, name, std::move(owner))) {}

  std::shared_ptr<const File> open(File::Access) const override { return file_; }

 private:
  std::shared_ptr<const File> file_;
};

Descriptor duplicate(int descriptor, const std::string& name) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    throw ArchiveError(name + ": cannot be read: " + std::generic_category().message(errno));
  }
  return Descriptor(copy);
}

class DescriptorSource final : public Source::Impl {
 public:
  DescriptorSource(Descriptor descriptor, std::string name)
      : descriptor_(std::move(descriptor)), name_(std::move(name)) {}

  std::shared_ptr<const File> open(File::Access access) const override {
    return std::make_shared<const File>(duplicate(descriptor_.number(), name_), name_, access);
  }

 private:
  Descriptor descriptor_;
  std::string name_;
};

class DecryptedSource final : public Source::Impl {
 public:
  DecryptedSource(Source encrypted, Source::Decrypt decrypt)
      : encrypted_(std::move(encrypted)), decrypt_(std::move(decrypt)) {}

  std::shared_ptr<const File> open(File::Access) const override {
    const std::shared_ptr<const File> file = open_source(encrypted_, File::Access::read);
    std::span<const char> bytes = file->bytes();
    std::string copy;
    if (bytes.empty()) bytes = copy = file->read(0, file->size());
    const auto plain =
        std::make_shared<const std::vector<std::byte>>(decrypt(bytes, file->path().string()));
    const auto* const start = reinterpret_cast<const char*>(plain->data());
    return std::make_shared<const File>(std::span(start, plain->size()), file->path(), plain);
  }

 private:
  std::vector<std::byte> decrypt(std::span<const char> bytes, const std::string& name) const {
    try {
      return decrypt_(std::as_bytes(bytes));
    } catch (const std::exception& error) {
      std::string reason = error.what();
      reason.resize(std::min(reason.find('\n'), reason.size()));
      throw ArchiveError(name + ": cannot be decrypted: " + reason);
    } catch (...) {
      throw ArchiveError(name + ": cannot be decrypted");
    }
  }

  Source encrypted_;
  Source::Decrypt decrypt_;
};

/// Holds what was read to the end.
std::shared_ptr<const Source::Impl> held(std::string bytes, const std::string& name) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  return std::make_shared<MemorySource>(std::span(owner->data(), owner->size()), name, owner);
}

}  // namespace

Source::Source(std::filesystem::path path) : impl_(std::make_shared<PathSource>(std::move(path))) {}

Source Source::memory(std::span<const std::byte> bytes, std::string name,
                      std::shared_ptr<const void> owner) {
  const std::span<const char> chars(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return Source(std::make_shared<MemorySource>(chars, name, std::move(owner)));
}

Source Source::descriptor(int descriptor, std::string name) {
  Descriptor copy = duplicate(descriptor, name);
  struct stat status = {};
  const bool pours = ::fstat(copy.number(), &status) == 0 &&
                     (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ||
                      S_ISCHR(status.st_mode));
  if (pours) return Source(held(read_to_end(copy.number(), name), name));
  return Source(std::make_shared<DescriptorSource>(std::move(copy), std::move(name)));
}

Source Source::stream(std::istream& stream, std::string name) {
  return Source(held(read_to_end(stream, name), name));
}

Source Source::decrypted(Source encrypted, Decrypt decrypt) {
  return Source(std::make_shared<DecryptedSource>(std::move(encrypted), std::move(decrypt)));
}

std::shared_ptr<const File> open_source(const Source& source, File::Access access) {
  return source.impl().open(access);
}

}  // namespace torchship
