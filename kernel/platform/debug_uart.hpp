// SPDX-License-Identifier: Apache-2.0
// The kernel's own way to be heard: COM1, polled, transmit only. When the user-space driver takes the UART over, the
// kernel stops writing; a panic writes again. Callers serialise (the log's lock); the panic path does not.
#pragma once

namespace bulkhead::kernel {

class DebugUart {
  public:
    /// Sets 115200 8N1. Where there is no UART its registers read as ones: ready at once for what gets lost.
    static void initialize();
    static void write(char character);
    /// Waits until the last bit is on the wire.
    static void drain();
    /// Whether the kernel may write; off while a user-space driver owns the device.
    static void set_enabled(bool enabled);
};

}  // namespace bulkhead::kernel
