# What our own targets are compiled with: two INTERFACE targets, never global flags.

option(GRADPROOF_CCACHE "Compile through ccache where it is installed" ON)
set(GRADPROOF_SANITIZE "" CACHE STRING "Sanitizers for our own code, as -fsanitize= takes them: address,undefined")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "gradproof needs g++ 12 or newer; ${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_VERSION}")
endif()

if(GRADPROOF_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(GRADPROOF_CCACHE_PROGRAM ccache)
  mark_as_advanced(GRADPROOF_CCACHE_PROGRAM)
  if(GRADPROOF_CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${GRADPROOF_CCACHE_PROGRAM})
  endif()
endif()

add_library(gradproof_warnings INTERFACE)
target_compile_options(gradproof_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: "a" + std::string is said to overlap itself, from -O2 on.
  target_compile_options(gradproof_warnings INTERFACE -Wno-restrict)
endif()

# -ffp-contract=off: a * b + c must round twice, as written, on every machine; error bounds count on it.
# -fno-math-errno: no value changes; sqrt becomes one instruction and vectorizes.
add_library(gradproof_options INTERFACE)
target_compile_options(gradproof_options INTERFACE -ffp-contract=off -fno-math-errno)
target_include_directories(gradproof_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(gradproof_options INTERFACE gradproof_warnings)

if(GRADPROOF_SANITIZE)
  target_compile_options(gradproof_options INTERFACE
    -fsanitize=${GRADPROOF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(gradproof_options INTERFACE -fsanitize=${GRADPROOF_SANITIZE})
endif()
