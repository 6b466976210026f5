// aie::mmul for the native AIE2 shapes: bfloat16 4x8x4, int8 4x8x8, int16 4x4x4. Tiles are row-major.
//
// API and shapes: aie_api mmul.hpp, detail/aie2/mmul_*.hpp@2a408059. One mac is one instruction: for bfloat16 eight products
// and the accumulator are aligned, summed exactly and rounded once; integers are exact, acc32 wraps.
#pragma once

#include "arithmetic.hpp"

namespace aie {

namespace host {

using u16x32 = native<uint16_t, 32>;
using i16x32 = native<int16_t, 32>;
using i16x16 = native<int16_t, 16>;
using u32x16 = native<uint32_t, 16>;

// Exponents of bfloat16 lanes, as float_exponent gives them.
HOST_INLINE i16x32 bfloat16_exponent(u16x32 bits) {
    const i16x32 magnitude = i16x32(bits) & 0x7fff;
    return magnitude == 0 ? i16x32{} + int16_t(no_exponent) : lanes_max(i16x32(magnitude >> 7), i16x32{} + int16_t(1));
}

// Eight lanes from `index` times eight, as doubles.
HOST_INLINE f64x8 row_of_doubles(const u16x32& v, unsigned index) {
    return to_double(convert<uint32_t, 8>(part<uint16_t, 8, 32>(v, index)) << 16);
}

// Column K of the 4x8 tile over the columns of the result, row K of the 8x4 tile over its rows: 16 lanes of exponents,
// and two halves of eight doubles.
template <unsigned K>
HOST_INLINE i16x16 spread_column(i16x32 a) {
    return __builtin_shufflevector(a, a, K, K, K, K, K + 8, K + 8, K + 8, K + 8, K + 16, K + 16, K + 16, K + 16, K + 24,
                                   K + 24, K + 24, K + 24);
}
template <unsigned K>
HOST_INLINE i16x16 spread_row(i16x32 b) {
    constexpr unsigned i = K * 4;
    return __builtin_shufflevector(b, b, i, i + 1, i + 2, i + 3, i, i + 1, i + 2, i + 3, i, i + 1, i + 2, i + 3, i, i + 1,
                                   i + 2, i + 3);
}
template <unsigned K>
HOST_INLINE f64x8 spread_column(f64x8 first, f64x8 second) {
    return __builtin_shufflevector(first, second, K, K, K, K, K + 8, K + 8, K + 8, K + 8);
}
template <unsigned K>
HOST_INLINE f64x8 spread_row(f64x8 two_rows) {
    constexpr unsigned i = K % 2 * 4;
    return __builtin_shufflevector(two_rows, two_rows, i, i + 1, i + 2, i + 3, i, i + 1, i + 2, i + 3);
}

inline __attribute__((noinline)) u32x16 mac_4x8x4_exact(const u16x32& a, const u16x32& b, const u32x16& acc) {
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

HOST_INLINE u32x16 mac_4x8x4(const u16x32& a, const u16x32& b, const u32x16& acc) {
    const u32x8 acc0 = part<uint32_t, 8, 16>(acc, 0), acc1 = part<uint32_t, 8, 16>(acc, 1);
    const i16x32 ea = bfloat16_exponent(a), eb = bfloat16_exponent(b);
    i16x16 largest;
    put<int16_t, 8, 16>(largest, 0, convert<int16_t, 8>(float_exponent(acc0)));
    put<int16_t, 8, 16>(largest, 1, convert<int16_t, 8>(float_exponent(acc1)));
    largest += 127;  // 128 for the accumulator, less the 1 of the products, which is added below
    [&]<size_t... K>(std::index_sequence<K...>) {
        ((largest = lanes_max(largest, i16x16(spread_column<K>(ea) + spread_row<K>(eb)))), ...);
    }(std::make_index_sequence<8>());
    largest += 1;
    const f64x8 grid0 = grid(convert<int32_t, 8>(part<int16_t, 8, 16>(largest, 0)));
    const f64x8 grid1 = grid(convert<int32_t, 8>(part<int16_t, 8, 16>(largest, 1)));
    const f64x8 a0 = row_of_doubles(a, 0), a1 = row_of_doubles(a, 1), a2 = row_of_doubles(a, 2), a3 = row_of_doubles(a, 3);
    const f64x8 rows[4] = {row_of_doubles(b, 0), row_of_doubles(b, 1), row_of_doubles(b, 2), row_of_doubles(b, 3)};
    f64x8 sum0 = align(to_double(acc0), grid0), sum1 = align(to_double(acc1), grid1);
    [&]<size_t... K>(std::index_sequence<K...>) {
        ((sum0 += align(spread_column<K>(a0, a1) * spread_row<K>(rows[K / 2]), grid0),
          sum1 += align(spread_column<K>(a2, a3) * spread_row<K>(rows[K / 2]), grid1)),
         ...);
    }(std::make_index_sequence<8>());
    u32x16 out;
    put<uint32_t, 8, 16>(out, 0, normalise<false>(sum0));
    put<uint32_t, 8, 16>(out, 1, normalise<false>(sum1));
    const u32x8 r0 = part<uint32_t, 8, 16>(out, 0), r1 = part<uint32_t, 8, 16>(out, 1);
    const i32x8 special = ((r0 & 0x7f800000) == 0x7f800000) | ((r1 & 0x7f800000) == 0x7f800000);
    if (any<int32_t, 8>(special)) [[unlikely]]
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
