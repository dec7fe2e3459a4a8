# SPDX-License-Identifier: Apache-2.0
# The kinds of targets this project has, one function each:
#
#   bulkhead_freestanding_library(NAME SOURCES ...)               static library for target programs
#   bulkhead_program(NAME SOURCES ... [LIBRARIES ...])            user-space program of the target system
#   bulkhead_unit_test(NAME SOURCES ... [LIBRARIES ...])          GoogleTest binary on the host, ASan + UBSan
#   bulkhead_host_library(NAME SOURCES ... [LIBRARIES ...])       static library for host tools
#
# Target code is compiled without floating point and vector registers: a thread that uses none needs none
# switched (docs/design/architecture.md, section 4).

set(BULKHEAD_WARNINGS -Wall -Wextra -Wshadow -Wold-style-cast -Woverloaded-virtual -Wundef -Werror)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(BULKHEAD_NO_VECTOR_REGISTERS -mno-sse -mno-mmx -mno-avx)
  list(APPEND BULKHEAD_WARNINGS -Wno-unused-private-field)
else()
  set(BULKHEAD_NO_VECTOR_REGISTERS -mgeneral-regs-only)
endif()

# What every piece of freestanding code is compiled with.
add_library(bulkhead_freestanding INTERFACE)
target_compile_features(bulkhead_freestanding INTERFACE cxx_std_20)
target_include_directories(bulkhead_freestanding INTERFACE "${CMAKE_SOURCE_DIR}/include")
target_compile_options(bulkhead_freestanding INTERFACE
  -ffreestanding ${BULKHEAD_NO_VECTOR_REGISTERS} -O2 -g
  -fno-pic -fno-pie -fno-stack-protector -fno-omit-frame-pointer -fno-asynchronous-unwind-tables
  -ffunction-sections -fdata-sections -fno-common
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit ${BULKHEAD_WARNINGS}>)
target_link_options(bulkhead_freestanding INTERFACE
  -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--gc-sections)

function(bulkhead_freestanding_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC bulkhead_freestanding ${arg_LIBRARIES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
endfunction()

# A program is a static ELF64 image at a fixed address; it lands in <build>/programs/NAME.
function(bulkhead_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  set(script "${CMAKE_SOURCE_DIR}/servers/runtime/program.ld")
  add_executable(program-${name} ${arg_SOURCES})
  target_link_libraries(program-${name} PRIVATE ${arg_LIBRARIES} runtime bulkhead_freestanding)
  target_include_directories(program-${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_options(program-${name} PRIVATE "-Wl,-T,${script}")
  set_target_properties(program-${name} PROPERTIES
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/programs" LINK_DEPENDS "${script}")
endfunction()

function(bulkhead_host_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  add_library(${name} STATIC ${arg_SOURCES})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_compile_options(${name} PRIVATE ${BULKHEAD_WARNINGS})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${arg_LIBRARIES})
endfunction()

function(bulkhead_unit_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(unit-${name} ${arg_SOURCES})
  target_compile_features(unit-${name} PRIVATE cxx_std_20)
  target_compile_definitions(unit-${name} PRIVATE BULKHEAD_HOST_TEST=1)
  target_compile_options(unit-${name} PRIVATE ${BULKHEAD_WARNINGS} -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(unit-${name} PRIVATE -fsanitize=address,undefined)
  target_include_directories(unit-${name} PRIVATE "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}")
  target_link_libraries(unit-${name} PRIVATE GTest::gtest GTest::gtest_main ${arg_LIBRARIES})
  set_target_properties(unit-${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/unit")
  gtest_discover_tests(unit-${name} TEST_PREFIX "unit." PROPERTIES LABELS unit)
endfunction()
