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

// Lanes in an integer order of the values.
template <typename T, unsigned N>
HOST_INLINE auto ordered(const vector<T, N>& v) {
    static_assert(comparable<T>, "AIE2 has no comparison of float vectors");
    if constexpr (std::is_same_v<T, bfloat16>) {
        const auto bits = native<int16_t, N>(v.data);
        return native<int16_t, N>(bits < 0 ? bits ^ 0x7fff : bits);
    } else {
        return v.data;
    }
}
template <typename T, unsigned N>
HOST_INLINE auto both_numbers(const vector<T, N>& a, const vector<T, N>& b) {
    if constexpr (std::is_same_v<T, bfloat16>)
        return ((a.data & 0x7fff) <= 0x7f80) & ((b.data & 0x7fff) <= 0x7f80);
    else
        return native<std::make_signed_t<raw<T>>, N>{} == 0;
}
template <typename T, unsigned N>
HOST_INLINE auto less(const vector<T, N>& a, const vector<T, N>& b) {
    return (ordered(a) < ordered(b)) & both_numbers(a, b);
}
template <typename T, unsigned N>
HOST_INLINE auto greater_equal(const vector<T, N>& a, const vector<T, N>& b) {
    return (ordered(a) >= ordered(b)) & both_numbers(a, b);
}
// v + 0 on the accumulator adder, for bfloat16.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> plus_zero(const vector<T, N>& v) {
    if constexpr (std::is_same_v<T, bfloat16>)
        return add(accum<accfloat, N>(v), accum<accfloat, N>()).template to_vector<T>();
    else
        return v;
}
template <unsigned N, typename V>
HOST_INLINE mask<N> to_mask(V lanes) {
    return mask<N>(convert<int8_t, N>(lanes));
}

}  // namespace host

template <typename T, unsigned N>
HOST_INLINE mask<N> lt(const vector<T, N>& a, const vector<T, N>& b) {
    return host::to_mask<N>(host::less(host::plus_zero(a), b));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> ge(const vector<T, N>& a, const vector<T, N>& b) {
    return host::to_mask<N>(host::greater_equal(host::plus_zero(a), b));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> gt(const vector<T, N>& a, const vector<T, N>& b) {
    return host::to_mask<N>(host::less(b, host::plus_zero(a)));
}
template <typename T, unsigned N>
HOST_INLINE mask<N> le(const vector<T, N>& a, const vector<T, N>& b) {
    return host::to_mask<N>(host::greater_equal(b, host::plus_zero(a)));
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
    return vector<T, N>(host::less(a, b) ? b.data : a.data);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> min(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(host::greater_equal(a, b) ? b.data : a.data);
}
HOST_WITH_SCALARS(max)
HOST_WITH_SCALARS(min)

// Lanes of the second vector where the mask is set, of the first elsewhere.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> select(const vector<T, N>& a, const vector<T, N>& b, const mask<N>& m) {
    return vector<T, N>(host::convert<std::make_signed_t<host::raw<T>>, N>(m.data) ? b.data : a.data);
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
HOST_INLINE vector<T, N> bit_and(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data & b.data);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_or(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data | b.data);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_xor(const vector<T, N>& a, const vector<T, N>& b) {
    return vector<T, N>(a.data ^ b.data);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_and(T a, const vector<T, N>& v) {
    return bit_and(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_or(T a, const vector<T, N>& v) {
    return bit_or(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_xor(T a, const vector<T, N>& v) {
    return bit_xor(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> bit_not(const vector<T, N>& v) {
    return vector<T, N>(~v.data);
}

template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> upshift(const vector<T, N>& v, unsigned shift) {
    return accum<typename host::default_accum<T>::type, N>(v, int(shift)).template to_vector<T>();
}
// Arithmetic, towards -inf whatever the rounding register holds.
template <typename T, unsigned N>
requires(std::is_integral_v<T>) HOST_INLINE vector<T, N> downshift(const vector<T, N>& v, unsigned shift) {
    const rounding_mode mode = swap_rounding(rounding_mode::floor);
    const auto out = accum<typename host::default_accum<T>::type, N>(v).template to_vector<T>(int(shift));
    set_rounding(mode);
    return out;
}

}  // namespace aie
