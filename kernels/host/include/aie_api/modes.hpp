// Rounding and saturation registers: one pair per simulated core, both persist until they are written again.
//
// Encodings: aie_api aie_types.hpp@2a408059 for AIE2 (crRnd 0..3 and 8..13, crSat 0, 1, 3). After a reset: floor and no
// saturation (the reset value of saturation is not verified on hardware).
#pragma once

#include "types.hpp"

namespace aie {

enum class rounding_mode : unsigned {
    floor = 0,
    ceil = 1,
    symmetric_floor = 2,
    symmetric_ceil = 3,
    negative_inf = 8,
    positive_inf = 9,
    symmetric_zero = 10,
    symmetric_inf = 11,
    conv_even = 12,
    conv_odd = 13,
};

enum class saturation_mode : unsigned { none = 0, saturate = 1, symmetric = 3 };

namespace host {

struct core_state {
    rounding_mode rounding = rounding_mode::floor;
    saturation_mode saturation = saturation_mode::none;
};

inline constexpr int core_count = 32;
inline core_state cores[core_count];
inline core_state* current_core = cores;

}  // namespace host

inline void set_rounding(rounding_mode mode) { host::current_core->rounding = mode; }
inline rounding_mode get_rounding() { return host::current_core->rounding; }
inline void set_saturation(saturation_mode mode) { host::current_core->saturation = mode; }
inline saturation_mode get_saturation() { return host::current_core->saturation; }

inline rounding_mode swap_rounding(rounding_mode mode) { return std::exchange(host::current_core->rounding, mode); }
inline saturation_mode swap_saturation(saturation_mode mode) {
    return std::exchange(host::current_core->saturation, mode);
}

}  // namespace aie

// host_select_core chooses the core (0 <= core < 32) whose registers the following calls use; host_reset_core sets a
// core's registers back to their values after a reset.
extern "C" {
inline __attribute__((used)) void host_select_core(int core) {
    aie::host::current_core = &aie::host::cores[core & (aie::host::core_count - 1)];
}
inline __attribute__((used)) void host_reset_core(int core) {
    aie::host::cores[core & (aie::host::core_count - 1)] = {};
}
}
