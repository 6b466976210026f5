// Attention of 64 queries over tiles of 64 keys, head dimension 64: online softmax, scores never leave the core.
//
// Layout. Scores are computed transposed, S^T = K Q^T: a sub-tile of K (4 keys x 8 dims) is loaded as it is stored, Q
// was transposed once. A result sub-tile is 4 keys x 4 queries; two of them are the 8 keys x 4 queries that P needs.
//
// Softmax. Scores arrive in units of 4 octaves (the host folds log2(e) / (4 sqrt(64)) into the weights of Q). Every sum
// starts at 48 - reference instead of 0, so that it ends in [32, 64), where an octave is 2^16 units in the float's last
// place: the low bits of the float are the fixed-point logarithm of P, and rounding that to 7 bits of fraction, after
// the correction 2^f - 1 - f, gives P in bfloat16. There is no exponential to evaluate and no maximum to know first: a
// row's reference has only to be within some octaves of its maximum, and moves by whole octaves, which is exact.
// P carries a factor 2^-63 that the division by the row's sum takes out again.
#include <aie_api/aie.hpp>
#include <stdint.h>

#include "command.h"
#include "loops.h"
#include "rows/floats.h"

namespace {

using Product = aie::mmul<4, 8, 4, bfloat16, bfloat16, accauto>;
using floats::Floats;
using floats::Narrow;
using floats::Pair;
using Narrow32 = aie::vector<bfloat16, 32>;
using Fixed = aie::vector<int16, 32>;
using Sums = aie::accum<acc32, 32>;

constexpr int KEYS = 64;
constexpr int FOURS = 16;       // sub-tiles of four queries, or of four dims, in a block
constexpr int EIGHTS = 8;       // sub-tiles of eight keys, or of eight dims
constexpr int SUB_TILE = 32;    // elements, 4x8 or 8x4
constexpr int SUMS = 16;        // of a 4x4 sub-tile
constexpr float MIDDLE = 48;    // u = score - reference + MIDDLE; an octave is 0.25
constexpr float LOWEST = 33;    // where u is smaller, P is 0: 60 octaves below the reference
constexpr float LOW = 44;       // u of a maximum at which the first tile still keeps a reference: P of 2^-16
constexpr float HIGH = 56;      // u from which a reference moves up: P of 2^32
constexpr float ONE = 63.75f;       // u whose P is 1
constexpr float FARTHEST = 79.5f;   // a move from MIDDLE to here scales by 2^-126
constexpr float MASKED = -1e30f;    // u of keys beyond the last
constexpr float NEVER = -2e30f;     // a lower limit that no u reaches
constexpr int ROUNDS = 3;           // a reference is within a 256th of what it was off by after each

inline void set_modes() {
    aie::set_rounding(aie::rounding_mode::conv_even);
    aie::set_saturation(aie::saturation_mode::none);  // fixed point is taken modulo 2^16
}

// sums[i][j] += K sub-tiles i (4 keys each) times Q^T sub-tiles j (4 queries each).
inline __attribute__((always_inline)) void multiply_keys(const bfloat16* __restrict k, const bfloat16* __restrict q,
                                                         Product (&sums)[4][2]) {
    AIE_LOOP_UNROLL_FULL
    for (int d = 0; d < EIGHTS; d++) {
        const auto q0 = aie::load_v<32>(q + d * SUB_TILE);
        const auto q1 = aie::load_v<32>(q + (EIGHTS + d) * SUB_TILE);
        AIE_LOOP_UNROLL_FULL
        for (int i = 0; i < 4; i++) {
            const auto keys = aie::load_v<32>(k + (i * EIGHTS + d) * SUB_TILE);
            sums[i][0].mac(keys, q0);
            sums[i][1].mac(keys, q1);
        }
    }
}

// Returns the bits of P from the bits of u.
// For s = f - 1/2: 2^f - 1 - f = (s^2 - 1/4)(0.34361 + 0.07823 s), to 0.0001 of 2^f.
inline __attribute__((always_inline)) Fixed power(const Sums& u) {
    const Fixed s = aie::add(u.to_vector<int16>(0), aie::broadcast<int16, 32>(-32768));
    const Sums quarter(aie::broadcast<int32, 32>(-(1 << 30)));
    const Sums constant(aie::broadcast<int32, 32>(368950658));
    const Fixed bow = aie::mac(quarter, s, s).to_vector<int16>(24);
    const Fixed slope = aie::mac(constant, s, aie::broadcast<int16, 32>(1282)).to_vector<int16>(22);
    return aie::mac(u, bow, slope).to_vector<int16>(9);
}

// Returns a mask of the first `keys` of 8 keys, 4 queries each.
inline __attribute__((always_inline)) aie::mask<32> first(int keys) {
    return aie::mask<32>::from_uint32(keys >= 8 ? 0xffffffffu : keys <= 0 ? 0u : (1u << 4 * keys) - 1);
}

// Stores P of the tile as sub-tiles of 4 queries x 8 keys, and each query's largest u. Returns the largest u of all.
inline __attribute__((always_inline)) Narrow32 weigh(const bfloat16* __restrict q, const bfloat16* __restrict k,
                                                     bfloat16* __restrict p, const float* __restrict offsets,
                                                     bfloat16* __restrict peaks, int valid) {
    Narrow32 peak = aie::broadcast<bfloat16, 32>(MASKED);
    AIE_LOOP_NO_UNROLL
    for (int pair = 0; pair < FOURS / 2; pair++) {
        const Floats start0(aie::load_v<16>(offsets + pair * 32)), start1(aie::load_v<16>(offsets + pair * 32 + 16));
        Narrow32 largest[2] = {aie::broadcast<bfloat16, 32>(MASKED), aie::broadcast<bfloat16, 32>(MASKED)};
        AIE_LOOP_NO_UNROLL
        for (int part = 0; part < 4; part++) {
            Product sums[4][2];
            AIE_LOOP_UNROLL_FULL
            for (int i = 0; i < 4; i++) {
                sums[i][0] = Product(start0);
                sums[i][1] = Product(start1);
            }
            multiply_keys(k + part * 4 * EIGHTS * SUB_TILE, q + pair * 2 * EIGHTS * SUB_TILE, sums);
            AIE_LOOP_UNROLL_FULL
            for (int half = 0; half < 2; half++) {
                const auto present = first(valid - part * 16 - half * 8);
                AIE_LOOP_UNROLL_FULL
                for (int j = 0; j < 2; j++) {
                    const auto both = aie::concat(sums[2 * half][j].to_accum(), sums[2 * half + 1][j].to_accum());
                    const Sums bits = both.template cast_to<acc32>();
                    const Narrow32 upper = bits.to_vector<int16>(16).cast_to<bfloat16>();
                    const Narrow32 u = aie::select(aie::broadcast<bfloat16, 32>(MASKED), upper, present);
                    largest[j] = aie::max(largest[j], u);
                    const auto counts = aie::ge(u, aie::broadcast<bfloat16, 32>(LOWEST));
                    const Fixed weights = aie::select(aie::zeros<int16, 32>(), power(bits), counts);
                    bfloat16* out = p + ((2 * pair + j) * EIGHTS + 2 * part + half) * SUB_TILE;
                    aie::store_v(out, aie::transpose(weights, 8, 4).cast_to<bfloat16>());
                }
            }
        }
        AIE_LOOP_UNROLL_FULL
        for (int j = 0; j < 2; j++) {
            aie::store_v(peaks + (2 * pair + j) * SUB_TILE, largest[j]);
            peak = aie::max(peak, largest[j]);
        }
    }
    return peak;
}

// Multiplies x[0..16) by powers of two: three bfloat16 hold a float, so the products are exact.
inline void scale(float* x, const Narrow& factor) {
    Floats rest(aie::load_v<16>(x));
    const Narrow high = rest.to_vector<bfloat16>();
    rest = aie::sub(rest, Floats(high));
    const Narrow middle = rest.to_vector<bfloat16>();
    const Narrow low = aie::sub(rest, Floats(middle)).to_vector<bfloat16>();
    const Floats product = aie::mac(aie::mac(aie::mul(low, factor), middle, factor), high, factor);
    aie::store_v(x, product.to_vector<float>());
}

// Returns the distance from MIDDLE to u, rounded to whole octaves.
inline Floats octaves(const Narrow& u) {
    const Floats grid(aie::broadcast<float, 16>(1.5f * (1 << 21)));  // floats here are multiples of 0.25
    const Floats moved = aie::sub(Floats(u), Floats(aie::broadcast<float, 16>(MIDDLE)));
    return aie::sub(aie::add(moved, grid), grid);
}

// Moves the references of rows whose largest u is outside [low, HIGH) to that u, and scales the sums made with the old
// references. Returns whether any reference moved: the tile has to be weighed again then.
inline bool move_references(float* acc, float* state, float* offsets, const bfloat16* peaks, const Narrow& low,
                   bool summed) {
    bool moved = false;
    AIE_LOOP_NO_UNROLL
    for (int tile = 0; tile < FOURS; tile++) {
        Narrow32 peak = aie::load_v<32>(peaks + tile * SUB_TILE);
        peak = aie::max(peak, aie::shuffle_down_rotate(peak, 16));
        peak = aie::max(peak, aie::shuffle_down_rotate(peak, 8));
        peak = aie::max(peak, aie::shuffle_down_rotate(peak, 4));
        const Narrow largest = peak.extract<16>(0);
        const auto high_enough = aie::ge(largest, low);
        const auto stays = high_enough & aie::lt(largest, aie::broadcast<bfloat16, 16>(HIGH));
        if (stays.full()) continue;
        moved = true;
        const Narrow target = aie::select(largest, aie::broadcast<bfloat16, 16>(MIDDLE), stays);
        float* offset = offsets + tile * SUMS;
        aie::store_v(offset, aie::sub(Floats(aie::load_v<16>(offset)), octaves(target)).to_vector<float>());
        if (!summed) continue;
        // A power of two from the bits of its logarithm, as for P; then laid out as the sums are, 4 queries x 4 dims.
        const Narrow bounded = aie::min(target, aie::broadcast<bfloat16, 16>(FARTHEST));
        const Floats down = aie::sub(Floats(aie::broadcast<float, 16>(ONE)), octaves(bounded));
        const auto bits = down.cast_to<acc32>().to_vector<int16>(9).cast_to<bfloat16>();
        const Narrow factor = aie::transpose(bits, 4, 4);
        scale(state + tile * SUMS, factor);
        AIE_LOOP_NO_UNROLL
        for (int i = 0; i < FOURS; i++) scale(acc + (tile * FOURS + i) * SUMS, factor);
    }
    return moved;
}

}  // namespace

extern "C" {

// Keeps the query block of this column's own head in c, with sub-tiles transposed to 8 dims x 4 queries. a: an
// activation block of Q, of head i; the blocks of other heads are ignored.
void attn_query(const bfloat16* __restrict a, bfloat16* __restrict c, int32_t i, int32_t column) {
    if (i != column) return;
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_UNROLL(4)
    for (int t = 0; t < FOURS * EIGHTS; t++)
        aie::store_v(c + t * SUB_TILE, aie::transpose(aie::load_v<32>(a + t * SUB_TILE), 4, 8));
}

// Clears the sums before the first key tile, and sets every reference to 0.
// acc: O, [queries / 4][dims / 4] sub-tiles of 4 queries x 4 dims. state: the sums of P, [queries / 4] of 4 queries x
// 4 equal columns. table: MIDDLE - reference, [queries / 4] of 4 equal rows x 4 queries, then room for the peaks.
void attn_begin(float* __restrict acc, float* __restrict table, float* __restrict state) {
    const auto zero = aie::zeros<float, 16>();
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_UNROLL(4)
    for (int i = 0; i < FOURS * FOURS; i++) aie::store_v(acc + i * SUMS, zero);
    for (int i = 0; i < FOURS; i++) {
        aie::store_v(state + i * SUMS, zero);
        aie::store_v(table + i * SUMS, aie::broadcast<float, 16>(MIDDLE));
    }
}

// Makes the softmax weights P of one key tile; if a row's scores have left the window around its reference, moves the
// reference first. q: from attn_query. k: the activation block of key tile kt. p: the weights, [queries / 4][keys / 8]
// sub-tiles.
void attn_scores(const bfloat16* __restrict q, const bfloat16* __restrict k, bfloat16* __restrict p,
                 float* __restrict acc, float* __restrict table, float* __restrict state,
                 const int32_t* __restrict prm, int32_t kt) {
    set_modes();
    const int valid = prm[command::attention::VALID_KEYS] - kt * KEYS;
    bfloat16* peaks = reinterpret_cast<bfloat16*>(table + FOURS * SUMS);
    Narrow low = aie::broadcast<bfloat16, 16>(LOW);
    if (kt) low = aie::broadcast<bfloat16, 16>(NEVER);
    AIE_LOOP_NO_UNROLL
    for (int round = 0;; round++) {
        const Narrow32 peak = weigh(q, k, p, table, peaks, valid);
        if (round == ROUNDS || (kt && aie::ge(peak, aie::broadcast<bfloat16, 32>(HIGH)).empty())) return;
        if (!move_references(acc, state, table, peaks, low, kt)) return;
    }
}

// O += P V, and adds P, as it was rounded, to the sums of P. p: from attn_scores. v: the activation block of the key
// tile.
void attn_values(const bfloat16* __restrict p, const bfloat16* __restrict v, float* __restrict acc,
                 float* __restrict state) {
    const auto ones = aie::broadcast<bfloat16, 32>(1.0f);
    AIE_LOOP_NO_UNROLL
    for (int four = 0; four < 4; four++) {  // times four sub-tiles of queries
        const bfloat16* __restrict weights = p + four * 4 * EIGHTS * SUB_TILE;
        float* __restrict total = state + four * 4 * SUMS;
        Product sums[4];
        AIE_LOOP_UNROLL_FULL
        for (int i = 0; i < 4; i++) sums[i] = Product(aie::load_v<16>(total + i * SUMS));
        AIE_PREPARE_FOR_PIPELINING
        AIE_LOOP_RANGE(EIGHTS, EIGHTS)
        for (int k = 0; k < EIGHTS; k++) {
            AIE_LOOP_UNROLL_FULL
            for (int i = 0; i < 4; i++) sums[i].mac(aie::load_v<32>(weights + (i * EIGHTS + k) * SUB_TILE), ones);
        }
        AIE_LOOP_UNROLL_FULL
        for (int i = 0; i < 4; i++) aie::store_v(total + i * SUMS, sums[i].template to_vector<float>());
        AIE_LOOP_NO_UNROLL
        for (int d = 0; d < EIGHTS; d++) {  // eight dims
            float* __restrict out = acc + (four * 4 * FOURS + 2 * d) * SUMS;
            Product context[4][2];
            AIE_LOOP_UNROLL_FULL
            for (int i = 0; i < 4; i++) {
                context[i][0] = Product(aie::load_v<16>(out + i * FOURS * SUMS));
                context[i][1] = Product(aie::load_v<16>(out + i * FOURS * SUMS + SUMS));
            }
            AIE_LOOP_UNROLL_FULL
            for (int k = 0; k < EIGHTS; k++) {
                const auto upper = aie::load_v<32>(v + (2 * k * EIGHTS + d) * SUB_TILE);
                const auto lower = aie::load_v<32>(v + ((2 * k + 1) * EIGHTS + d) * SUB_TILE);
                const auto [left, right] = aie::interleave_unzip(upper, lower, 4);  // 8 keys x 4 dims each
                AIE_LOOP_UNROLL_FULL
                for (int i = 0; i < 4; i++) {
                    const auto row = aie::load_v<32>(weights + (i * EIGHTS + k) * SUB_TILE);
                    context[i][0].mac(row, left);
                    context[i][1].mac(row, right);
                }
            }
            AIE_LOOP_UNROLL_FULL
            for (int i = 0; i < 4; i++) {
                aie::store_v(out + i * FOURS * SUMS, context[i][0].template to_vector<float>());
                aie::store_v(out + i * FOURS * SUMS + SUMS, context[i][1].template to_vector<float>());
            }
        }
    }
}

// c = O / sums of P, in bfloat16, as an activation block.
void attn_end(const float* __restrict acc, const float* __restrict state, bfloat16* __restrict c) {
    set_modes();
    AIE_LOOP_NO_UNROLL
    for (int tile = 0; tile < FOURS; tile++) {
        const Pair factor = floats::split(floats::reciprocal(Floats(aie::load_v<16>(state + tile * SUMS))));
        AIE_PREPARE_FOR_PIPELINING
        AIE_LOOP_UNROLL(4)
        for (int d = 0; d < EIGHTS; d++) {
            Narrow out[2];
            AIE_LOOP_UNROLL_FULL
            for (int i = 0; i < 2; i++) {
                const Floats x(aie::load_v<16>(acc + (tile * FOURS + 2 * d + i) * SUMS));
                out[i] = floats::times(floats::split(x), factor).to_vector<bfloat16>();
            }
            const auto [first_half, second_half] = aie::interleave_zip(out[0], out[1], 4);
            aie::store_v(c + (tile * EIGHTS + d) * SUB_TILE, aie::concat(first_half, second_half));
        }
    }
}

}  // extern "C"
