// Comparisons, selection, maximum and minimum, bits and shifts.
//
// Floats compare as bfloat16 only (Peano has no comparison of float vectors). The comparator orders by sign and
// magnitude, -0 below +0, and is false where an operand is NaN (xdna-emu vector_compare.rs@7380bd56, seen on silicon);
// aie_api first adds +0 to one operand, which turns -0 into +0 and flushes denormals there (detail/aie2/compare.hpp).
// max and min take both operands as they are and give the first where one is NaN. Shifts go through the accumulator and
// saturate by the register.
#pragma once

#include "arithmetic.hpp"

namespace aie {

namespace host {

template <typename T>
inline constexpr bool comparable = std::is_integral_v<T> || std::is_same_v<T, bfloat16>;

// ordered() maps raw bits to integers in the order of the values of T; both_numbers() is true in lanes without a NaN.
template <typename T, typename V>
HOST_INLINE auto ordered(V lanes) {
    static_assert(comparable<T>, "AIE2 has no comparison of float vectors");
    if constexpr (std::is_same_v<T, bfloat16>) {
        const auto bits = like<int16_t, V>(lanes);
        return like<int16_t, V>(bits < 0 ? bits ^ 0x7fff : bits);
    } else {
        return lanes;
    }
}
template <typename T, typename V>
HOST_INLINE auto both_numbers(V a, V b) {
    if constexpr (std::is_same_v<T, bfloat16>)
        return ((a & 0x7fff) <= 0x7f80) & ((b & 0x7fff) <= 0x7f80);
    else
        return a == a;
}
template <typename T, typename V>
HOST_INLINE auto less(V a, V b) {
    return (ordered<T>(a) < ordered<T>(b)) & both_numbers<T>(a, b);
}
template <typename T, typename V>
HOST_INLINE auto greater_equal(V a, V b) {
    return (ordered<T>(a) >= ordered<T>(b)) & both_numbers<T>(a, b);
}
template <typename T, unsigned N>
HOST_INLINE mask<N> less_mask(const vector<T, N>& a, const vector<T, N>& b) {
    const auto lanes = [](auto x, auto y)
                           HOST_LAMBDA { return __builtin_convertvector(less<T>(x, y), like<int8_t, decltype(x)>); };
    return mask<N>(in_groups<int8_t, sizeof(T)>(lanes, a.data, b.data));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> greater_equal_mask(const vector<T, N>& a, const vector<T, N>& b) {
    const auto lanes = [](auto x, auto y) HOST_LAMBDA {
        return __builtin_convertvector(greater_equal<T>(x, y), like<int8_t, decltype(x)>);
    };
    return mask<N>(in_groups<int8_t, sizeof(T)>(lanes, a.data, b.data));
}
// Returns v + 0 by the accumulator adder for bfloat16, and other types unchanged.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> plus_zero(const vector<T, N>& v) {
    if constexpr (std::is_same_v<T, bfloat16>)
        return add(accum<accfloat, N>(v), accum<accfloat, N>()).template to_vector<T>();
    else
        return v;
}
}  // namespace host

template <typename T, unsigned N>
HOST_INLINE mask<N> lt(const vector<T, N>& a, const vector<T, N>& b) {
    return host::less_mask(host::plus_zero(a), b);
}
template <typename T, unsigned N>
HOST_INLINE mask<N> ge(const vector<T, N>& a, const vector<T, N>& b) {
    return host::greater_equal_mask(host::plus_zero(a), b);
}
template <typename T, unsigned N>
HOST_INLINE mask<N> gt(const vector<T, N>& a, const vector<T, N>& b) {
    return host::less_mask(b, host::plus_zero(a));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> le(const vector<T, N>& a, const vector<T, N>& b) {
    return host::greater_equal_mask(b, host::plus_zero(a));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> eq(const vector<T, N>& a, const vector<T, N>& b) {
    return ge(a, b) & ge(b, a);
}
// False where a bfloat16 is NaN, as eq is.
template <typename T, unsigned N>
HOST_INLINE mask<N> neq(const vector<T, N>& a, const vector<T, N>& b) {
    return lt(a, b) | lt(b, a);
}

#define HOST_WITH_SCALARS(name)                         \
    template <typename T, unsigned N>                   \
    HOST_INLINE auto name(T a, const vector<T, N>& v) { \
        return name(broadcast<T, N>(a), v);             \
    }                                                   \
    template <typename T, unsigned N>                   \
    HOST_INLINE auto name(const vector<T, N>& v, T a) { \
        return name(v, broadcast<T, N>(a));             \
    }
HOST_WITH_SCALARS(lt)
HOST_WITH_SCALARS(ge)
HOST_WITH_SCALARS(gt)
HOST_WITH_SCALARS(le)
HOST_WITH_SCALARS(eq)
HOST_WITH_SCALARS(neq)

template <typename T, unsigned N>
HOST_INLINE vector<T, N> max(const vector<T, N>& a, const vector<T, N>& b) {
    const auto lanes = [](auto x, auto y) HOST_LAMBDA { return host::less<T>(x, y) ? y : x; };
    return vector<T, N>(host::in_groups<host::raw<T>, sizeof(T)>(lanes, a.data, b.data));
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> min(const vector<T, N>& a, const vector<T, N>& b) {
    const auto lanes = [](auto x, auto y) HOST_LAMBDA { return host::greater_equal<T>(x, y) ? y : x; };
    return vector<T, N>(host::in_groups<host::raw<T>, sizeof(T)>(lanes, a.data, b.data));
}
HOST_WITH_SCALARS(max)
HOST_WITH_SCALARS(min)

// Returns the lanes of b where the mask is set, and those of a elsewhere.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> select(const vector<T, N>& a, const vector<T, N>& b, const mask<N>& m) {
    const auto lanes = [](auto x, auto y, auto set) HOST_LAMBDA {
        return __builtin_convertvector(set, host::like<std::make_signed_t<host::raw<T>>, decltype(x)>) ? y : x;
    };
    return vector<T, N>(host::in_groups<host::raw<T>, sizeof(T)>(lanes, a.data, b.data, m.data));
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> select(T a, const vector<T, N>& v, const mask<N>& m) {
    return select(broadcast<T, N>(a), v, m);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> select(const vector<T, N>& v, T a, const mask<N>& m) {
    return select(v, broadcast<T, N>(a), m);
}

template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_and(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data & b.data);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_or(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data | b.data);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_xor(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data ^ b.data);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_and(T a, const vector<T, N>& v) {
    return bit_and(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_or(T a, const vector<T, N>& v) {
    return bit_or(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_xor(T a, const vector<T, N>& v) {
    return bit_xor(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> bit_not(const vector<T, N>& v) {
    return vector<T, N>(~v.data);
}

template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> upshift(const vector<T, N>& v, unsigned shift) {
    return accum<typename host::default_accum<T>::type, N>(v, int(shift)).template to_vector<T>();
}
// Shifts right with the sign, rounding towards -inf whatever the rounding register holds.
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> downshift(const vector<T, N>& v, unsigned shift) {
    const rounding_mode mode = swap_rounding(rounding_mode::floor);
    const auto out = accum<typename host::default_accum<T>::type, N>(v).template to_vector<T>(int(shift));
    set_rounding(mode);
    return out;
}

}  // namespace aie
