// The floating point datapath on integers, one lane at a time: the path for lanes with NaN, infinities or overflow.
//
// Rules: xdna-emu vector_matmul/bf16_pipeline.rs and vector_float.rs@7380bd56 (validated against NPU1). Terms are
// aligned to the largest exponent with 23 fraction bits, rounded to nearest even each, summed exactly, normalised once.
#pragma once

#include "../types.hpp"

namespace aie::host {

struct float_sum {
    struct term {
        int64_t mantissa;  // signed, 23 fraction bits below the exponent's place
        int exponent;      // biased as in the hardware; 0 for a zero term
    };
    term terms[9] = {};
    int count = 0;
    bool nan = false;
    bool positive_infinity = false;
    bool negative_infinity = false;

    void add(bool negative, int64_t magnitude, int exponent) {
        terms[count++] = {negative ? -magnitude : magnitude, magnitude ? exponent : 0};
    }

    void add_infinity(bool negative) { (negative ? negative_infinity : positive_infinity) = true; }

    // A float term; denormals enter without the implicit one.
    void add_float(uint32_t bits, bool negate = false) {
        const bool negative = (bits >> 31) != negate;
        const int exponent = bits >> 23 & 255;
        const int64_t fraction = bits & 0x7fffff;
        if (exponent == 255) fraction ? void(nan = true) : add_infinity(negative);
        add(negative, exponent ? fraction | 0x800000 : fraction, (exponent ? exponent : 1) + 128);
    }

    // The product of two bfloat16; infinity times zero is NaN.
    void add_product(uint16_t a, uint16_t b, bool negate) {
        const bool negative = ((a ^ b) >> 15 != 0) != negate;
        const int ea = a >> 7 & 255, eb = b >> 7 & 255;
        const int64_t fa = a & 127, fb = b & 127;
        const bool infinite = (ea == 255 && !fa) || (eb == 255 && !fb);
        nan |= (ea == 255 && fa) || (eb == 255 && fb) || (infinite && (!(a & 0x7fff) || !(b & 0x7fff)));
        if (infinite) add_infinity(negative);
        add(negative, (ea ? fa | 128 : fa) * (eb ? fb | 128 : fb) << 9, (ea ? ea : 1) + (eb ? eb : 1) + 1);
    }

    static int64_t shift_to_even(int64_t value, int shift) {
        if (shift > 40) return 0;
        return (2 * value + (int64_t(1) << shift) - 1 + (value >> shift & 1)) >> (shift + 1);
    }

    // fp32 bits of the sum. A result below the normal range becomes zero: +0 after products, signed after additions.
    uint32_t result(bool signed_underflow) const {
        int top = 0;
        for (const term& t : terms) top = t.exponent > top ? t.exponent : top;
        int64_t total = 0;
        for (const term& t : terms) total += t.exponent ? shift_to_even(t.mantissa, top - t.exponent) : 0;
        const bool not_a_number = nan || (positive_infinity && negative_infinity);
        const uint32_t sign = total < 0 ? 0x80000000u : 0;
        if (!not_a_number && (positive_infinity || negative_infinity))
            return negative_infinity ? 0xff800000u : 0x7f800000u;
        if (total == 0) return not_a_number ? 0x7f800001u : 0;
        const uint64_t magnitude = total < 0 ? -total : total;
        const int lead = 63 - std::countl_zero(magnitude);
        uint64_t mantissa =
            lead <= 23 ? magnitude << (23 - lead) : uint64_t(shift_to_even(int64_t(magnitude), lead - 23));
        const int exponent = top + lead - 151 + int(mantissa >> 24);
        mantissa = mantissa >> 24 ? mantissa >> 1 : mantissa;
        if (not_a_number) {
            const bool payload = nan && exponent > 0 && exponent < 255;
            return sign | 0x7f800001u | (payload ? uint32_t(mantissa) & 0x7fffff : 0);
        }
        if (exponent <= 0) return signed_underflow ? sign : 0;
        return exponent >= 255 ? sign | 0x7f800000u : sign | uint32_t(exponent) << 23 | (uint32_t(mantissa) & 0x7fffff);
    }
};

// acc +- the sum of a[i] * b[i] for 1..8 terms, as one instruction computes it.
inline uint32_t mac_lane(uint32_t acc, const uint16_t* a, const uint16_t* b, int terms, bool subtract) {
    float_sum sum;
    bool all_zero = true;
    for (int i = 0; i < terms; i++) {
        sum.add_product(a[i], b[i], subtract);
        all_zero &= !(a[i] & 0x7fff) || !(b[i] & 0x7fff);
    }
    const bool product_nan = sum.nan;
    sum.add_float(acc);
    if (sum.nan && !product_nan && all_zero) return acc;  // a NaN passes a mac of zeros unchanged
    return sum.result(false);
}

inline uint32_t add_lane(uint32_t a, uint32_t b, bool subtract) {
    float_sum sum;
    sum.add_float(a);
    sum.add_float(b, subtract && (b & 0x7fffffff));
    return sum.result(true);
}

}  // namespace aie::host
