# One folder of the source tree, one library, one test executable.
#
#   gradproof_folder(NAME [DEPENDS folder…] [LIBRARIES target…] [TEST_DEPENDS target…] [RECURSE])
#
# gradproof_NAME holds every *.cpp of the folder (RECURSE: and of those below) but main.cpp and
# *_test.cpp; NAME_test holds the *_test.cpp. A folder without sources is a library of headers, one
# without tests has no test. DEPENDS: the folders it builds on. TEST_DEPENDS: targets its tests start
# or load.

include(GoogleTest)

function(gradproof_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "RECURSE" "" "DEPENDS;LIBRARIES;TEST_DEPENDS")
  set(glob GLOB)
  if(arg_RECURSE)
    set(glob GLOB_RECURSE)
  endif()
  file(${glob} sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cpp$")
  list(TRANSFORM arg_DEPENDS PREPEND gradproof_)

  set(target gradproof_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${arg_DEPENDS} ${arg_LIBRARIES} PRIVATE gradproof_options)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_DEPENDS} ${arg_LIBRARIES})
  endif()
  if(tests AND BUILD_TESTING)
    gradproof_test(${name}_test SOURCES ${tests} LIBRARIES ${target} DEPENDS ${arg_TEST_DEPENDS})
  endif()
endfunction()

# gradproof_test(NAME SOURCES file… [LIBRARIES target…] [DEPENDS target…] [DEFINITIONS NAME="value"…] [LABELS label…])
#
# Tests run in the root of the source tree. They know GRADPROOF_SOURCE_DIR, GRADPROOF_BUILD_DIR (where
# the executable gradproof lies) and GRADPROOF_ENGINE_DIR (where the modules lie).
function(gradproof_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;DEPENDS;DEFINITIONS;LABELS")
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE
    GRADPROOF_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    GRADPROOF_BUILD_DIR="${PROJECT_BINARY_DIR}"
    GRADPROOF_ENGINE_DIR="${PROJECT_BINARY_DIR}/engines"
    ${arg_DEFINITIONS})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} rapidcheck GTest::gtest_main gradproof_options)
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  set(properties TIMEOUT 300)
  if(arg_LABELS)
    list(APPEND properties LABELS "${arg_LABELS}")
  endif()
  gtest_discover_tests(${name}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    TEST_PREFIX "${name}."
    PROPERTIES ${properties})
endfunction()
