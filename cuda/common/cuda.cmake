# Adds the CUDA kernels to _C where SPLATKIT_CUDA and the machine allow it. SPLATKIT_CUDA_TEXT says what is in, or SPLATKIT_NO_CUDA_TEXT
# why nothing is.
include(common/cuda_archs.cmake)

set(SPLATKIT_CUDA_TEXT "")
set(SPLATKIT_NO_CUDA_TEXT "")

# An error where CUDA was insisted on.
macro(splatkit_without_cuda reason)
  if(SPLATKIT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "splatkit: SPLATKIT_CUDA=ON, but ${reason}")
  endif()
  set(SPLATKIT_NO_CUDA_TEXT "${reason}")
  message(STATUS "splatkit: CPU backend (${reason})")
endmacro()

if(SPLATKIT_CUDA STREQUAL "OFF")
  splatkit_without_cuda("CUDA switched off")
  return()
endif()

splatkit_find_nvcc(splatkit_nvcc)
splatkit_known_archs("${splatkit_nvcc}" splatkit_known)
if(splatkit_nvcc STREQUAL "")
  splatkit_without_cuda("no nvcc was found, put it on the PATH or name it in CUDACXX")
  return()
elseif(splatkit_known STREQUAL "")
  splatkit_without_cuda("${splatkit_nvcc} does not work, name another in CUDACXX")
  return()
endif()

splatkit_archs_for("${SPLATKIT_CUDA_ARCHS}" "${splatkit_known}" splatkit_archs splatkit_dropped)
list(JOIN splatkit_dropped " and " splatkit_dropped_text)
if(splatkit_archs STREQUAL "")
  list(GET splatkit_known 0 splatkit_oldest)
  splatkit_without_cuda("this machine's GPU is of sm ${splatkit_dropped_text}, but ${splatkit_nvcc} compiles for sm ${splatkit_oldest} and newer")
  return()
endif()
set(CMAKE_CUDA_ARCHITECTURES "${splatkit_archs}")  # enable_language would choose one of its own

if("$ENV{CUDACXX}" STREQUAL "")
  set(ENV{CUDACXX} "${splatkit_nvcc}")  # it need not be on the PATH
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  splatkit_without_cuda("${splatkit_nvcc} compiles no test program, see CMakeFiles/CMakeError.log or CMakeConfigureLog.yaml in the build folder")
  return()
endif()

set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)  # loads without a driver, and beside torch's own runtime
enable_language(CUDA)

add_library(splatkit_cuda STATIC ${SPLATKIT_KERNELS} common/device.cu common/device_sort.cu)
set_target_properties(splatkit_cuda PROPERTIES CUDA_ARCHITECTURES "${splatkit_archs}")
target_include_directories(splatkit_cuda PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_options(splatkit_cuda PRIVATE -O3 -Xcompiler=-Wall,-Wextra,-Wno-psabi)
target_link_libraries(_C PRIVATE splatkit_cuda)
target_compile_definitions(_C PRIVATE SPLATKIT_CUDA)

list(JOIN splatkit_archs " " splatkit_archs_text)
set(SPLATKIT_CUDA_TEXT "nvcc ${CMAKE_CUDA_COMPILER_VERSION} for sm ${splatkit_archs_text}")
if(splatkit_dropped)
  string(APPEND SPLATKIT_CUDA_TEXT ", not for this machine's sm ${splatkit_dropped_text}, which is too old for it")
endif()
message(STATUS "splatkit: CPU and CUDA backends (${SPLATKIT_CUDA_TEXT})")
