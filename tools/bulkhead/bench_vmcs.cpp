// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_vmcs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hw/x86/vmx.hpp"

namespace bulkhead::tool {

namespace {

using enum x86::VmcsField;

struct NamedField {
    x86::VmcsField field;
    const char* name;
    bool shadowed;
};

constexpr NamedField kFields[] = {
    {VirtualProcessorId, "VirtualProcessorId", false},
    {GuestEsSelector, "GuestEsSelector", false},
    {GuestCsSelector, "GuestCsSelector", false},
    {GuestSsSelector, "GuestSsSelector", false},
    {GuestDsSelector, "GuestDsSelector", false},
    {GuestFsSelector, "GuestFsSelector", false},
    {GuestGsSelector, "GuestGsSelector", false},
    {GuestLdtrSelector, "GuestLdtrSelector", false},
    {GuestTrSelector, "GuestTrSelector", false},
    {GuestInterruptStatus, "GuestInterruptStatus", true},
    {HostEsSelector, "HostEsSelector", false},
    {HostCsSelector, "HostCsSelector", false},
    {HostSsSelector, "HostSsSelector", false},
    {HostDsSelector, "HostDsSelector", false},
    {HostFsSelector, "HostFsSelector", false},
    {HostGsSelector, "HostGsSelector", false},
    {HostTrSelector, "HostTrSelector", false},
    {MsrBitmap, "MsrBitmap", false},
    {TscOffset, "TscOffset", false},
    {VirtualApicPage, "VirtualApicPage", false},
    {EptPointer, "EptPointer", false},
    {EoiExitBitmap0, "EoiExitBitmap0", false},
    {EoiExitBitmap1, "EoiExitBitmap1", false},
    {EoiExitBitmap2, "EoiExitBitmap2", false},
    {EoiExitBitmap3, "EoiExitBitmap3", false},
    {GuestPhysicalAddress, "GuestPhysicalAddress", true},
    {VmcsLinkPointer, "VmcsLinkPointer", false},
    {GuestDebugControl, "GuestDebugControl", false},
    {GuestPat, "GuestPat", false},
    {GuestEfer, "GuestEfer", false},
    {HostPat, "HostPat", false},
    {HostEfer, "HostEfer", false},
    {PinControls, "PinControls", false},
    {PrimaryControls, "PrimaryControls", true},
    {ExceptionBitmap, "ExceptionBitmap", true},
    {PageFaultMask, "PageFaultMask", false},
    {PageFaultMatch, "PageFaultMatch", false},
    {Cr3TargetCount, "Cr3TargetCount", false},
    {ExitControls, "ExitControls", false},
    {ExitMsrStoreCount, "ExitMsrStoreCount", false},
    {ExitMsrLoadCount, "ExitMsrLoadCount", false},
    {EntryControls, "EntryControls", false},
    {EntryMsrLoadCount, "EntryMsrLoadCount", false},
    {EntryInterruption, "EntryInterruption", true},
    {EntryErrorCode, "EntryErrorCode", true},
    {EntryInstructionLength, "EntryInstructionLength", true},
    {TprThreshold, "TprThreshold", true},
    {SecondaryControls, "SecondaryControls", false},
    {InstructionError, "InstructionError", false},
    {ExitReason, "ExitReason", true},
    {ExitInterruption, "ExitInterruption", true},
    {ExitErrorCode, "ExitErrorCode", true},
    {VectoringInformation, "VectoringInformation", true},
    {VectoringErrorCode, "VectoringErrorCode", true},
    {InstructionLength, "InstructionLength", true},
    {GuestEsLimit, "GuestEsLimit", false},
    {GuestCsLimit, "GuestCsLimit", false},
    {GuestSsLimit, "GuestSsLimit", false},
    {GuestDsLimit, "GuestDsLimit", false},
    {GuestFsLimit, "GuestFsLimit", false},
    {GuestGsLimit, "GuestGsLimit", false},
    {GuestLdtrLimit, "GuestLdtrLimit", false},
    {GuestTrLimit, "GuestTrLimit", false},
    {GuestGdtrLimit, "GuestGdtrLimit", false},
    {GuestIdtrLimit, "GuestIdtrLimit", false},
    {GuestEsAccess, "GuestEsAccess", false},
    {GuestCsAccess, "GuestCsAccess", true},
    {GuestSsAccess, "GuestSsAccess", true},
    {GuestDsAccess, "GuestDsAccess", false},
    {GuestFsAccess, "GuestFsAccess", false},
    {GuestGsAccess, "GuestGsAccess", false},
    {GuestLdtrAccess, "GuestLdtrAccess", false},
    {GuestTrAccess, "GuestTrAccess", false},
    {GuestInterruptibility, "GuestInterruptibility", true},
    {GuestActivity, "GuestActivity", false},
    {GuestSysenterCs, "GuestSysenterCs", false},
    {GuestPreemptionTimer, "GuestPreemptionTimer", true},
    {HostSysenterCs, "HostSysenterCs", false},
    {Cr0Mask, "Cr0Mask", true},
    {Cr4Mask, "Cr4Mask", true},
    {Cr0Shadow, "Cr0Shadow", true},
    {Cr4Shadow, "Cr4Shadow", true},
    {Qualification, "Qualification", true},
    {GuestLinearAddress, "GuestLinearAddress", true},
    {GuestCr0, "GuestCr0", true},
    {GuestCr3, "GuestCr3", true},
    {GuestCr4, "GuestCr4", true},
    {GuestEsBase, "GuestEsBase", false},
    {GuestCsBase, "GuestCsBase", false},
    {GuestSsBase, "GuestSsBase", false},
    {GuestDsBase, "GuestDsBase", false},
    {GuestFsBase, "GuestFsBase", false},
    {GuestGsBase, "GuestGsBase", false},
    {GuestLdtrBase, "GuestLdtrBase", false},
    {GuestTrBase, "GuestTrBase", false},
    {GuestGdtrBase, "GuestGdtrBase", false},
    {GuestIdtrBase, "GuestIdtrBase", false},
    {GuestDr7, "GuestDr7", false},
    {GuestRsp, "GuestRsp", true},
    {GuestRip, "GuestRip", true},
    {GuestRflags, "GuestRflags", true},
    {GuestPendingDebug, "GuestPendingDebug", false},
    {GuestSysenterEsp, "GuestSysenterEsp", false},
    {GuestSysenterEip, "GuestSysenterEip", false},
    {HostCr0, "HostCr0", false},
    {HostCr3, "HostCr3", false},
    {HostCr4, "HostCr4", false},
    {HostFsBase, "HostFsBase", true},
    {HostGsBase, "HostGsBase", true},
    {HostTrBase, "HostTrBase", false},
    {HostGdtrBase, "HostGdtrBase", false},
    {HostIdtrBase, "HostIdtrBase", false},
    {HostSysenterEsp, "HostSysenterEsp", false},
    {HostSysenterEip, "HostSysenterEip", false},
    {HostRsp, "HostRsp", false},
    {HostRip, "HostRip", false},
};

const NamedField* find_field(std::uint64_t encoding) {
    const auto* found = std::find_if(std::begin(kFields), std::end(kFields), [&](const auto& entry) {
        return static_cast<std::uint64_t>(entry.field) == encoding;
    });
    return found == std::end(kFields) ? nullptr : found;
}

}  // namespace

std::string vmcs_field_name(std::uint64_t encoding) {
    const auto* field = find_field(encoding);
    return field != nullptr ? field->name : fmt::format("field {:#x}", encoding);
}

bool is_shadowed_by_kvm(std::uint64_t encoding) {
    const auto* field = find_field(encoding);
    return field != nullptr && field->shadowed;
}

}  // namespace bulkhead::tool
