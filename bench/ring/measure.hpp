// SPDX-License-Identifier: MIT
#pragma once

namespace xvsock::bench {

/// Registers all measurements with Google Benchmark. Their names are MEASURE/WAY/BYTES, and WAY may have
/// parts of its own: stream/vchan/spin/256K/64.
void add_measurements();

} // namespace xvsock::bench
