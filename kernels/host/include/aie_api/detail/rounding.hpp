// Narrowing: accumulator to integer (shift, round, saturate) and fp32 to bfloat16, by the rounding register.
//
// Rules: xdna-emu src/interpreter/execute/vector_srs.rs and vector_float.rs@7380bd56, whose vectors equal Phoenix
// silicon. On two's complement integers "up" adds one towards +inf; on a float's magnitude it adds one away from zero,
// so the modes that look at the sign are mirrored there.
#pragma once

#include "../modes.hpp"

namespace aie::host {

// Returns 1 for each lane that is rounded up, else 0. All arguments are lanes of 0 and 1: the highest bit that is
// dropped, any other dropped bit, the lowest bit that is kept, and the sign (1 is negative).
template <rounding_mode Mode, bool Magnitude, typename V>
HOST_INLINE V round_up(V guard, V sticky, V lowest, V negative) {
    const V one = V{} + 1;
    const V any_lost = guard | sticky;
    const V positive = one - negative;
    using enum rounding_mode;
    if constexpr (Mode == floor) return Magnitude ? negative & any_lost : V{};
    if constexpr (Mode == ceil) return Magnitude ? positive & any_lost : any_lost;
    if constexpr (Mode == symmetric_floor) return Magnitude ? V{} : negative & any_lost;
    if constexpr (Mode == symmetric_ceil) return Magnitude ? any_lost : positive & any_lost;
    if constexpr (Mode == negative_inf) return guard & (Magnitude ? negative | sticky : sticky);
    if constexpr (Mode == positive_inf) return guard & (Magnitude ? positive | sticky : one);
    if constexpr (Mode == symmetric_zero) return guard & (Magnitude ? sticky : negative | sticky);
    if constexpr (Mode == symmetric_inf) return guard & (Magnitude ? one : positive | sticky);
    if constexpr (Mode == conv_even) return guard & (lowest | sticky);
    if constexpr (Mode == conv_odd) return guard & ((one - lowest) | sticky);
}

// Calls f.template operator()<mode>() for the mode in the rounding register.
template <typename F>
HOST_INLINE auto with_rounding(F f) {
    using enum rounding_mode;
    switch (get_rounding()) {
        case ceil: return f.template operator()<ceil>();
        case symmetric_floor: return f.template operator()<symmetric_floor>();
        case symmetric_ceil: return f.template operator()<symmetric_ceil>();
        case negative_inf: return f.template operator()<negative_inf>();
        case positive_inf: return f.template operator()<positive_inf>();
        case symmetric_zero: return f.template operator()<symmetric_zero>();
        case symmetric_inf: return f.template operator()<symmetric_inf>();
        case conv_even: return f.template operator()<conv_even>();
        case conv_odd: return f.template operator()<conv_odd>();
        default: return f.template operator()<floor>();
    }
}

template <typename V>
HOST_INLINE V clamp_lanes(V v, int64_t low, int64_t high) {
    const V lo = V{} + low;
    const V hi = V{} + high;
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

// Clamps 64-bit lanes to the range of T as the saturation register says.
template <typename T, typename V>
HOST_INLINE V saturate_to(V v) {
    if (get_saturation() == saturation_mode::none) return v;
    constexpr unsigned bits = sizeof(T) * 8;
    constexpr int64_t high = std::is_signed_v<T> ? (int64_t(1) << (bits - 1)) - 1 : (int64_t(1) << bits) - 1;
    constexpr int64_t low = std::is_signed_v<T> ? -high - 1 : 0;
    const bool symmetric = std::is_signed_v<T> && get_saturation() == saturation_mode::symmetric;
    return clamp_lanes(v, symmetric ? -high : low, high);
}

// acc >> shift, rounded, saturated to T: lanes of 64 bits. 0 <= shift < 64.
template <typename T, typename V>
HOST_INLINE like<T, V> shift_round_saturate(V acc, int shift) {
    V result = acc;
    if (shift > 0) {
        const V kept = acc >> shift;
        const V guard = (acc >> (shift - 1)) & 1;
        const V sticky = ((acc & ((int64_t(1) << (shift - 1)) - 1)) != 0) & 1;
        result = with_rounding([&]<rounding_mode Mode>() HOST_LAMBDA {
            return kept + round_up<Mode, false>(guard, sticky, V(kept & 1), V((acc < 0) & 1));
        });
    }
    return __builtin_convertvector(saturate_to<T>(result), like<T, V>);
}

// fp32 bits to bfloat16 bits. Infinities stay, NaN keeps its upper bits and stays NaN.
template <typename U>
HOST_INLINE like<uint16_t, U> float_to_bfloat16(U bits) {
    using V = like<int32_t, U>;
    const V b = V(bits);
    const V magnitude = b & 0x7fffffff;
    const V guard = (b >> 15) & 1;
    const V sticky = ((b & 0x7fff) != 0) & 1;
    const V up = with_rounding([&]<rounding_mode Mode>() HOST_LAMBDA {
        return round_up<Mode, true>(guard, sticky, V((b >> 16) & 1), V((b < 0) & 1));
    });
    const V lost_nan = (magnitude > 0x7f800000) & ((b & 0x7f0000) == 0) & 1;
    return __builtin_convertvector((b >> 16) + (magnitude < 0x7f800000 ? up : lost_nan), like<uint16_t, U>);
}

}  // namespace aie::host
