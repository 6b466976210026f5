// Products of floats on a machine that multiplies bfloat16: two of them hold 16 bits of a float.
#pragma once

#include <aie_api/aie.hpp>

#include "loops.h"

namespace floats {

using Floats = aie::accum<accfloat, 16>;
using Narrow = aie::vector<bfloat16, 16>;

// A float to 16 bits: the nearest bfloat16, and the rest as a bfloat16.
struct Pair {
    Narrow high, low;
};

inline __attribute__((always_inline)) Pair split(const Floats& x) {
    const Narrow high = x.to_vector<bfloat16>();
    return {high, aie::sub(x, Floats(high)).to_vector<bfloat16>()};
}

// Returns a * b with a relative error below 2^-15.
inline __attribute__((always_inline)) Floats times(const Pair& a, const Pair& b) {
    return aie::mac(aie::mac(aie::mul(a.low, b.high), a.high, b.low), a.high, b.high);
}

inline Floats constant(float value) { return Floats(aie::broadcast<float, 16>(value)); }

// Returns 1 / x by a bfloat16 guess and two Newton steps.
inline Floats reciprocal(const Floats& x) {
    const Pair value = split(x);
    Floats y(aie::inv(value.high));
    AIE_LOOP_NO_UNROLL
    for (int step = 0; step < 2; step++) {
        const Pair guess = split(y);
        Floats error = aie::msc(aie::msc(constant(1.0f), value.high, guess.high), value.high, guess.low);
        error = aie::msc(error, value.low, guess.high);
        y = aie::mac(y, guess.high, error.to_vector<bfloat16>());
    }
    return y;
}

// Returns 1 / sqrt(x) by a bfloat16 guess and two Newton steps.
inline Floats inverse_root(const Floats& x) {
    const Pair value = split(x);
    Floats y(aie::invsqrt(value.high));
    AIE_LOOP_NO_UNROLL
    for (int step = 0; step < 2; step++) {
        const Pair guess = split(y);
        const Pair square = split(times(guess, guess));
        Floats error = aie::msc(aie::msc(constant(1.0f), value.high, square.high), value.high, square.low);
        error = aie::msc(error, value.low, square.high);
        const auto half = aie::mul(error.to_vector<bfloat16>(), aie::broadcast<bfloat16, 16>(0.5f));
        y = aie::mac(y, guess.high, half.to_vector<bfloat16>());
    }
    return y;
}

}  // namespace floats
