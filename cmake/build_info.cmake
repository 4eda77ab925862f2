# <build>/generated/build_info.h: version and commit, brought up to date by every build and rewritten only
# when they change. Included at configure time it makes the target; run as a script it writes the file.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(gradproof_build_info_file ${PROJECT_BINARY_DIR}/generated/build_info.h)
  set(gradproof_build_info_command ${CMAKE_COMMAND} -DFILE=${gradproof_build_info_file} -DVERSION=${PROJECT_VERSION}
    -DSOURCE=${PROJECT_SOURCE_DIR} -P ${CMAKE_CURRENT_LIST_FILE})
  add_custom_target(gradproof_write_build_info
    COMMAND ${gradproof_build_info_command}
    BYPRODUCTS ${gradproof_build_info_file}
    COMMENT "Version and commit")
  add_library(gradproof_build_info INTERFACE)
  target_include_directories(gradproof_build_info INTERFACE ${PROJECT_BINARY_DIR}/generated)
  add_dependencies(gradproof_build_info gradproof_write_build_info)
  return()
endif()

execute_process(
  COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${FILE} @ONLY CONTENT [[
#pragma once

namespace gradproof::build_info {
inline constexpr const char* version = "@VERSION@";
inline constexpr const char* commit = "@commit@";  // "-dirty" behind it where files had been changed
}  // namespace gradproof::build_info
]])
