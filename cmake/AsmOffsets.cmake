# SPDX-License-Identifier: Apache-2.0
# Makes a header of #defines from the assembly the compiler made of kernel/arch/x86_64/asm_offsets.cpp: strings of the
# form "->NAME VALUE". Run as a script with -DASSEMBLY=FILE -DHEADER=FILE.
file(STRINGS "${ASSEMBLY}" lines REGEX "\"->[A-Z0-9_]+ -?[0-9]+\"$")
list(LENGTH lines count)
if(count EQUAL 0)
  message(FATAL_ERROR "${ASSEMBLY} has no offsets: did the compiler change how it prints them?")
endif()
set(text "// Made from kernel/arch/x86_64/asm_offsets.cpp.\n#pragma once\n")
foreach(line IN LISTS lines)
  string(REGEX REPLACE "^.*\"->([A-Z0-9_]+) (-?[0-9]+)\"$" "#define \\1 \\2\n" definition "${line}")
  string(APPEND text "${definition}")
endforeach()
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "${text}" @ONLY)
