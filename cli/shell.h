// For tests: the built executable, as a user or a pipeline runs it.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace gradproof {

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Ended {
  int code = -1;
  std::string text{};  // stdout and stderr
};

// In bash, where "gradproof" is the built executable.
inline Ended shell(const std::string& command) {
  std::string escaped;
  for (const char c : command) {
    if (c == '"' || c == '$' || c == '\\' || c == '`') escaped += '\\';
    escaped += c;
  }
  Ended ended;
  std::FILE* pipe = popen(("PATH='" GRADPROOF_BUILD_DIR "':$PATH bash -c \"" + escaped + "\" 2>&1").c_str(), "r");
  if (pipe == nullptr) return ended;
  std::array<char, 4096> buffer{};
  std::size_t got = 0;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) ended.text.append(buffer.data(), got);
  const int status = pclose(pipe);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

// Commands in a folder of their own.
class ShellTest : public testing::Test {
 public:
  ~ShellTest() override { std::filesystem::remove_all(folder_); }

 protected:
  ShellTest() {
    std::string name = (std::filesystem::temp_directory_path() / "gradproof-test-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }

  void expect(const std::string& command, int code, const std::string& said = "") const {
    const Ended ended = shell("cd '" + folder_.string() + "' && " + command);
    EXPECT_EQ(ended.code, code) << command << "\n" << ended.text;
    EXPECT_NE(ended.text.find(said), std::string::npos) << command << "\n" << ended.text;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  nlohmann::json json(const std::string& name) const { return nlohmann::json::parse(text_of(folder_ / name)); }

  std::filesystem::path folder_;
};

}  // namespace gradproof
