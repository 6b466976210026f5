// GELU on 32 fp32 values in accumulators: gelu(x) = max(x, 0) - h(|x|), h(u) = u * Phi(-u), Phi the normal distribution.
//
// h is at most 0.17 and next to nothing beyond 4, so 16-bit fixed point serves: 32 lanes for each instruction, where bf16
// has 16, and 15 bits where it has 8. Phi(-u) is the square of a polynomial of degree 4 (coefficients: reference.py).
// max(x, 0) stays in fp32. Both halves are made with 0.25 added: as floats in [0.25, 0.5) count in steps of 2^-25, the
// integer product lands in the mantissa of 0.25 without a conversion.
#pragma once

#include <aie_api/aie.hpp>

namespace gelu {

using Floats = aie::accum<accfloat, 32>;
using Integers = aie::accum<acc32, 32>;
using Fixed = aie::vector<int16, 32>;

constexpr float OFFSET = 0.25f;         // what the caller adds to x beforehand
constexpr int32 OFFSET_BITS = 0x3e800000;  // the bits of 0.25
constexpr float TO_Q13 = 1536 - OFFSET;  // x + 1536 counts in steps of 2^-13
constexpr int32 Q13_BITS = 0x44c00000;   // the bits of 1536
constexpr int16 MIDDLE = 16384;         // u = 2 in Q13
// Coefficients of sqrt(Phi(-u)) in z = u / 2 - 1, Q15, lowest first.
constexpr int16 C0 = 4936, C1 = -11838, C2 = 9572, C3 = 109, C4 = -3012;

// gelu(x) of shifted = x + OFFSET. Needs rounding_mode::conv_even and saturation_mode::symmetric.
inline __attribute__((always_inline)) Floats of_shifted(const Floats& shifted) {
    const Integers steps = aie::add(shifted, Floats(aie::broadcast<float, 32>(TO_Q13))).template cast_to<acc32>();
    const Fixed u = aie::abs(aie::sub(steps, Integers(aie::broadcast<int32, 32>(Q13_BITS))).template to_vector<int16>());
    const Fixed z = aie::sub(u, aie::broadcast<int16, 32>(MIDDLE));  // Q14
    Fixed root = aie::broadcast<int16, 32>(C4);
    root = aie::add(aie::mul<acc32>(root, z).template to_vector<int16>(14), aie::broadcast<int16, 32>(C3));
    root = aie::add(aie::mul<acc32>(root, z).template to_vector<int16>(14), aie::broadcast<int16, 32>(C2));
    root = aie::add(aie::mul<acc32>(root, z).template to_vector<int16>(14), aie::broadcast<int16, 32>(C1));
    root = aie::add(aie::mul<acc32>(root, z).template to_vector<int16>(14), aie::broadcast<int16, 32>(C0));
    const Fixed phi = aie::mul<acc32>(root, root).template to_vector<int16>(18);  // Q12
    const Integers h = aie::mac(Integers(aie::broadcast<int32, 32>(OFFSET_BITS)), u, phi);
    // A float above 0.25 is above it as an integer too, and a negative one is a negative integer.
    const auto positive = aie::max(shifted.template to_vector<float>().template cast_to<int32>(), OFFSET_BITS);
    return aie::sub(Floats(positive.template cast_to<float>()), h.template cast_to<accfloat>());
}

}  // namespace gelu
