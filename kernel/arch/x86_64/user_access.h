// SPDX-License-Identifier: Apache-2.0
// STAC and CLAC exist only on CPUs with SMAP: each use is a three-byte NOP that boot patches where SMAP is there
// (features.cpp). For assembly and for inline assembly. Intel SDM vol. 2A/2B, CLAC and STAC.
#pragma once

#define USER_ACCESS_OPCODE_END 0xca
#define USER_ACCESS_OPCODE_BEGIN 0xcb

#ifdef __ASSEMBLER__

.macro user_access_patch opcode
771:
    .byte 0x0f, 0x1f, 0x00
    .pushsection .user_access_patches, "a"
    .quad 771b, \opcode
    .popsection
.endm
// Forbids the kernel to touch user memory (CLAC), allows it (STAC).
.macro user_access_end
    user_access_patch USER_ACCESS_OPCODE_END
.endm
.macro user_access_begin
    user_access_patch USER_ACCESS_OPCODE_BEGIN
.endm

#else

#define USER_ACCESS_TEXT_(number) #number
#define USER_ACCESS_TEXT(number) USER_ACCESS_TEXT_(number)
#define USER_ACCESS_PATCH(opcode)                        \
    "771: .byte 0x0f, 0x1f, 0x00\n\t"                    \
    ".pushsection .user_access_patches, \"a\"\n\t"       \
    ".quad 771b, " USER_ACCESS_TEXT(opcode) "\n\t"       \
    ".popsection\n\t"
#define USER_ACCESS_END USER_ACCESS_PATCH(USER_ACCESS_OPCODE_END)
#define USER_ACCESS_BEGIN USER_ACCESS_PATCH(USER_ACCESS_OPCODE_BEGIN)

#endif
