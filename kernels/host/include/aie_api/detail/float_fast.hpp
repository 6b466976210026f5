// The floating point datapath of float_exact.hpp on doubles, as many lanes at a time as fill a register.
//
// A term of the sum is a multiple of 2^-24 of anything 2^25 times its size, so one unit q of the alignment grid, all
// rounded terms and their sum are exact in a double. Adding 1.5 * 2^52 * q rounds a term to a multiple of q, to nearest
// even, which is the alignment, and leaves the multiple in the low bits, where integers add up; the conversion of the
// exact sum to float is the normalisation. Lanes with NaN or infinities go to float_exact.hpp. Needs the FPU's default
// rounding, no fast-math.
#pragma once

#include "float_exact.hpp"

namespace aie::host {

inline constexpr unsigned float_lanes = register_bytes / sizeof(double);

inline constexpr int no_exponent = -600;       // of a zero term: below any sum of two exponents
inline constexpr int special_exponent = 4000;  // of NaN and infinity: above any sum, whatever the other term

template <typename V>
HOST_INLINE V lanes_max(V a, V b) {
    return a > b ? a : b;
}

// fp32 or bfloat16 bits as doubles.
template <typename V>
HOST_INLINE auto to_double(V bits) {
    if constexpr (sizeof(lane<V>) == 2) {
        return to_double(like<uint32_t, V>(__builtin_convertvector(bits, like<uint32_t, V>) << 16));
    } else {
#ifdef __AVX512F__  // g++ 12 converts the halves one by one
        if constexpr (lane_count<V> == 8)
            return __builtin_ia32_cvtps2pd512_mask(native<float, 8>(bits), native<double, 8>{}, uint8_t(255), 4);
        else
#endif
            return __builtin_convertvector(like<float, V>(bits), like<double, V>);
    }
}

// The exponents that the alignment uses: denormals count as 1. Lanes hold a sign, an exponent of 8 bits and a fraction.
template <int FractionBits, typename V>
HOST_INLINE V exponent_of(V bits) {
    using L = lane<V>;
    const V magnitude = bits & std::numeric_limits<L>::max();
    const V exponent = lanes_max(V(magnitude >> FractionBits), V{} + L(1));
    const V marked = exponent == L(255) ? V{} + L(special_exponent) : exponent;
    return magnitude == 0 ? V{} + L(no_exponent) : marked;
}
template <typename V>
HOST_INLINE auto float_exponent(V bits) {
    return exponent_of<23>(like<int32_t, V>(bits));
}

// 1.5 * 2^52 units of the grid of the largest biased exponent: a unit is 2^(largest - 278).
template <typename V>
HOST_INLINE auto grid(V largest) {
    using W = like<int64_t, V>;
    const W exponent = __builtin_convertvector(lanes_max(largest, V{}), W) + (1023 - 278 + 52);
    return like<double, V>((exponent << 52) | (int64_t(1) << 51));
}
// align() returns a term in units, counted from the bits of the grid; value() the exact value of such a count.
template <typename V>
HOST_INLINE auto align(V term, V grid) {
    return like<int64_t, V>(term + grid);
}
template <typename V, typename W>
HOST_INLINE V value(W units, V grid) {
    return V(units) - grid;
}

// The fp32 bits of an exact sum; a sum below the normal range becomes a zero (signed or not).
template <bool SignedUnderflow, typename V>
HOST_INLINE auto normalise(V sum) {
    constexpr int64_t smallest = (int64_t(1023 - 127) << 52) | 0xffffff0000000;  // 2^-126 - 2^-151 rounds up to 2^-126
    using I = like<int32_t, V>;
    const auto normal = (like<int64_t, V>(sum) & INT64_MAX) >= smallest;
    I kept = __builtin_convertvector(normal, I);
    if constexpr (SignedUnderflow) kept |= INT32_MIN;
    return like<uint32_t, V>(I(__builtin_convertvector(sum, like<float, V>)) & kept);
}
template <typename V>
HOST_INLINE bool any_special(V largest) {
    return any<lane<V>, lane_count<V>>(largest >= special_exponent / 2);
}

template <typename V, typename H>
[[gnu::cold, gnu::noinline]] V mac_elements_exact(V acc, H a, H b, bool subtract) {
    for (unsigned i = 0; i < lane_count<V>; i++) {
        const uint16_t lane_a = a[i], lane_b = b[i];
        acc[i] = mac_lane(acc[i], &lane_a, &lane_b, 1, subtract);
    }
    return acc;
}
template <typename V>
[[gnu::cold, gnu::noinline]] V add_floats_exact(V a, V b, bool subtract) {
    for (unsigned i = 0; i < lane_count<V>; i++) a[i] = add_lane(a[i], b[i], subtract);
    return a;
}

// acc +- a * b: fp32 bits and bfloat16 bits; lanes of the element-wise instruction, whose second product is zero.
template <bool Subtract, typename V, typename H>
HOST_INLINE V mac_elements(V acc, H a, H b) {
    const V fa = __builtin_convertvector(a, V) << 16, fb = __builtin_convertvector(b, V) << 16;
    const auto product = to_double(fa) * to_double(fb);
    const auto largest = lanes_max(float_exponent(fa) + float_exponent(fb) + 1, float_exponent(acc) + 128);
    const auto unit = grid(largest);
    using W = like<int64_t, V>;
    const W units = align(to_double(acc), unit) + align(Subtract ? -product : product, unit) - W(unit);
    if (any_special(largest)) [[unlikely]]
        return mac_elements_exact(acc, a, b, Subtract);
    return normalise<false>(value(units, unit));
}

// a +- b on the accumulator adder, fp32 bits.
template <bool Subtract, typename V>
HOST_INLINE V add_floats(V a, V b) {
    const auto largest = lanes_max(float_exponent(a), float_exponent(b)) + 128;
    const auto unit = grid(largest);
    const auto term = to_double(b);
    using W = like<int64_t, V>;
    const W units = align(to_double(a), unit) + align(Subtract ? -term : term, unit) - W(unit);
    if (any_special(largest)) [[unlikely]]
        return add_floats_exact(a, b, Subtract);
    return normalise<true>(value(units, unit));
}

}  // namespace aie::host
