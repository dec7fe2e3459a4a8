// SPDX-License-Identifier: Apache-2.0
// CLAC exists only on CPUs with SMAP: each use is a three-byte NOP that boot patches where SMAP is there
// (features.cpp). The kernel never opens user memory, so there is no use of STAC. Intel SDM vol. 2A, CLAC.
#pragma once

// Forbids the kernel to touch user memory, whatever AC was before.
.macro user_access_end
771:
    .byte 0x0f, 0x1f, 0x00
    .pushsection .user_access_patches, "a"
    .quad 771b
    .popsection
.endm
