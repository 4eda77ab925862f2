# Finds what the core needs. Everything missing is told at once, with the Debian package that has it.

set(gradproof_missing "")

macro(gradproof_require what package)
  if(NOT (${ARGN}))
    list(APPEND gradproof_missing "  ${what}  (Debian: ${package})")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(fmt QUIET)
gradproof_require("fmt" libfmt-dev TARGET fmt::fmt)
find_package(nlohmann_json QUIET)
gradproof_require("nlohmann-json" nlohmann-json3-dev TARGET nlohmann_json::nlohmann_json)
find_package(CLI11 QUIET)
gradproof_require("CLI11" libcli11-dev TARGET CLI11::CLI11)
find_package(Eigen3 3.4 QUIET)
gradproof_require("Eigen 3.4" libeigen3-dev TARGET Eigen3::Eigen)
find_package(GTest QUIET)
gradproof_require("GoogleTest" libgtest-dev TARGET GTest::gtest_main)
# Its package file names no version, so that asking for one would refuse it.
find_package(rapidcheck QUIET)
gradproof_require("RapidCheck" librapidcheck-dev TARGET rapidcheck)
find_package(benchmark QUIET)

# Arb as a library of its own (FLINT 2: arb.h), or as a part of FLINT 3 (flint/arb.h).
find_path(GRADPROOF_ARB_INCLUDE arb.h)
find_library(GRADPROOF_ARB_LIBRARY NAMES flint-arb arb)
find_path(GRADPROOF_FLINT_INCLUDE flint/flint.h)
find_library(GRADPROOF_FLINT_LIBRARY flint)
mark_as_advanced(GRADPROOF_ARB_INCLUDE GRADPROOF_ARB_LIBRARY GRADPROOF_FLINT_INCLUDE GRADPROOF_FLINT_LIBRARY)
add_library(gradproof_arb INTERFACE)
set(gradproof_arb_kind "")
if(GRADPROOF_ARB_INCLUDE AND GRADPROOF_ARB_LIBRARY AND GRADPROOF_FLINT_INCLUDE AND GRADPROOF_FLINT_LIBRARY)
  set(gradproof_arb_kind "Arb over FLINT 2 (arb.h)")
  target_include_directories(gradproof_arb SYSTEM INTERFACE ${GRADPROOF_ARB_INCLUDE} ${GRADPROOF_FLINT_INCLUDE})
  target_link_libraries(gradproof_arb INTERFACE ${GRADPROOF_ARB_LIBRARY} ${GRADPROOF_FLINT_LIBRARY})
elseif(GRADPROOF_FLINT_LIBRARY AND EXISTS "${GRADPROOF_FLINT_INCLUDE}/flint/arb.h")
  set(gradproof_arb_kind "FLINT 3 (flint/arb.h)")
  target_include_directories(gradproof_arb SYSTEM INTERFACE ${GRADPROOF_FLINT_INCLUDE})
  target_link_libraries(gradproof_arb INTERFACE ${GRADPROOF_FLINT_LIBRARY})
  target_compile_definitions(gradproof_arb INTERFACE GRADPROOF_ARB_HEADER_FLINT)
endif()
gradproof_require("FLINT with Arb" "libflint-dev libflint-arb-dev" gradproof_arb_kind)

# Eigen's products and decompositions over OpenBLAS, where it is installed. The definition changes what
# Eigen's templates mean, so every user of Eigen must see the same: both travel in one target.
#
# The static library, and only that: an executable that loads libopenblas.so makes it the BLAS of every
# LibTorch it loads later (the dynamic linker binds libtorch_cpu's sgemm_ to the first one it meets), and
# then the engine under test is no longer the one that was delivered.
find_library(GRADPROOF_OPENBLAS_STATIC libopenblas.a)
mark_as_advanced(GRADPROOF_OPENBLAS_STATIC)
add_library(gradproof_eigen INTERFACE)
if(TARGET Eigen3::Eigen)
  target_link_libraries(gradproof_eigen INTERFACE Eigen3::Eigen)
endif()
if(GRADPROOF_OPENBLAS_STATIC)
  target_compile_definitions(gradproof_eigen INTERFACE EIGEN_USE_BLAS)
  target_link_libraries(gradproof_eigen INTERFACE ${GRADPROOF_OPENBLAS_STATIC} Threads::Threads)
endif()

if(gradproof_missing)
  list(JOIN gradproof_missing "\n" gradproof_missing)
  message(FATAL_ERROR "gradproof needs these, and did not find them:\n${gradproof_missing}\n"
    "ci/setup installs them on Debian.")
endif()
