// C = A @ B + bias, with GELU if the command asks for it: one block of TILE x TILE results at a time, whose sum is kept
// over all of K.
//
// blocks.py describes the layout of blocks. The accumulator block is stored in squares of 16 x 16 results, in the order
// in which the inner loop needs them.
#include <aie_api/aie.hpp>

#include "command.h"
#include "gelu/gelu.h"
#include "loops.h"

#ifndef TILE
#define TILE 64
#endif
#define ALWAYS __attribute__((always_inline))
#define INLINE inline ALWAYS

namespace {

constexpr unsigned SQUARE = 16;               // edge of the results that the accumulators hold: 16 of 18 registers
constexpr unsigned EDGE = TILE / SQUARE;      // squares along an edge of the block
constexpr unsigned ROWS = 4;                  // of a sub-tile
constexpr unsigned GROUPS = SQUARE / ROWS;    // sub-tile rows of a square
constexpr unsigned DEEP = 2;                  // steps of k before the next column of sub-tiles
constexpr unsigned TABLE = 1024;              // floats
using ProductBf16 = aie::mmul<4, 8, 4, bfloat16, bfloat16, accauto>;
using ProductInt8 = aie::mmul<4, 8, 8, int8, int8, accauto>;
using Floats16 = aie::accum<accfloat, 16>;
using Floats32 = aie::accum<accfloat, 32>;
using Sums32 = aie::accum<acc32, 32>;

// acc += a * b. All of a square's sums stay in registers while k runs over the block, unrolled. A column of sub-tiles
// gets two steps of k before the next column: so the first sums are needed no sooner than they are loaded, and the last
// ones are ready no sooner than they can be stored.
template <typename Product, unsigned STEPS, typename In, typename Sum>
INLINE void multiply(const In* __restrict a, const In* __restrict b, Sum* __restrict acc) {
    constexpr unsigned COLUMNS = SQUARE * ROWS / Product::size_C;  // sub-tiles of a square side by side
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_RANGE(EDGE * EDGE, EDGE * EDGE)
    for (unsigned square = 0; square < EDGE * EDGE; square++) {
        const In* __restrict left = a + square / EDGE * (GROUPS * STEPS * Product::size_A);
        const In* __restrict right = b + square % EDGE * (STEPS * COLUMNS * Product::size_B);
        Product sum[GROUPS][COLUMNS];
        AIE_LOOP_UNROLL_FULL
        for (unsigned j = 0; j < COLUMNS; j++) {
            AIE_LOOP_UNROLL_FULL
            for (unsigned i = 0; i < GROUPS; i++)
                sum[i][j] = Product(aie::load_v<Product::size_C>(acc + (i * COLUMNS + j) * Product::size_C));
        }
        AIE_LOOP_UNROLL_FULL
        for (unsigned k = 0; k < STEPS; k += DEEP) {
            aie::vector<In, Product::size_A> rows[DEEP][GROUPS];
            AIE_LOOP_UNROLL_FULL
            for (unsigned d = 0; d < DEEP; d++) {
                AIE_LOOP_UNROLL_FULL
                for (unsigned i = 0; i < GROUPS; i++)
                    rows[d][i] = aie::load_v<Product::size_A>(left + (i * STEPS + k + d) * Product::size_A);
            }
            AIE_LOOP_UNROLL_FULL
            for (unsigned j = 0; j < COLUMNS; j++) {
                AIE_LOOP_UNROLL_FULL
                for (unsigned d = 0; d < DEEP; d++) {
                    const auto column = aie::load_v<Product::size_B>(right);
                    right += Product::size_B;
                    AIE_LOOP_UNROLL_FULL
                    for (unsigned i = 0; i < GROUPS; i++) sum[i][j].mac(rows[d][i], column);
                }
            }
        }
        AIE_LOOP_UNROLL_FULL
        for (unsigned j = 0; j < COLUMNS; j++) {
            AIE_LOOP_UNROLL_FULL
            for (unsigned i = 0; i < GROUPS; i++)
                aie::store_v(acc + (i * COLUMNS + j) * Product::size_C, sum[i][j].template to_vector<Sum>());
        }
        acc += SQUARE * SQUARE;
    }
}

// Calls f(offset in the accumulator block, offset in the C block, sub-tile row) for the 4 x 8 sub-tiles of one column
// of sub-tiles. AT_ONCE of them run side by side, because each is a long chain of instructions.
template <unsigned AT_ONCE, typename F>
INLINE void down_column(unsigned column, F f) {
    const unsigned inside = column / 2 * (SQUARE * SQUARE) + column % 2 * 32;
    AIE_LOOP_UNROLL(AT_ONCE)
    for (unsigned row = 0; row < TILE / ROWS; row++)
        f(inside + row / GROUPS * (EDGE * SQUARE * SQUARE) + row % GROUPS * 64, (row * (TILE / 8) + column) * 32, row);
}

// c = acc + bias, with GELU or without, in bf16 and in the sub-tiles of an activation block: the epilogue of bf16.
template <bool WITH_GELU>
INLINE void out(const float* __restrict acc, const float* __restrict bias, bfloat16* __restrict c) {
    for (unsigned column = 0; column < TILE / 8; column++) {
        const auto eight = aie::load_v<8>(bias + column * 8);
        const auto twice = aie::concat(eight, eight);
        const auto [low, high] = aie::interleave_unzip(twice, twice, 4);  // 0 1 2 3 0 1 2 3 .. and 4 5 6 7 4 5 6 7 ..
        Floats32 offset = aie::concat(Floats16(low), Floats16(high));
        if constexpr (WITH_GELU) offset = aie::add(offset, Floats32(aie::broadcast<float, 32>(gelu::OFFSET)));
        down_column<WITH_GELU ? 2 : 4>(column, [&](unsigned from, unsigned to, unsigned) ALWAYS {
            Floats32 x = aie::add(Floats32(aie::load_v<32>(acc + from)), offset);
            if constexpr (WITH_GELU) x = gelu::of_shifted(x);
            const auto left = x.template extract<16>(0).template to_vector<bfloat16>();
            const auto right = x.template extract<16>(1).template to_vector<bfloat16>();
            const auto [first, second] = aie::interleave_zip(left, right, 4);
            aie::store_v(c + to, aie::concat(first, second));
        });
    }
}

// Returns int32 sums below 2^27 as fp32, rounded once: the upper 15 bits and the lower 12 count in a mantissa each.
INLINE Floats32 to_float(const Sums32& sums) {
    constexpr int32 HIGH_BITS = 0x51400000, LOW_BITS = 0x4b400000;  // of 1.5 * 2^35 and 1.5 * 2^23
    constexpr float BOTH = 1.5f * 0x1p35f + 1.5f * 0x1p23f;
    const auto high = sums.template to_vector<int16>(12);
    const Sums32 low = aie::msc(sums, high, aie::broadcast<int16, 32>(4096));
    const auto one = aie::broadcast<int16, 32>(1);
    const Sums32 high_steps = aie::mac(Sums32(aie::broadcast<int32, 32>(HIGH_BITS)), high, one);
    const Sums32 low_steps = aie::add(low, Sums32(aie::broadcast<int32, 32>(LOW_BITS)));
    const Floats32 exact = aie::sub(high_steps.template cast_to<accfloat>(), Floats32(aie::broadcast<float, 32>(BOTH)));
    return aie::add(exact, low_steps.template cast_to<accfloat>());
}

// c = acc * column scale * row scale + bias, with GELU or without: the epilogue of int8. Scales are bf16; the sums are
// rounded to bf16 before each product.
template <bool WITH_GELU>
INLINE void out_i8(const int32* __restrict acc, const float* __restrict table, const bfloat16* __restrict row_scales,
                   bfloat16* __restrict c) {
    for (unsigned column = 0; column < TILE / 8; column++) {
        const auto scales = aie::load_v<8>(table + column * 8);
        const auto two_rows = Floats16(aie::concat(scales, scales)).template to_vector<bfloat16>();
        const auto column_scales = aie::concat(two_rows, two_rows);
        const auto bias = aie::load_v<8>(table + TILE + column * 8);
        Floats32 offset = Floats32(aie::concat(bias, bias, bias, bias));
        if constexpr (WITH_GELU) offset = aie::add(offset, Floats32(aie::broadcast<float, 32>(gelu::OFFSET)));
        down_column<2>(column, [&](unsigned from, unsigned to, unsigned row) ALWAYS {
            const auto sums = to_float(Sums32(aie::load_v<32>(acc + from))).template to_vector<bfloat16>();
            const auto scaled = aie::mul(sums, column_scales).template to_vector<bfloat16>();
            Floats32 x = aie::mac(offset, scaled, aie::load_v<32>(row_scales + row * 32));
            if constexpr (WITH_GELU) x = gelu::of_shifted(x);
            aie::store_v(c + to, x.template to_vector<bfloat16>());
        });
    }
}

inline void set_modes() {
    aie::set_rounding(aie::rounding_mode::conv_even);
    aie::set_saturation(aie::saturation_mode::symmetric);
}

}  // namespace

extern "C" {

// Copies the command, the first 64 bytes of the command object a, to prm.
void gemm_cmd(const bfloat16* __restrict a, int32_t* __restrict prm) {
    static_assert(command::WORDS == 16);
    const int32_t* words = reinterpret_cast<const int32_t*>(a);
    aie::store_v(prm, aie::load_v<8>(words));
    aie::store_v(prm + 8, aie::load_v<8>(words + 8));
}

// Copies object b, number i of the table of biases (and scales), to table: as many floats as the object holds, up to
// the whole table.
void gemm_table(const bfloat16* __restrict b, float* __restrict table, int32_t i) {
    constexpr unsigned COUNT = TILE * TILE / 2 < TABLE ? TILE * TILE / 2 : TABLE;
    const float* values = reinterpret_cast<const float*>(b);
    float* to = table + unsigned(i) * COUNT;
    AIE_LOOP_UNROLL(4)
    for (unsigned n = 0; n < COUNT; n += 16) aie::store_v(to + n, aie::load_v<16>(values + n));
}

// acc = 0. The zero bits are 0 as float and as int32, so that both products begin so.
void gemm_zero(float* __restrict acc) {
    AIE_LOOP_UNROLL(8)
    for (unsigned n = 0; n < TILE * TILE; n += 16) aie::store_v(acc + n, aie::zeros<float, 16>());
}

// acc += a * b, bf16: an activation block [TILE, TILE] by a weight block [TILE, TILE], float sums.
void gemm_mac(const bfloat16* __restrict a, const bfloat16* __restrict b, float* __restrict acc) {
    multiply<ProductBf16, TILE / 8>(a, b, acc);
}

// acc += a * b, int8: an activation block [TILE, 2 TILE] by a weight block [2 TILE, TILE], int32 sums.
void gemm_mac_i8(const bfloat16* __restrict a, const bfloat16* __restrict b, float* __restrict acc) {
    multiply<ProductInt8, TILE / 4>(reinterpret_cast<const int8*>(a), reinterpret_cast<const int8*>(b),
                                    reinterpret_cast<int32*>(acc));
}

// c = acc + bias of column tile t, rounded to bf16, with GELU if the command in prm asks for it.
void gemm_out(const float* __restrict acc, const float* __restrict table, bfloat16* __restrict c,
              const int32_t* __restrict prm, int32_t t) {
    set_modes();
    const float* bias = table + unsigned(t) * TILE;
    if (prm[command::matmul::FLAGS] & command::matmul::GELU)
        out<true>(acc, bias, c);
    else
        out<false>(acc, bias, c);
}

// Stores the scales of the block's rows, float32 [TILE] at the start of object a, in state as bf16, each eight times.
void gemm_scales(const bfloat16* __restrict a, float* __restrict state) {
    set_modes();
    const float* scales = reinterpret_cast<const float*>(a);
    bfloat16* to = reinterpret_cast<bfloat16*>(state);
    for (unsigned n = 0; n < TILE; n += 16) {
        const auto once = Floats16(aie::load_v<16>(scales + n)).template to_vector<bfloat16>();
        const auto [low, high] = aie::interleave_zip(once, once, 1);
        const auto twice = aie::concat(low, high);
        const auto [four_low, four_high] = aie::interleave_zip(twice, twice, 1);
        const auto [first, second] = aie::interleave_zip(four_low, four_low, 1);
        const auto [third, fourth] = aie::interleave_zip(four_high, four_high, 1);
        aie::store_v(to + n * 8, first);
        aie::store_v(to + n * 8 + 32, second);
        aie::store_v(to + n * 8 + 64, third);
        aie::store_v(to + n * 8 + 96, fourth);
    }
}

// c = acc * row scale * column scale + bias of column tile t, rounded to bf16, with GELU if the command asks for it.
void gemm_out_i8(const float* __restrict acc, const float* __restrict table, const float* __restrict state,
                 bfloat16* __restrict c, const int32_t* __restrict prm, int32_t t) {
    set_modes();
    const int32* sums = reinterpret_cast<const int32*>(acc);
    const float* scales = table + unsigned(t) * (2 * TILE);
    const bfloat16* row_scales = reinterpret_cast<const bfloat16*>(state);
    if (prm[command::matmul::FLAGS] & command::matmul::GELU)
        out_i8<true>(sums, scales, row_scales, c);
    else
        out_i8<false>(sums, scales, row_scales, c);
}
}
