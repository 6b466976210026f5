// Reciprocals, and conversions between integers and floats, step by step as AIE2 computes them.
//
// Steps and constants: aie_api detail/aie2/elementary.hpp@2a408059. All roundings to bfloat16 follow the rounding
// register. inv and invsqrt of float vectors are not here: they need the emulated float product.
#pragma once

#include "compare.hpp"

namespace aie {

namespace host {
template <unsigned N>
HOST_INLINE vector<bfloat16, N> narrow(const accum<accfloat, N>& acc) {
    return acc.template to_vector<bfloat16>();
}
template <unsigned N>
HOST_INLINE accum<accfloat, N> constant(float value) {
    return accum<accfloat, N>(broadcast<float, N>(value));
}
// Returns 1.0078125 * 2^(23 - shift) for low halves, 2^16 times that for high halves: the sum of such a
// constant and a number has the number, as an integer, in the low bits of its fraction.
template <unsigned N>
HOST_INLINE accum<accfloat, N> magic(bool high, int shift) {
    return constant<N>(std::bit_cast<float>(uint32_t((high ? 0x5301 : 0x4b01) - 128 * shift) << 16));
}
template <unsigned N>
HOST_INLINE accum<acc32, N> as_integer(const accum<accfloat, N>& a) {
    return a.template cast_to<acc32>();
}
template <unsigned N>
HOST_INLINE accum<accfloat, N> as_float(const accum<acc32, N>& a) {
    return a.template cast_to<accfloat>();
}
}  // namespace host

// 1 / v by a Newton step from a guess on the bits.
template <unsigned N>
HOST_INLINE vector<bfloat16, N> inv(const vector<bfloat16, N>& v) {
    const auto guess = sub(broadcast<int16, N>(0x7eb5), v.template cast_to<int16>()).template cast_to<bfloat16>();
    const auto first = host::narrow(add(negmul(v, guess), host::constant<N>(1.436142f)));
    const auto scaled = host::narrow(mul(first, guess));
    const auto minus = host::narrow(negmul(scaled, broadcast<bfloat16, N>(1.9395974f)));
    const auto residual = host::narrow(mac(host::constant<N>(2.0f), minus, v));
    return host::narrow(negmul(minus, residual));
}

// 1 / sqrt(v) by one Newton step from a guess on the bits; the halving of the bits rounds and saturates by the
// registers.
template <unsigned N>
HOST_INLINE vector<bfloat16, N> invsqrt(const vector<bfloat16, N>& v) {
    constexpr float c2 = 0.703952253f, c3 = 2.38924456f;
    const auto half = host::narrow(mul(v, broadcast<bfloat16, N>(c2)));
    const vector<int32, N> bits = host::as_integer(accum<accfloat, N>(v)).template to_vector<int32>();
    const auto halved = accum<acc64, N>(bits).template to_vector<int32>(1);
    const auto guess = sub(broadcast<int32, N>(0x5f1ffff9), halved).template cast_to<float>();
    const auto y = host::narrow(accum<accfloat, N>(guess));
    const auto square = host::narrow(mul(y, y));
    const auto step = host::narrow(msc(host::constant<N>(c2 * c3), half, square));
    return host::narrow(mul(y, step));
}

// v * 2^-shift, to the nearest float.
template <typename TR = float, typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<TR, N> to_float(const vector<T, N>& v, int shift = 0) {
    const auto low = host::magic<N>(false, shift);
    if constexpr (sizeof(T) <= 2) {
        const auto moved = add(accum<acc32, N>(v), host::as_integer(low));
        return sub(host::as_float(moved), low).template to_vector<TR>();
    } else {
        const auto high = host::magic<N>(true, shift);
        const auto upper = vector<T, N>(v.data >> 16).template cast_to<int32>();
        const auto lower = vector<int32, N>(host::native<int32_t, N>(v.data) & 0xffff);
        const auto moved_high = add(accum<acc32, N>(upper.data), host::as_integer(high));
        const auto moved_low = add(accum<acc32, N>(lower.data), host::as_integer(low));
        const auto high_part = sub(host::as_float(moved_high), high);
        return add(sub(host::as_float(moved_low), low), high_part).template to_vector<TR>();
    }
}

// v * 2^shift, to the nearest integer, ties to even, saturated to TR. Useful range: |v * 2^shift| < 2^22 for 8 and 16
// bits.
template <typename TR = int32, unsigned N>
requires(std::is_signed_v<TR>)  // aie_api narrows to unsigned types as if they were signed
    HOST_INLINE vector<TR, N> to_fixed(const vector<float, N>& v, int shift = 0) {
    const auto low = host::magic<N>(false, shift);
    const saturation_mode mode = swap_saturation(saturation_mode::saturate);
    accum<accfloat, N> rest(v);
    vector<int16, N> upper;
    if constexpr (sizeof(TR) > 2) {
        const auto high = host::magic<N>(true, shift);
        upper = sub(host::as_integer(add(rest, high)), host::as_integer(high)).template to_vector<int16>();
        const auto removed = sub(host::as_float(add(accum<acc32, N>(upper), host::as_integer(high))), high);
        rest = sub(rest, removed);
    }
    const auto lower = sub(host::as_integer(add(rest, low)), host::as_integer(low));
    vector<TR, N> out;
    if constexpr (sizeof(TR) > 2) {
        const auto positive = lower.template to_vector<uint16>();
        const auto negative = sub(accum<acc32, N>(), lower).template to_vector<uint16>();
        const auto total = sub(add(accum<acc64, N>(upper, 16), accum<acc64, N>(positive)), accum<acc64, N>(negative));
        out = total.template to_vector<TR>();
    } else {
        out = lower.template to_vector<TR>();
    }
    set_saturation(mode);
    return out;
}

}  // namespace aie
