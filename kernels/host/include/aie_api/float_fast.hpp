// The same datapath, eight lanes at a time, on doubles.
//
// A term of the sum is a multiple of 2^-24 of anything 2^25 times its size, so one unit q of the alignment grid, all
// rounded terms and their sum are exact in a double. Adding and taking away 1.5 * 2^52 * q rounds a term to a multiple of
// q, to nearest even, which is the alignment; the conversion of the exact sum to float is the normalisation. Lanes whose
// result is not finite are computed again on integers (float_exact.hpp). Needs the FPU's default rounding, no fast-math.
#pragma once

#include "float_exact.hpp"

namespace aie::host {

using f64x8 = native<double, 8>;
using i64x8 = native<int64_t, 8>;
using i32x8 = native<int32_t, 8>;
using u32x8 = native<uint32_t, 8>;
using u16x8 = native<uint16_t, 8>;

inline constexpr int no_exponent = -600;  // of a zero term: below any sum of two exponents

template <typename V>
HOST_INLINE V lanes_max(V a, V b) {
    return a > b ? a : b;
}

// fp32 bits to doubles, and to the exponent the alignment uses (denormals count as 1).
HOST_INLINE f64x8 to_double(u32x8 bits) { return convert<double, 8>(native<float, 8>(bits)); }
HOST_INLINE i32x8 float_exponent(u32x8 bits) {
    const i32x8 magnitude = i32x8(bits) & 0x7fffffff;
    return magnitude == 0 ? i32x8{} + no_exponent : lanes_max(i32x8(magnitude >> 23), i32x8{} + 1);
}

// 1.5 * 2^52 units of the grid of the largest biased exponent: a unit is 2^(largest - 278).
HOST_INLINE f64x8 grid(i32x8 largest) {
    const i64x8 exponent = convert<int64_t, 8>(lanes_max(largest, i32x8{})) + (1023 - 278 + 52);
    return f64x8((exponent << 52) | (int64_t(1) << 51));
}
HOST_INLINE f64x8 align(f64x8 term, f64x8 grid) { return (term + grid) - grid; }

// fp32 bits of an exact sum, what falls below the normal range being zero (signed or not).
template <bool SignedUnderflow>
HOST_INLINE u32x8 normalise(f64x8 sum) {
    constexpr int64_t smallest = (int64_t(1023 - 127) << 52) | 0xffffff0000000;  // 2^-126 - 2^-151 rounds up to 2^-126
    const i64x8 normal = (i64x8(sum) & INT64_MAX) >= smallest;
    const i32x8 bits = i32x8(convert<float, 8>(sum));
    i32x8 kept = convert<int32_t, 8>(normal);
    if constexpr (SignedUnderflow) kept |= INT32_MIN;
    return u32x8(bits & kept);
}
HOST_INLINE bool any_not_finite(u32x8 bits) { return any<int32_t, 8>((bits & 0x7f800000) == 0x7f800000); }

// acc +- a * b: eight lanes of the 16-lane element-wise instruction (its second product is zero).
template <bool Subtract>
HOST_INLINE u32x8 mac_elements(u32x8 acc, u16x8 a, u16x8 b) {
    const u32x8 fa = convert<uint32_t, 8>(a) << 16, fb = convert<uint32_t, 8>(b) << 16;
    const f64x8 product = to_double(fa) * to_double(fb);
    const i32x8 exponent = float_exponent(fa) + float_exponent(fb) + 1;
    const f64x8 unit = grid(lanes_max(exponent, i32x8(float_exponent(acc) + 128)));
    const f64x8 aligned = align(product, unit);
    const u32x8 result = normalise<false>(align(to_double(acc), unit) + (Subtract ? -aligned : aligned));
    if (!any_not_finite(result)) [[likely]]
        return result;
    u32x8 exact;
    for (int i = 0; i < 8; i++) {
        const uint16_t lane_a = a[i], lane_b = b[i];
        exact[i] = mac_lane(acc[i], &lane_a, &lane_b, 1, Subtract);
    }
    return exact;
}

// a +- b on the accumulator adder: eight lanes.
template <bool Subtract>
HOST_INLINE u32x8 add_floats(u32x8 a, u32x8 b) {
    const f64x8 unit = grid(lanes_max(float_exponent(a), float_exponent(b)) + 128);
    const f64x8 aligned = align(to_double(b), unit);
    const u32x8 result = normalise<true>(align(to_double(a), unit) + (Subtract ? -aligned : aligned));
    if (!any_not_finite(result)) [[likely]]
        return result;
    u32x8 exact;
    for (int i = 0; i < 8; i++) exact[i] = add_lane(a[i], b[i], Subtract);
    return exact;
}

}  // namespace aie::host
