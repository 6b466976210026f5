// aie::mmul for the native AIE2 shapes: bfloat16 4x8x4, int8 4x8x8, int16 4x4x4 (acc64) and 4x2x8
// (acc32). Tiles are row-major.
//
// API and shapes: aie_api mmul.hpp, detail/aie2/mmul_*.hpp@2a408059. One mac is one instruction: for bfloat16 eight
// products and the accumulator are aligned, summed exactly and rounded once; integers are exact, acc32 wraps.
#pragma once

#include "arithmetic.hpp"

namespace aie {

namespace host {

using u16x32 = native<uint16_t, 32>;
using u32x16 = native<uint32_t, 16>;
using i16x16 = native<int16_t, 16>;
using i16x8 = native<int16_t, 8>;

// Returns, for two rows of the result, the largest sum of exponents over k in each lane. two_rows: the exponents of two
// rows of the 4x8 tile a; b: those of two rows of the 8x4 tile in each vector. Each half of a work vector is one row of
// the result: four lanes for even k, then four for odd k.
HOST_INLINE i16x16 largest_of_rows(i16x16 two_rows, const i16x8 (&b)[4]) {
    i16x16 largest = i16x16{} + int16_t(2 * no_exponent);
    [&]<size_t... P>(std::index_sequence<P...>) HOST_LAMBDA {
        ((largest = lanes_max(
              largest, i16x16(__builtin_shufflevector(two_rows, two_rows, 2 * P, 2 * P, 2 * P, 2 * P, 2 * P + 1,
                                                      2 * P + 1, 2 * P + 1, 2 * P + 1, 2 * P + 8, 2 * P + 8, 2 * P + 8,
                                                      2 * P + 8, 2 * P + 9, 2 * P + 9, 2 * P + 9, 2 * P + 9) +
                              join(b[P], b[P])))),
         ...);
    }
    (std::make_index_sequence<4>());
    return lanes_max(largest, i16x16(__builtin_shufflevector(largest, largest, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15,
                                                             8, 9, 10, 11)));
}

HOST_INLINE i16x16 largest_products(i16x16 a01, i16x16 a23, const i16x8 (&b)[4]) {
    const i16x16 rows01 = largest_of_rows(a01, b), rows23 = largest_of_rows(a23, b);
    return __builtin_shufflevector(rows01, rows23, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}

inline __attribute__((noinline)) u32x16 mac_4x8x4_exact(u16x32 a, u16x32 b, u32x16 acc) {
    u32x16 out;
    for (unsigned i = 0; i < 16; i++) {
        uint16_t row[8], column[8];
        for (unsigned k = 0; k < 8; k++) {
            row[k] = a[i / 4 * 8 + k];
            column[k] = b[k * 4 + i % 4];
        }
        out[i] = mac_lane(acc[i], row, column, 8, false);
    }
    return out;
}

// Four or eight lanes of the result, the `Part`th, and whether one of its terms is NaN or infinite. b: the rows of its
// tile, once for each row of the result in these lanes; products: the largest sums of exponents of all sixteen lanes.
template <unsigned Part, typename D>
HOST_INLINE auto mac_part(u16x32 a, const D (&b)[8], u32x16 acc, i16x16 products, bool& special) {
    constexpr unsigned w = lane_count<D>, first = Part * w, row = first * 2;
    const auto c = lanes_from<w, first>(acc);
    const auto largest = lanes_max(convert<int32_t, w>(lanes_from<w, first>(products)) + 1, float_exponent(c) + 128);
    special |= any_special(largest);
    const D unit = grid(largest);
    using W = like<int64_t, D>;
    W units = align(to_double(c), unit) - (W(unit) << 3);
    const D low = to_double(lanes_from<w, row>(a)), high = to_double(lanes_from<w, row + w>(a));
    [&]<size_t... K>(std::index_sequence<K...>) HOST_LAMBDA {
        if constexpr (w == 4)  // low and high: one row of a
            ((units += align(D(__builtin_shufflevector(low, high, K, K, K, K)) * b[K], unit)), ...);
        else  // low and high: two rows
            ((units +=
              align(D(__builtin_shufflevector(low, high, K, K, K, K, K + 8, K + 8, K + 8, K + 8)) * b[K], unit)),
             ...);
    }
    (std::make_index_sequence<8>());
    return normalise<false>(value(units, unit));
}

template <unsigned K, unsigned Lanes>
HOST_INLINE auto row_of_doubles(u16x32 b) {
    const auto row = lanes_from<4, K * 4>(b);
    if constexpr (Lanes == 4)
        return to_double(row);
    else
        return to_double(join(row, row));
}

template <unsigned Lanes = float_lanes>
HOST_INLINE u32x16 mac_4x8x4(u16x32 a, u16x32 b, u32x16 acc) {
    using i16x32 = native<int16_t, 32>;
    const i16x16 a01 = exponent_of<7>(lanes_from<16, 0>(i16x32(a))),
                 a23 = exponent_of<7>(lanes_from<16, 16>(i16x32(a)));
    const i16x16 b01 = exponent_of<7>(lanes_from<16, 0>(i16x32(b))),
                 b23 = exponent_of<7>(lanes_from<16, 16>(i16x32(b)));
    const i16x8 pairs[4] = {lanes_from<8, 0>(b01), lanes_from<8, 8>(b01), lanes_from<8, 0>(b23), lanes_from<8, 8>(b23)};
    const i16x16 products = largest_products(a01, a23, pairs);
    const native<double, Lanes> rows[8] = {row_of_doubles<0, Lanes>(b), row_of_doubles<1, Lanes>(b),
                                           row_of_doubles<2, Lanes>(b), row_of_doubles<3, Lanes>(b),
                                           row_of_doubles<4, Lanes>(b), row_of_doubles<5, Lanes>(b),
                                           row_of_doubles<6, Lanes>(b), row_of_doubles<7, Lanes>(b)};
    bool special = false;
    u32x16 out;
    const auto first = mac_part<0>(a, rows, acc, products, special),
               second = mac_part<1>(a, rows, acc, products, special);
    if constexpr (Lanes == 8) {
        out = join(first, second);
    } else {
        const auto third = mac_part<2>(a, rows, acc, products, special),
                   last = mac_part<3>(a, rows, acc, products, special);
        out = join(join(first, second), join(third, last));
    }
    if (special) [[unlikely]]
        return mac_4x8x4_exact(a, b, acc);
    return out;
}

// acc += a * b on integers, row by row.
template <unsigned M, unsigned K, unsigned N, typename T, typename R>
HOST_INLINE void mac_integers(const native<T, M * K>& a, const native<T, K * N>& b, native<R, M * N>& acc) {
    using U = native<std::make_unsigned_t<R>, N>;
    U rows[K];
    for (unsigned k = 0; k < K; k++) rows[k] = U(convert<R, N>(part<T, N, K * N>(b, k)));
    for (unsigned m = 0; m < M; m++) {
        U sum = U(part<R, N, M * N>(acc, m));
        for (unsigned k = 0; k < K; k++) sum += std::make_unsigned_t<R>(R(a[m * K + k])) * rows[k];
        put<R, N, M * N>(acc, m, native<R, N>(sum));
    }
}

template <unsigned M, unsigned K, unsigned N, typename A, typename B, typename Tag>
struct mmul_shape;  // a shape outside the subset does not compile
// clang-format off
template <> struct mmul_shape<4, 8, 4, bfloat16, bfloat16, accauto> { using tag = accfloat; };
template <> struct mmul_shape<4, 8, 4, bfloat16, bfloat16, accfloat> { using tag = accfloat; };
template <> struct mmul_shape<4, 8, 8, int8, int8, accauto> { using tag = acc32; };
template <> struct mmul_shape<4, 8, 8, int8, int8, acc32> { using tag = acc32; };
template <> struct mmul_shape<4, 2, 8, int16, int16, accauto> { using tag = acc32; };
template <> struct mmul_shape<4, 2, 8, int16, int16, acc32> { using tag = acc32; };
template <> struct mmul_shape<4, 4, 4, int16, int16, accauto> { using tag = acc64; };
template <> struct mmul_shape<4, 4, 4, int16, int16, acc64> { using tag = acc64; };
// clang-format on

}  // namespace host

template <unsigned M, unsigned K, unsigned N, typename A, typename B = A, typename Tag = accauto>
class mmul {
  public:
    using tag = typename host::mmul_shape<M, K, N, A, B, Tag>::tag;
    using accum_type = accum<tag, M * N>;
    static constexpr unsigned size_A = M * K;
    static constexpr unsigned size_B = K * N;
    static constexpr unsigned size_C = M * N;

    mmul() = default;
    mmul(const accum_type& acc) : acc_(acc) {}
    template <typename T>
    mmul(const vector<T, size_C>& v, int shift = 0) : acc_(v, shift) {}

    void mul(const vector<A, size_A>& a, const vector<B, size_B>& b) {
        acc_ = accum_type();
        mac(a, b);
    }
    HOST_INLINE void mac(const vector<A, size_A>& a, const vector<B, size_B>& b) {
        if constexpr (std::is_same_v<A, bfloat16>)
            acc_.data = host::mac_4x8x4(a.data, b.data, acc_.data);
        else
            host::mac_integers<M, K, N, A, host::raw<tag>>(a.data, b.data, acc_.data);
    }
    template <typename T>
    vector<T, size_C> to_vector(int shift = 0) const {
        return acc_.template to_vector<T>(shift);
    }
    accum_type to_accum() const { return acc_; }
    operator accum_type() const { return acc_; }

  private:
    accum_type acc_;
};

}  // namespace aie
