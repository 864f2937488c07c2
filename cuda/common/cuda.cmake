# Adds the CUDA kernels to _C where SPLATKIT_CUDA and the machine allow it, and sets SPLATKIT_CUDA_TEXT, which says what is in.

# The machine's own GPUs; without one, code for the oldest supported one that the driver can adapt to any newer.
function(splatkit_everyday_archs result)
  find_program(NVIDIA_SMI nvidia-smi)
  if(NVIDIA_SMI)
    execute_process(COMMAND ${NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE capabilities OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0 AND capabilities MATCHES "^[0-9.\n]+$")
      string(REPLACE "." "" archs "${capabilities}")
      string(REPLACE "\n" ";" archs "${archs}")
      list(REMOVE_DUPLICATES archs)
      list(TRANSFORM archs APPEND "-real")
      set(${result} "${archs}" PARENT_SCOPE)
      return()
    endif()
  endif()
  set(${result} "75" PARENT_SCOPE)
endfunction()

# Every generation that the compiler knows and that is still sold or lent, and PTX of the newest for those to come.
function(splatkit_all_archs version result)
  if(version VERSION_LESS 11.8)
    set(archs 75-real 80-real 86)
  elseif(version VERSION_LESS 12.8)
    set(archs 75-real 80-real 86-real 89-real 90)
  else()
    set(archs 75-real 80-real 86-real 89-real 90-real 100-real 120)
  endif()
  set(${result} "${archs}" PARENT_SCOPE)
endfunction()

set(SPLATKIT_CUDA_TEXT "")
if(SPLATKIT_CUDA STREQUAL "OFF")
  message(STATUS "splatkit: CPU backend (CUDA switched off)")
  return()
endif()

splatkit_everyday_archs(splatkit_archs)
if(NOT SPLATKIT_CUDA_ARCHS STREQUAL "" AND NOT SPLATKIT_CUDA_ARCHS STREQUAL "all")
  set(splatkit_archs "${SPLATKIT_CUDA_ARCHS}")
endif()
set(CMAKE_CUDA_ARCHITECTURES "${splatkit_archs}")  # enable_language would choose one of its own

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(SPLATKIT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "splatkit: SPLATKIT_CUDA=ON, but no working nvcc was found; put it on the PATH or name it in CUDACXX")
  endif()
  message(STATUS "splatkit: CPU backend (no working nvcc found)")
  return()
endif()

set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)  # loads without a driver, and beside torch's own runtime
enable_language(CUDA)
if(SPLATKIT_CUDA_ARCHS STREQUAL "all")
  splatkit_all_archs("${CMAKE_CUDA_COMPILER_VERSION}" splatkit_archs)
endif()

add_library(splatkit_cuda STATIC ${SPLATKIT_KERNELS} common/device.cu common/device_sort.cu)
set_target_properties(splatkit_cuda PROPERTIES CUDA_ARCHITECTURES "${splatkit_archs}")
target_include_directories(splatkit_cuda PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_options(splatkit_cuda PRIVATE -O3 -Xcompiler=-Wall,-Wextra,-Wno-psabi)
target_link_libraries(_C PRIVATE splatkit_cuda)
target_compile_definitions(_C PRIVATE SPLATKIT_CUDA)

list(JOIN splatkit_archs " " splatkit_archs_text)
set(SPLATKIT_CUDA_TEXT "nvcc ${CMAKE_CUDA_COMPILER_VERSION} for sm ${splatkit_archs_text}")
message(STATUS "splatkit: CPU and CUDA backends (${SPLATKIT_CUDA_TEXT})")
