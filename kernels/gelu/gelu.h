// GELU on 32 fp32 values in accumulators: gelu(x) = max(x, 0) - h(|x|), h(u) = u * Phi(-u), Phi the normal
// distribution.
//
// h is at most 0.17 and nearly 0 beyond 4, so 16-bit fixed point is enough for it: 32 lanes for each instruction where
// bf16 has 16, and 15 bits where it has 8. Phi(-u) is the square of a polynomial of degree 5. max(x, 0) stays in fp32.
// Both halves are made with 0.25 added: floats in [0.25, 0.5) count in steps of 2^-25, so the integer product is added
// to the mantissa of 0.25 and needs no conversion.
#pragma once

#include <aie_api/aie.hpp>

namespace gelu {

using Floats = aie::accum<accfloat, 32>;
using Integers = aie::accum<acc32, 32>;
using Fixed = aie::vector<int16, 32>;

constexpr float OFFSET = 0.25f;            // added to x by the caller
constexpr int32 OFFSET_BITS = 0x3e800000;  // the bits of 0.25
constexpr float TO_Q13 = 1536 - OFFSET;    // x + 1536 counts in steps of 2^-13
constexpr int32 Q13_BITS = 0x44c00000;     // the bits of 1536
constexpr int16 MIDDLE = 16384;            // u = 2 in Q13
// sqrt(Phi(-u)) = C0 + C1 z + z^2 (C2 + C3 z + z^2 (C4 + C5 z)), z = u / 2 - 1: minimax for h on [0, 4].
constexpr int16 C5 = 593, C4 = -2836, C3 = -341, C2 = 9456, C1 = -11783;  // Q15
constexpr int16 C0 = 1236;                                                // Q13

inline __attribute__((always_inline)) Fixed all(int16 value) { return aie::broadcast<int16, 32>(value); }

// Returns gelu(x) of shifted = x + OFFSET. Needs rounding_mode::conv_even and saturation_mode::symmetric.
inline __attribute__((always_inline)) Floats of_shifted(const Floats& shifted) {
    const Integers steps = aie::add(shifted, Floats(aie::broadcast<float, 32>(TO_Q13))).cast_to<acc32>();
    const Integers x = aie::sub(steps, Integers(aie::broadcast<int32, 32>(Q13_BITS)));
    const Fixed u = aie::abs(x.to_vector<int16>());               // Q13, saturated just below 4
    const Fixed z = aie::sub(u, all(MIDDLE));                     // Q14
    const Fixed z2 = aie::mul<acc32>(z, z).to_vector<int16>(14);  // Q14
    const Fixed c4 = aie::add(aie::mul<acc32>(all(C5), z).to_vector<int16>(14), all(C4));
    const Fixed c2 = aie::add(aie::mac(aie::mul<acc32>(all(C3), z), c4, z2).to_vector<int16>(14), all(C2));
    const Fixed root = aie::add(aie::mac(aie::mul<acc32>(all(C1), z), c2, z2).to_vector<int16>(16), all(C0));  // Q13
    const Fixed u_root = aie::mul<acc32>(u, root).to_vector<int16>(14);                                       // Q12
    const Integers h = aie::mac(Integers(aie::broadcast<int32, 32>(OFFSET_BITS)), u_root, root);
    // A float above 0.25 is above it as an integer too, and a negative float is a negative integer.
    const auto positive = aie::max(shifted.to_vector<float>().cast_to<int32>(), OFFSET_BITS);
    return aie::sub(Floats(positive.cast_to<float>()), h.cast_to<accfloat>());
}

}  // namespace gelu
