#include "campaign/isolation/processes.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace gradproof {
namespace {

std::string text_of_file(const std::string& path) {
  std::string text;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return text;
  char buffer[1024];
  std::size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) text.append(buffer, got);
  return text;
}

template <class Visit>
void for_numbers_in(const char* folder, Visit visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder), closedir);
  if (!listing) return;
  while (const dirent* entry = readdir(listing.get())) {
    pid_t number = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto [stop, failure] = std::from_chars(entry->d_name, end, number);
    if (failure == std::errc{} && stop == end) visit(number);
  }
}

// What follows the name in "pid (name) state parent …"; the name may hold anything.
std::string_view after_name(std::string_view stat) {
  const std::size_t name_end = stat.rfind(") ");
  return name_end == std::string_view::npos ? std::string_view() : stat.substr(name_end + 2);
}
char state_in(std::string_view stat) {
  const std::string_view rest = after_name(stat);
  return rest.empty() ? '?' : rest[0];
}
pid_t parent_in(std::string_view stat) {
  const std::string_view rest = after_name(stat);
  if (rest.size() < 2) return 0;
  pid_t parent = 0;
  std::from_chars(rest.data() + 2, rest.data() + rest.size(), parent);
  return parent;
}

// The word of that index, from 0; 0 where there is no such file or word.
std::uint64_t number_in(const std::string& path, int word) {
  const std::string text = text_of_file(path);
  const char* at = text.c_str();
  std::uint64_t number = 0;
  for (int i = 0; i <= word; ++i) {
    char* end = nullptr;
    number = std::strtoull(at, &end, 10);
    if (end == at) return 0;
    at = end;
  }
  return number;
}

std::uint64_t pages_in(const std::string& path, int word) {
  return number_in(path, word) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::set<int>& private_fds() {
  static std::set<int> fds;
  return fds;
}

}  // namespace

std::vector<pid_t> children_of_this_process() {
  const pid_t own = getpid();
  std::vector<pid_t> children;
  for_numbers_in("/proc", [&](pid_t pid) {
    if (parent_in(text_of_file("/proc/" + std::to_string(pid) + "/stat")) == own) children.push_back(pid);
  });
  return children;
}

bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

std::size_t kill_children(const std::set<pid_t>& spared) {
  std::size_t killed = 0;
  // Each one killed may leave children of its own to us.
  while (has_children()) {
    bool any = false;
    for (const pid_t pid : children_of_this_process()) {
      if (spared.contains(pid)) continue;
      any = true;
      ++killed;
      ::kill(pid, SIGKILL);
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    if (!any) break;
  }
  return killed;
}

bool has_ended(pid_t pid) {
  const char state = state_in(text_of_file("/proc/" + std::to_string(pid) + "/stat"));
  return state == '?' || state == 'Z' || state == 'X';
}

std::size_t thread_count() {
  std::size_t count = 0;
  for_numbers_in("/proc/self/task", [&](pid_t) { ++count; });
  return count;
}

std::uint64_t data_bytes() { return pages_in("/proc/self/statm", 5); }
std::uint64_t resident_bytes(pid_t pid) { return pages_in("/proc/" + std::to_string(pid) + "/statm", 1); }

void Starvation::watch(pid_t pid) {
  pid_ = pid;
  looked_ = Clock::now();
  threads_.clear();
}

std::chrono::nanoseconds Starvation::since_last_look() {
  const Clock::time_point now = Clock::now();
  const Time passed = now - std::exchange(looked_, now);
  std::map<pid_t, Thread> threads;
  Time longest{0};
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  for_numbers_in(tasks.c_str(), [&](pid_t id) {
    const std::string folder = tasks + "/" + std::to_string(id);
    const Thread before = threads_[id];
    Thread& thread = threads[id];
    thread.ran = Time(number_in(folder + "/schedstat", 0));
    thread.waited = Time(number_in(folder + "/schedstat", 1));
    const Time told = std::min(before.ahead, thread.waited - before.waited);
    Time waited = thread.waited - before.waited - told;
    if (state_in(text_of_file(folder + "/stat")) == 'R') {
      const Time open = std::max(Time(0), passed - (thread.ran - before.ran) - waited);
      thread.ahead = before.ahead - told + open;
      waited += open;
    }
    longest = std::max(longest, waited);
  });
  threads_ = std::move(threads);
  return longest;
}

PrivateFd::PrivateFd(int fd) : fd_(fd) {
  if (fd_ >= 0) private_fds().insert(fd_);
}

PrivateFd::PrivateFd(PrivateFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

PrivateFd& PrivateFd::operator=(PrivateFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

PrivateFd::~PrivateFd() { reset(); }

void PrivateFd::reset() {
  if (fd_ < 0) return;
  private_fds().erase(fd_);
  ::close(fd_);
  fd_ = -1;
}

void close_private_fds_but(int kept) {
  for (const int fd : private_fds()) {
    if (fd != kept) ::close(fd);
  }
  private_fds().clear();
}

}  // namespace gradproof
