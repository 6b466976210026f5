// Reductions of a vector to a scalar, in the order of AIE2.
//
// Orders: aie_api detail/aie2/add_reduce.hpp, max_min_reduce.hpp@2a408059. Lane i meets lane i + half, then half the
// width. A bfloat16 sum is a matrix product with ones (eight lanes are summed exactly and rounded once), then
// accumulator sums.
#pragma once

#include "compare.hpp"
#include "mmul.hpp"
#include "shuffle.hpp"

namespace aie {

namespace host {

// Applies op to the two halves of x, again and again, until `Lanes` lanes are left.
template <unsigned Lanes, typename X, typename Op>
HOST_INLINE auto fold(const X& x, Op op) {
    constexpr unsigned half = X::size() / 2;
    if constexpr (X::size() <= Lanes)
        return x;
    else
        return fold<Lanes>(op(x.template extract<half>(0), x.template extract<half>(1)), op);
}

template <unsigned N>
HOST_INLINE bfloat16 sum_bfloat16(const vector<bfloat16, N>& v) {
    static_assert(N >= 8);
    u16x32 ones = u16x32{} + bfloat16(1.0f).bits;
    accum<accfloat, 16> acc;
    if constexpr (N < 32)
        acc.data = mac_4x8x4(v.template grow<32>().data, ones, acc.data);
    else
        for (unsigned i = 0; i < N / 32; i++) acc.data = mac_4x8x4(v.template extract<32>(i).data, ones, acc.data);
    if constexpr (N > 16) acc.insert(0, sum<false>(acc.template extract<8>(0), acc.template extract<8>(1)));
    if constexpr (N > 8) acc.insert(0, sum<false>(acc.template extract<4>(0), acc.template extract<4>(1)));
    return acc.template to_vector<bfloat16>()[0];
}

// Adds all lanes. Sums of 8 and 16 bits wrap until 16 and 8 lanes are left, whose exact sum is narrowed with
// saturation.
template <typename T, unsigned N>
HOST_INLINE T sum_integers(const vector<T, N>& v) {
    constexpr unsigned lanes = sizeof(T) == 1 ? 16 : sizeof(T) == 2 ? 8 : 1;
    int64_t total = 0;
    if constexpr (lanes == 1) {
        for (unsigned i = 0; i < N; i++) total += v.data[i];
        return T(total);
    } else {
        const auto rest = fold<lanes>(v, [](auto a, auto b) { return add(a, b); });
        for (unsigned i = 0; i < rest.size(); i++) total += rest.data[i];
        return shift_round_saturate<raw<T>>(native<int64_t, 8>{total}, 0)[0];
    }
}

// Applies op to whole registers of 512 bits first, one after the other, then to halves.
template <typename T, unsigned N, typename Op>
HOST_INLINE T extreme(const vector<T, N>& v, Op op) {
    constexpr unsigned width = 64 / sizeof(T);
    if constexpr (N > width) {
        auto best = v.template extract<width>(0);
        for (unsigned i = 1; i < N / width; i++) best = op(best, v.template extract<width>(i));
        return extreme(best, op);
    } else {
        return fold<1>(v, op)[0];
    }
}

}  // namespace host

template <typename T, unsigned N>
HOST_INLINE T reduce_add(const vector<T, N>& v) {
    if constexpr (std::is_same_v<T, bfloat16>)
        return host::sum_bfloat16(v);
    else if constexpr (std::is_same_v<T, float>)
        return host::fold<1>(accum<accfloat, N>(v), [](auto a, auto b) { return add(a, b); })
            .template to_vector<float>()[0];
    else
        return host::sum_integers(v);
}
template <typename T, unsigned N>
requires(std::is_same_v<T, float>) HOST_INLINE T reduce_add(const accum<accfloat, N>& acc) {
    return reduce_add(acc.template to_vector<float>());
}
template <typename T, unsigned N>
HOST_INLINE T reduce_max(const vector<T, N>& v) {
    return host::extreme(v, [](auto a, auto b) { return max(a, b); });
}
template <typename T, unsigned N>
HOST_INLINE T reduce_min(const vector<T, N>& v) {
    return host::extreme(v, [](auto a, auto b) { return min(a, b); });
}

}  // namespace aie
