// Element-wise arithmetic on vectors and accumulators.
//
// API: aie_api aie.hpp@2a408059. bfloat16 products always go to an accfloat accumulator, one product per lane through
// the multiplier's datapath; float sums use the accumulator adder, also for vectors (detail/aie2/add.hpp), a bfloat16
// vector sum being narrowed by the rounding register. Products of float vectors are not here: AIE2 has none, and
// emulates one with three to nine bfloat16 products. Integer sums wrap.
#pragma once

#include "accum.hpp"
#include "detail/float_fast.hpp"

namespace aie {

namespace host {

// The sum or difference of two vectors, or of two accumulators, of one type.
template <bool Subtract, typename X>
HOST_INLINE X sum(const X& a, const X& b) {
    if constexpr (std::is_same_v<X, accum<accfloat, X::size()>>) {
        const auto lanes = [](auto x, auto y) HOST_LAMBDA { return add_floats<Subtract>(x, y); };
        return X(in_groups<uint32_t, sizeof(double)>(lanes, a.data, b.data));
    } else if constexpr (is_float<typename X::value_type>) {
        using A = accum<accfloat, X::size()>;
        return sum<Subtract>(A(a), A(b)).template to_vector<typename X::value_type>();
    } else {
        using U = native<std::make_unsigned_t<typename X::raw_type>, X::size()>;
        const U result = Subtract ? U(a.data) - U(b.data) : U(a.data) + U(b.data);
        return X(typename X::native_type(result));
    }
}

// The accumulator type that accauto stands for, as default_accum_bits of detail/accum.hpp chooses it.
template <typename T>
struct default_accum {
    using type =
        std::conditional_t<std::is_same_v<T, bfloat16>, accfloat, std::conditional_t<sizeof(T) <= 2, acc32, acc64>>;
};
template <typename Tag, typename T>
using accum_tag = std::conditional_t<std::is_same_v<Tag, accauto>, typename default_accum<T>::type, Tag>;

// acc +- a * b.
template <bool Subtract, typename Tag, unsigned N, typename T1, typename T2>
HOST_INLINE accum<Tag, N> multiply_add(const accum<Tag, N>& acc, const vector<T1, N>& a, const vector<T2, N>& b) {
    if constexpr (std::is_same_v<T1, bfloat16> && std::is_same_v<T2, bfloat16> && std::is_same_v<Tag, accfloat>) {
        const auto lanes = [](auto c, auto x, auto y) HOST_LAMBDA { return mac_elements<Subtract>(c, x, y); };
        return accum<Tag, N>(in_groups<uint32_t, sizeof(double)>(lanes, acc.data, a.data, b.data));
    } else {
        static_assert(std::is_integral_v<T1> && std::is_integral_v<T2> && sizeof(T1) <= 2 && sizeof(T2) <= 2,
                      "not in the subset: 32-bit and float products are emulated on AIE2");
        static_assert(!std::is_same_v<Tag, accfloat>);
        using R = raw<Tag>;
        using U = native<std::make_unsigned_t<R>, N>;
        const U product = U(convert<R, N>(a.data)) * U(convert<R, N>(b.data));
        const U result = Subtract ? U(acc.data) - product : U(acc.data) + product;
        return accum<Tag, N>(native<R, N>(result));
    }
}

}  // namespace host

// Products: vector by vector, scalar by vector, vector by scalar.
template <typename Tag = accauto, typename T1, typename T2, unsigned N>
HOST_INLINE auto mul(const vector<T1, N>& a, const vector<T2, N>& b) {
    using A = host::accum_tag<Tag, std::conditional_t<(sizeof(T1) > sizeof(T2)), T1, T2>>;
    return host::multiply_add<false>(accum<A, N>(), a, b);
}
template <typename Tag = accauto, typename T1, typename T2, unsigned N>
HOST_INLINE auto negmul(const vector<T1, N>& a, const vector<T2, N>& b) {
    using A = host::accum_tag<Tag, std::conditional_t<(sizeof(T1) > sizeof(T2)), T1, T2>>;
    return host::multiply_add<true>(accum<A, N>(), a, b);
}
template <typename Tag, typename T1, typename T2, unsigned N>
HOST_INLINE auto mac(const accum<Tag, N>& acc, const vector<T1, N>& a, const vector<T2, N>& b) {
    return host::multiply_add<false>(acc, a, b);
}
template <typename Tag, typename T1, typename T2, unsigned N>
HOST_INLINE auto msc(const accum<Tag, N>& acc, const vector<T1, N>& a, const vector<T2, N>& b) {
    return host::multiply_add<true>(acc, a, b);
}

template <typename Tag = accauto, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto mul(E a, const vector<T, N>& v) {
    return mul<Tag>(broadcast<E, N>(a), v);
}
template <typename Tag = accauto, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto mul(const vector<T, N>& v, E a) {
    return mul<Tag>(v, broadcast<E, N>(a));
}
template <typename Tag = accauto, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto negmul(E a, const vector<T, N>& v) {
    return negmul<Tag>(broadcast<E, N>(a), v);
}
template <typename Tag = accauto, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto negmul(const vector<T, N>& v, E a) {
    return negmul<Tag>(v, broadcast<E, N>(a));
}
template <typename Tag, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto mac(const accum<Tag, N>& acc, E a, const vector<T, N>& v) {
    return mac(acc, broadcast<E, N>(a), v);
}
template <typename Tag, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto mac(const accum<Tag, N>& acc, const vector<T, N>& v, E a) {
    return mac(acc, v, broadcast<E, N>(a));
}
template <typename Tag, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto msc(const accum<Tag, N>& acc, E a, const vector<T, N>& v) {
    return msc(acc, broadcast<E, N>(a), v);
}
template <typename Tag, typename E, typename T, unsigned N>
requires(host::is_element<E>) HOST_INLINE auto msc(const accum<Tag, N>& acc, const vector<T, N>& v, E a) {
    return msc(acc, v, broadcast<E, N>(a));
}

// Sums and differences of vectors, of accumulators, and of an accumulator and a vector or scalar.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> add(const vector<T, N>& a, const vector<T, N>& b) {
    return host::sum<false>(a, b);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> sub(const vector<T, N>& a, const vector<T, N>& b) {
    return host::sum<true>(a, b);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> add(T a, const vector<T, N>& v) {
    return add(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> add(const vector<T, N>& v, T a) {
    return add(v, broadcast<T, N>(a));
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> sub(T a, const vector<T, N>& v) {
    return sub(broadcast<T, N>(a), v);
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> sub(const vector<T, N>& v, T a) {
    return sub(v, broadcast<T, N>(a));
}
template <typename Tag, unsigned N>
HOST_INLINE accum<Tag, N> add(const accum<Tag, N>& a, const accum<Tag, N>& b) {
    return host::sum<false>(a, b);
}
template <typename Tag, unsigned N>
HOST_INLINE accum<Tag, N> sub(const accum<Tag, N>& a, const accum<Tag, N>& b) {
    return host::sum<true>(a, b);
}
template <typename Tag, typename T, unsigned N>
HOST_INLINE accum<Tag, N> add(const accum<Tag, N>& acc, const vector<T, N>& v) {
    return host::sum<false>(acc, accum<Tag, N>(v));
}
template <typename Tag, typename T, unsigned N>
HOST_INLINE accum<Tag, N> sub(const accum<Tag, N>& acc, const vector<T, N>& v) {
    return host::sum<true>(acc, accum<Tag, N>(v));
}
template <typename Tag, typename E, unsigned N>
requires(host::is_element<E>) HOST_INLINE accum<Tag, N> add(const accum<Tag, N>& acc, E a) {
    return add(acc, broadcast<E, N>(a));
}
template <typename Tag, typename E, unsigned N>
requires(host::is_element<E>) HOST_INLINE accum<Tag, N> sub(const accum<Tag, N>& acc, E a) {
    return sub(acc, broadcast<E, N>(a));
}

// Negation flips the sign bit of floats, also of NaN; integers wrap.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> neg(const vector<T, N>& v) {
    static_assert(std::is_signed_v<T> || host::is_float<T>);
    if constexpr (host::is_float<T>) {
        return vector<T, N>(v.data ^ host::raw<T>(1u << (sizeof(T) * 8 - 1)));
    } else {
        return host::sum<true>(vector<T, N>(), v);
    }
}
// The absolute value of the most negative integer wraps to itself. Peano has no abs of float vectors.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> abs(const vector<T, N>& v) {
    static_assert(!std::is_same_v<T, float>, "not in the subset");
    if constexpr (std::is_same_v<T, bfloat16>) {
        return vector<T, N>(v.data & 0x7fff);
    } else if constexpr (std::is_signed_v<T>) {
        return vector<T, N>(v.data < 0 ? neg(v).data : v.data);
    } else {
        return v;
    }
}

}  // namespace aie
