# Finds every LibTorch to build a module for, and describes each by an imported target of our own: the
# wheel's find_package(Torch) wants a CUDA toolkit and may link another LibTorch's libraries.
#
# In:  GRADPROOF_LIBTORCH   prefixes, separated by semicolons; "none"; or empty: look in the usual places
# Out: gradproof_libtorch_versions   "2.11.0;1.13.1", and for each a target gradproof_libtorch_<version>
#      gradproof_libtorch_report     lines for the summary

set(GRADPROOF_LIBTORCH "" CACHE STRING
  "Prefixes of the LibTorchs to test, separated by semicolons (PREFIX/include, PREFIX/lib); none; empty: those found")

set(gradproof_libtorch_oldest 1.13)

# "2.11.0", or "" where the headers and files of `prefix` do not say.
function(gradproof_libtorch_version prefix result)
  set(${result} "" PARENT_SCOPE)
  if(prefix STREQUAL "/usr")
    # Debian's 1.13.1 still says 1.13.0 in its headers; the package knows.
    execute_process(COMMAND dpkg-query -W -f "\${Version}" libtorch-dev
      OUTPUT_VARIABLE package ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed AND package MATCHES "^([0-9]+\\.[0-9]+\\.[0-9]+)")
      set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
      return()
    endif()
  endif()
  foreach(header headeronly/version.h csrc/api/include/torch/version.h)
    set(header ${prefix}/include/torch/${header})
    if(EXISTS ${header})
      file(STRINGS ${header} lines REGEX "define +TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      string(REGEX MATCHALL "(MAJOR|MINOR|PATCH) +[0-9]+" numbers "${lines}")
      list(TRANSFORM numbers REPLACE "[A-Z]+ +" "")
      list(LENGTH numbers count)
      if(count EQUAL 3)
        list(JOIN numbers "." version)
        set(${result} ${version} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  foreach(file version.py build-version)
    if(EXISTS ${prefix}/${file})
      file(STRINGS ${prefix}/${file} line REGEX "[0-9]+\\.[0-9]+\\.[0-9]+" LIMIT_COUNT 1)
      if(line MATCHES "([0-9]+\\.[0-9]+\\.[0-9]+)")
        set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()

# Where the torch that `python3` would import lies, found without importing it; "" for none.
function(gradproof_libtorch_of_python result)
  set(${result} "" PARENT_SCOPE)
  find_program(GRADPROOF_PYTHON python3)
  mark_as_advanced(GRADPROOF_PYTHON)
  if(GRADPROOF_PYTHON)
    execute_process(
      COMMAND ${GRADPROOF_PYTHON} -c
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
      OUTPUT_VARIABLE location OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed TIMEOUT 30)
    if(NOT failed AND IS_DIRECTORY "${location}")
      set(${result} ${location} PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Makes the target for the LibTorch in `prefix`, or sets `reason` to why it is none of use.
function(gradproof_libtorch_add prefix reason)
  set(${reason} "" PARENT_SCOPE)
  if(NOT EXISTS ${prefix}/include/ATen/ATen.h AND EXISTS ${prefix}/torch/include/ATen/ATen.h)
    set(prefix ${prefix}/torch)  # the folder pip installs into was named
  endif()
  if(NOT EXISTS ${prefix}/include/ATen/ATen.h)
    set(${reason} "no include/ATen/ATen.h" PARENT_SCOPE)
    return()
  endif()
  set(folders ${prefix}/lib)
  if(CMAKE_LIBRARY_ARCHITECTURE)
    list(APPEND folders ${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE})
  endif()
  foreach(library torch_cpu c10)
    find_library(${library}_path ${library} PATHS ${folders} NO_DEFAULT_PATH NO_CACHE)
    if(NOT ${library}_path)
      set(${reason} "no lib/lib${library}.so" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  gradproof_libtorch_version(${prefix} version)
  if(NOT version)
    set(${reason} "its headers and files do not say which version it is" PARENT_SCOPE)
    return()
  endif()
  if(version VERSION_LESS gradproof_libtorch_oldest)
    set(${reason} "it is ${version}, and ${gradproof_libtorch_oldest} is the oldest supported" PARENT_SCOPE)
    return()
  endif()
  if(version IN_LIST gradproof_libtorch_versions)
    set(${reason} "another ${version} comes first" PARENT_SCOPE)
    return()
  endif()

  # Older wheels were built with the C++03 string; their symbols tell.
  file(STRINGS ${c10_path} cxx11 REGEX "__cxx11" LIMIT_COUNT 1)
  set(abi 0)
  if(cxx11)
    set(abi 1)
  endif()

  # Not libtorch.so: in a CUDA wheel it needs libtorch_cuda.so, and that the whole CUDA stack. The
  # wheel's own libraries name theirs by RPATH; those of CUDA may be absent when linking.
  set(target gradproof_libtorch_${version})
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE
    ${prefix}/include ${prefix}/include/torch/csrc/api/include)
  target_compile_definitions(${target} INTERFACE _GLIBCXX_USE_CXX11_ABI=${abi})
  target_link_libraries(${target} INTERFACE ${torch_cpu_path} ${c10_path})
  target_link_options(${target} INTERFACE LINKER:--allow-shlib-undefined)

  set(gradproof_libtorch_versions ${gradproof_libtorch_versions} ${version} PARENT_SCOPE)
  set(gradproof_libtorch_report ${gradproof_libtorch_report} "${version} in ${prefix}" PARENT_SCOPE)
endfunction()

set(gradproof_libtorch_versions "")
set(gradproof_libtorch_report "")
set(gradproof_libtorch_left_out "")

if(GRADPROOF_LIBTORCH STREQUAL "none")
  # Nothing to look for.
elseif(GRADPROOF_LIBTORCH)
  foreach(prefix IN LISTS GRADPROOF_LIBTORCH)
    get_filename_component(prefix "${prefix}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    gradproof_libtorch_add(${prefix} reason)
    if(reason)
      message(FATAL_ERROR "GRADPROOF_LIBTORCH names ${prefix}, which cannot be used: ${reason}")
    endif()
  endforeach()
else()
  gradproof_libtorch_of_python(gradproof_python_torch)
  file(GLOB gradproof_own_torches ${PROJECT_SOURCE_DIR}/.deps/libtorch-*/torch)
  foreach(prefix IN LISTS gradproof_own_torches gradproof_python_torch ITEMS /usr)
    gradproof_libtorch_add(${prefix} reason)
    if(reason AND NOT prefix STREQUAL "/usr")
      list(APPEND gradproof_libtorch_left_out "${prefix}: ${reason}")
    endif()
  endforeach()
endif()
