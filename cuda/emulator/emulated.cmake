# _C_emulated: the bindings over the CUDA kernels, compiled for the host.

add_library(splatkit_emulator STATIC emulator/fiber.cpp emulator/scheduler.cpp emulator/device.cpp)
target_include_directories(splatkit_emulator PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_options(splatkit_emulator PRIVATE -Wall -Wextra)
target_link_libraries(splatkit_emulator PUBLIC Threads::Threads)

set_source_files_properties(${SPLATKIT_KERNELS} PROPERTIES LANGUAGE CXX)
add_library(splatkit_emulated STATIC ${SPLATKIT_KERNELS})
target_link_libraries(splatkit_emulated PUBLIC splatkit_emulator)
target_compile_options(splatkit_emulated PRIVATE
  -x c++ -include ${CMAKE_CURRENT_SOURCE_DIR}/emulator/cuda_on_host.h -O2 -Wall -Wextra -Wno-psabi -Wno-unknown-pragmas)
nanobind_add_module(_C_emulated NB_STATIC ${SPLATKIT_BINDINGS})
target_link_libraries(_C_emulated PRIVATE splatkit_emulated)
target_compile_definitions(_C_emulated PRIVATE
  SPLATKIT_MODULE=_C_emulated SPLATKIT_EMULATED SPLATKIT_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
