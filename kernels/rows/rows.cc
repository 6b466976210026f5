// Row operations: residual sum, layer norm, int8 quantisation. A core takes 64 / COLS rows of a block of 64 rows, where
// COLS is the number of array columns.
//
// All blocks are stored in 4x8 sub-tiles, so 16 elements are two rows of eight columns, and a core's part of a block is
// contiguous. acc holds the sums of COLS blocks side by side, a float for each element in the blocks' own order.
#include <aie_api/aie.hpp>
#include <stdint.h>

#include "command.h"
#include "loops.h"
#include "rows/floats.h"

#ifndef COLS
#define COLS 4
#endif

namespace {

using floats::Floats;
using floats::Narrow;
using floats::Pair;
using Fixed = aie::vector<int16, 32>;

constexpr int ROWS = 64 / COLS;
constexpr int PART = ROWS * 64;         // elements of a core's part of a block
constexpr int SUB_TILE = 32;
constexpr int SUB_ROW = 8 * SUB_TILE;   // a row of sub-tiles: 4 x 64 elements

// Rows of state, a float for each row.
constexpr int SHIFT = 0, SUM = 64, SQUARES = 128;  // while the sums are made
constexpr int MEAN = 0, SCALE = 64;                // afterwards; SCALE is also the factor of the int8 kernels

inline void set_modes() {
    aie::set_rounding(aie::rounding_mode::conv_even);
    aie::set_saturation(aie::saturation_mode::none);  // integers here are taken from the low bits of floats
}

// Returns the offset in a part of rows 2 * pair and 2 * pair + 1; their next eight columns are a sub-tile further.
inline int offset(int pair) { return pair / 2 * SUB_ROW + pair % 2 * 16; }

// Returns the values of two rows, each over eight columns.
inline Floats of_pair(const float* rows, int pair) {
    return Floats(aie::concat(aie::broadcast<float, 8>(rows[2 * pair]), aie::broadcast<float, 8>(rows[2 * pair + 1])));
}

// Adds the sums over the eight columns of both rows to `rows`.
__attribute__((noinline)) void add_to(float* rows, int pair, const Floats& terms) {
    aie::vector<float, 16> before = aie::zeros<float, 16>();
    before.set(rows[2 * pair], 0);
    before.set(rows[2 * pair + 1], 8);
    const aie::vector<float, 16> both = aie::add(terms, Floats(before)).to_vector<float>();
    rows[2 * pair] = aie::reduce_add(both.extract<8>(0));
    rows[2 * pair + 1] = aie::reduce_add(both.extract<8>(1));
}

// Returns the number of blocks of 64 columns in object g that hold data: the rest is padding.
inline int filled(const int32_t* prm, int g) {
    const int left = prm[command::rows::VALID_COLUMNS] / 64 - g * COLS;
    return left < 0 ? 0 : left > COLS ? COLS : left;
}

// Starts the statistics: the mean of the first 64 columns is near enough to the row's to keep the differences small.
inline void begin(const float* acc, float* state) {
    AIE_LOOP_NO_UNROLL
    for (int pair = 0; pair < ROWS / 2; pair++) {
        Floats mean = aie::zeros<accfloat, 16>();
        AIE_LOOP_UNROLL(4)
        for (int j = 0; j < 8; j++) {
            const Floats x(aie::load_v<16>(acc + offset(pair) + j * SUB_TILE));
            mean = aie::mac(mean, x.to_vector<bfloat16>(), aie::broadcast<bfloat16, 16>(1.0f / 64));
        }
        for (int row = 2 * pair; row < 2 * pair + 2; row++)
            state[SHIFT + row] = state[SUM + row] = state[SQUARES + row] = 0;
        add_to(state + SHIFT, pair, mean);
    }
}

// Adds x - shift and its square, over the filled blocks of one object, to the sums of each row.
inline void gather(const float* acc, float* state, int blocks) {
    AIE_LOOP_NO_UNROLL
    for (int pair = 0; pair < ROWS / 2; pair++) {
        const Floats shift = of_pair(state + SHIFT, pair);
        Floats sum = aie::zeros<accfloat, 16>(), squares = aie::zeros<accfloat, 16>();
        AIE_LOOP_NO_UNROLL
        for (int k = 0; k < blocks; k++) {
            AIE_LOOP_UNROLL(4)
            for (int j = 0; j < 8; j++) {
                const Floats x(aie::load_v<16>(acc + k * PART + offset(pair) + j * SUB_TILE));
                const Floats difference = aie::sub(x, shift);
                const Pair terms = floats::split(difference);
                sum = aie::add(sum, difference);
                squares = aie::add(squares, floats::times(terms, terms));
            }
        }
        add_to(state + SUM, pair, sum);
        add_to(state + SQUARES, pair, squares);
    }
}

// Turns the sums into mean and 1 / standard deviation, 16 rows at a time.
inline void finish(float* state, const int32_t* prm) {
    const Pair share =
        floats::split(Floats(aie::broadcast<int32, 16>(prm[command::rows::INVERSE_COLUMNS]).cast_to<float>()));
    const Floats epsilon(aie::broadcast<int32, 16>(prm[command::rows::EPSILON]).cast_to<float>());
    AIE_LOOP_NO_UNROLL
    for (int row = 0; row < ROWS; row += 16) {
        float* rows = state + row;
        const Floats mean = floats::times(floats::split(Floats(aie::load_v<16>(rows + SUM))), share);
        const Floats squares = floats::times(floats::split(Floats(aie::load_v<16>(rows + SQUARES))), share);
        const Pair parts = floats::split(mean);
        const Floats variance = aie::sub(squares, floats::times(parts, parts));
        aie::store_v(rows + MEAN, aie::add(mean, Floats(aie::load_v<16>(rows + SHIFT))).to_vector<float>());
        aie::store_v(rows + SCALE, floats::inverse_root(aie::add(variance, epsilon)).to_vector<float>());
    }
}

// c = the high or low half of every sum.
inline void write_half(const float* acc, bfloat16* c, bool low) {
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_UNROLL(4)
    for (int i = 0; i < COLS * PART; i += 16) {
        const Pair halves = floats::split(Floats(aie::load_v<16>(acc + i)));
        aie::store_v(c + i, low ? halves.low : halves.high);
    }
}

// c = (x - mean) * scale for the filled blocks, zeros for the padding.
inline void write_normalised(const float* acc, const float* state, bfloat16* c, int blocks) {
    AIE_LOOP_NO_UNROLL
    for (int pair = 0; pair < ROWS / 2; pair++) {
        const Floats mean = of_pair(state + MEAN, pair);
        const Pair scale = floats::split(of_pair(state + SCALE, pair));
        AIE_LOOP_NO_UNROLL
        for (int k = 0; k < blocks; k++) {
            AIE_LOOP_UNROLL(4)
            for (int j = 0; j < 8; j++) {
                const int at = k * PART + offset(pair) + j * SUB_TILE;
                const Pair x = floats::split(aie::sub(Floats(aie::load_v<16>(acc + at)), mean));
                aie::store_v(c + at, floats::times(x, scale).to_vector<bfloat16>());
            }
        }
    }
    for (int i = blocks * PART; i < COLS * PART; i += 16) aie::store_v(c + i, aie::zeros<bfloat16, 16>());
}

}  // namespace

extern "C" {

// acc = this core's rows of the high half of x, which block a holds; block k of the COLS that acc holds side by side.
void row_load(const bfloat16* __restrict a, float* __restrict acc, int32_t k, int32_t column) {
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_UNROLL(4)
    for (int i = 0; i < PART; i += 16)
        aie::store_v(acc + k * PART + i, Floats(aie::load_v<16>(a + column * PART + i)).to_vector<float>());
}

// acc += the low half of x, which block a holds, and y. Object b holds this column's rows of y for several rows of
// cores. The statistics are not made here, but by row_out for whole objects.
void row_add(const bfloat16* __restrict a, const bfloat16* __restrict b, float* __restrict acc, float* __restrict,
             int32_t k, int32_t, int32_t column, int32_t row) {
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_UNROLL(4)
    for (int i = 0; i < PART; i += 16) {
        const Floats low(aie::load_v<16>(a + column * PART + i)), y(aie::load_v<16>(b + row % COLS * PART + i));
        const Floats x(aie::load_v<16>(acc + k * PART + i));
        aie::store_v(acc + k * PART + i, aie::add(aie::add(x, low), y).to_vector<float>());
    }
}

// Writes object c, which is number g of the rows, from acc. Pass 0: the sum x + y as plane 0 (high half) and plane 1
// (low half); pass 1: its layer norm, with zeros for the padding.
void row_out(const float* __restrict acc, float* __restrict state, bfloat16* __restrict c,
             const int32_t* __restrict prm, int32_t pass, int32_t g, int32_t plane) {
    set_modes();
    const int blocks = filled(prm, g);
    if (pass == 0) {
        if (plane == 0 && g == 0) begin(acc, state);
        if (plane == 0) gather(acc, state, blocks);
        write_half(acc, c, plane != 0);
    } else {
        if (g == 0) finish(state, prm);
        write_normalised(acc, state, c, blocks);
    }
}

// Keeps the largest magnitudes of column blocks 0 to k, 4 rows x 8 columns for each row of sub-tiles. Magnitudes of
// bfloat16 are ordered as integers.
void quant_max(const bfloat16* __restrict a, float* __restrict state, int32_t k, int32_t column) {
    int16* largest = reinterpret_cast<int16*>(state);
    AIE_LOOP_NO_UNROLL
    for (int tile = 0; tile < ROWS / 4; tile++) {
        Fixed most = aie::zeros<int16, 32>();
        if (k) most = aie::load_v<32>(largest + tile * SUB_TILE);
        AIE_LOOP_UNROLL_FULL
        for (int j = 0; j < 8; j++) {
            const auto x = aie::load_v<32>(a + column * PART + tile * SUB_ROW + j * SUB_TILE).cast_to<int16>();
            most = aie::max(most, aie::bit_and(x, aie::broadcast<int16, 32>(0x7fff)));
        }
        aie::store_v(largest + tile * SUB_TILE, most);
    }
}

// Writes the rows' scales, largest / 127 rounded up to bfloat16, as floats at the start of the C object, and keeps
// 1 / scale in state. A row of zeros has the scale 1. A quotient less than 2^-15 above a bfloat16 counts as equal to
// it.
void quant_scale(float* __restrict state, bfloat16* __restrict c) {
    set_modes();
    int16* largest = reinterpret_cast<int16*>(state);
    AIE_LOOP_NO_UNROLL
    for (int tile = 0; tile < ROWS / 4; tile++) {
        Fixed most = aie::load_v<32>(largest + tile * SUB_TILE);
        most = aie::max(most, aie::shuffle_down_rotate(most, 4));
        most = aie::max(most, aie::shuffle_down_rotate(most, 2));
        most = aie::max(most, aie::shuffle_down_rotate(most, 1));
        for (int row = 0; row < 4; row++) largest[tile * 4 + row] = most.get(8 * row);
    }
    const Pair step = floats::split(floats::constant(1.0f / 127));
    float* scales = reinterpret_cast<float*>(c);
    AIE_LOOP_NO_UNROLL
    for (int row = 0; row < ROWS; row += 16) {
        const aie::vector<int16, 16> bits = aie::load_v<16>(largest + row);
        const auto zero = aie::eq(bits, aie::zeros<int16, 16>());
        const Narrow most = aie::select(bits.cast_to<bfloat16>(), aie::broadcast<bfloat16, 16>(127.0f), zero);
        const aie::vector<float, 16> exact = aie::mac(aie::mul(most, step.low), most, step.high).to_vector<float>();
        const auto above = aie::add(exact.cast_to<int32>(), aie::broadcast<int32, 16>(0xff00));
        const auto scale = aie::bit_and(above, aie::broadcast<int32, 16>(-0x10000)).cast_to<float>();
        aie::store_v(scales + row, scale);
        aie::store_v(state + SCALE + row, floats::reciprocal(Floats(scale)).to_vector<float>());
    }
}

// Quantises column block k of the eight (bfloat16, 64 columns) that fill a C object with four (int8, 128 columns).
void quant_out(const bfloat16* __restrict a, const float* __restrict state, bfloat16* __restrict c, int32_t k,
               int32_t column) {
    set_modes();
    int8* out = reinterpret_cast<int8*>(c) + k / 2 * (2 * PART) + k % 2 * SUB_ROW;
    const aie::accum<accfloat, 32> grid(aie::broadcast<float, 32>(1.5f * (1 << 23)));  // floats here are integers
    AIE_LOOP_NO_UNROLL
    for (int tile = 0; tile < ROWS / 4; tile++) {
        const Pair upper = floats::split(of_pair(state + SCALE, 2 * tile));
        const Pair lower = floats::split(of_pair(state + SCALE, 2 * tile + 1));
        const auto high = aie::concat(upper.high, lower.high), low = aie::concat(upper.low, lower.low);
        AIE_PREPARE_FOR_PIPELINING
        AIE_LOOP_UNROLL(4)
        for (int j = 0; j < 8; j++) {
            const auto x = aie::load_v<32>(a + column * PART + tile * SUB_ROW + j * SUB_TILE);
            const auto rounded = aie::add(aie::mac(aie::mul(x, low), x, high), grid);
            aie::store_v(out + tile * (2 * SUB_ROW) + j * SUB_TILE, rounded.cast_to<acc32>().to_vector<int8>(0));
        }
    }
}

}  // extern "C"
