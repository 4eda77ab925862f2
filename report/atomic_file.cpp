#include "report/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gradproof {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what, int error) {
  throw WriteError(file.string() + ": " + what + ": " + std::strerror(error));
}

// Of a link, what it leads to: the link itself is to stay.
fs::path target_of(const fs::path& file) {
  std::error_code error;
  const fs::path target = fs::is_symlink(file, error) ? fs::weakly_canonical(file, error) : file;
  return error ? file : target;
}

bool is_special(const fs::path& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

fs::path beside(const fs::path& file) { return file.string() + ".part" + std::to_string(getpid()); }

void write_all(const fs::path& shown, const fs::path& file, int flags, const std::string& text) {
  const int fd = ::open(file.c_str(), flags | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) fail(shown, "cannot be written", errno);
  std::size_t written = 0;
  int error = 0;
  while (written < text.size() && error == 0) {
    const ssize_t count = ::write(fd, text.data() + written, text.size() - written);
    if (count > 0) written += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) error = errno;
  }
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) fail(shown, "cannot be written", error);
}

}  // namespace

void check_writable(const fs::path& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) throw WriteError(file.string() + ": is a folder");
  const fs::path target = target_of(file);
  if (is_special(target)) return;
  const fs::path part = beside(target);
  write_all(file, part, O_CREAT | O_TRUNC, "");
  ::unlink(part.c_str());
}

void write_atomically(const fs::path& file, const std::string& text) {
  const fs::path target = target_of(file);
  if (is_special(target)) return write_all(file, target, 0, text);
  const fs::path part = beside(target);
  try {
    write_all(file, part, O_CREAT | O_TRUNC, text);
    if (::rename(part.c_str(), target.c_str()) != 0) fail(file, "cannot be put in place", errno);
  } catch (const WriteError&) {
    ::unlink(part.c_str());
    throw;
  }
}

}  // namespace gradproof
