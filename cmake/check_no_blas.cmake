# Run as a script by a test: EXECUTABLE must neither load a BLAS nor show one of its own to the dynamic
# linker, or the LibTorch it loads would be run on that one (cmake/dependencies.cmake).
execute_process(COMMAND readelf --wide --dynamic --dyn-syms ${EXECUTABLE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*(blas|[sd]gemm_|[sd]gesdd_)[^\n]*" found "${symbols}")
if(found)
  list(JOIN found "\n" found)
  message(FATAL_ERROR "${EXECUTABLE} brings a BLAS into its process:\n${found}")
endif()
