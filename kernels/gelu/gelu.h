// GELU on 32 fp32 values in accumulators: gelu(x) = max(x, 0) - h(|x|), h(u) = u * Phi(-u), Phi the normal distribution.
//
// h is at most 0.17 and next to nothing beyond 4, so 16-bit fixed point serves: 32 lanes for each instruction where bf16
// has 16, and 15 bits where it has 8. Phi(-u) is the square of a polynomial of degree 5. max(x, 0) stays in fp32. Both
// halves are made with 0.25 added: floats in [0.25, 0.5) count in steps of 2^-25, so the integer product lands in the
// mantissa of 0.25 and needs no conversion.
#pragma once

#include <aie_api/aie.hpp>

namespace gelu {

using Floats = aie::accum<accfloat, 32>;
using Integers = aie::accum<acc32, 32>;
using Fixed = aie::vector<int16, 32>;

constexpr float OFFSET = 0.25f;            // what the caller adds to x beforehand
constexpr int32 OFFSET_BITS = 0x3e800000;  // the bits of 0.25
constexpr float TO_Q13 = 1536 - OFFSET;    // x + 1536 counts in steps of 2^-13
constexpr int32 Q13_BITS = 0x44c00000;     // the bits of 1536
constexpr int16 MIDDLE = 16384;            // u = 2 in Q13
// Coefficients of sqrt(Phi(-u)) in z = u / 2 - 1, the highest first: minimax for h on [0, 4] (reference.py).
constexpr int16 C5 = 600, C4 = -2836, C3 = -349, C2 = 9459, C1 = -11783;  // Q15
constexpr int16 C0 = 1236;                                                // Q13

// value * z + next, where z has 14 fraction bits; `shift` beyond 14 drops fraction bits of the result.
inline __attribute__((always_inline)) Fixed step(const Fixed& value, const Fixed& z, int16 next, int shift = 14) {
    return aie::add(aie::mul<acc32>(value, z).template to_vector<int16>(shift), aie::broadcast<int16, 32>(next));
}

// gelu(x) of shifted = x + OFFSET. Needs rounding_mode::conv_even and saturation_mode::symmetric.
inline __attribute__((always_inline)) Floats of_shifted(const Floats& shifted) {
    const Integers steps = aie::add(shifted, Floats(aie::broadcast<float, 32>(TO_Q13))).template cast_to<acc32>();
    const Integers x = aie::sub(steps, Integers(aie::broadcast<int32, 32>(Q13_BITS)));
    const Fixed u = aie::abs(x.template to_vector<int16>());         // Q13, at most just below 4
    const Fixed z = aie::sub(u, aie::broadcast<int16, 32>(MIDDLE));  // Q14
    const Fixed high = step(step(step(step(aie::broadcast<int16, 32>(C5), z, C4), z, C3), z, C2), z, C1);
    const Fixed root = step(high, z, C0, 16);                                 // Q13
    const Fixed half = aie::mul<acc32>(u, root).template to_vector<int16>(14);  // Q12
    const Integers h = aie::mac(Integers(aie::broadcast<int32, 32>(OFFSET_BITS)), half, root);
    // A float above 0.25 is above it as an integer too, and a negative float is a negative integer.
    const auto positive = aie::max(shifted.template to_vector<float>().template cast_to<int32>(), OFFSET_BITS);
    return aie::sub(Floats(positive.template cast_to<float>()), h.template cast_to<accfloat>());
}

}  // namespace gelu
