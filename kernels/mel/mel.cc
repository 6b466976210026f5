// Mel energies of a few frames of speech, for the bins and bands of one core. README.md has the reasons for the scheme.
//
// A sample is two int16 planes, high and low: x = high * 8192 + low. They arrive in blocks of 16 high, then 16 low. The
// frame is folded around its middle, x[n] + x[400 - n] for the cosines and x[n] - x[400 - n] for the sines, so that the
// table has half the rows. Sub-tiles are 4 samples by 4 frames, so a product of the table with them is 4 bins by 4
// frames.
#include <aie_api/aie.hpp>
#include <stdint.h>

#include "loops.h"

namespace {

constexpr unsigned PLANE = 16;                    // samples of a block
constexpr unsigned BLOCK = 2 * PLANE;             // elements of a block
constexpr unsigned HOP = 160 / PLANE * BLOCK;     // elements from frame to frame
constexpr unsigned LAST_BLOCK = 400 / PLANE - 1;  // of a frame
constexpr unsigned FOLDS = 13;                    // blocks of the first half of a frame
constexpr unsigned STEPS = 51;                    // sub-tiles of the half that the table has rows for: n = 0 to 203
constexpr unsigned TILE = 16;                     // elements of a sub-tile
constexpr unsigned BIN_BLOCKS = 7;                // of 8 bins: two sub-tiles of cosines, two of sines
constexpr unsigned KEEP_HIGH = 6, KEEP_LOW = 19;  // shifts that leave 30 bits; 13 apart, as the planes are

using Samples = aie::vector<int16, TILE>;
using Dft = aie::mmul<4, 4, 4, int16, int16>;
using Mel = aie::mmul<4, 8, 4, bfloat16, bfloat16>;

// Returns sixteen samples of one plane of four frames, transposed: four sub-tiles, one after the other.
inline aie::vector<int16, 4 * TILE> transposed(const int16* const* frames, unsigned at) {
    return aie::transpose(aie::concat(aie::load_v<PLANE>(frames[0] + at), aie::load_v<PLANE>(frames[1] + at),
                                      aie::load_v<PLANE>(frames[2] + at), aie::load_v<PLANE>(frames[3] + at)),
                          4, PLANE);
}

// Makes the sums and differences of four frames: for every sub-tile those of the high plane, then those of the low.
// Rows of the mirrored sub-tile run backwards from 400 - n: row 0 is in the sub-tile above, the others in this one, and
// two products with permutations pick them. The permutations carry the power of two that the table's rows lack.
inline void fold(const int16* const* frames, const int16* __restrict permutations, int16* __restrict folded) {
    for (unsigned plane = 0; plane < 2; plane++) {
        Samples above = aie::zeros<int16, TILE>();
        for (unsigned block = 0; block < FOLDS; block++) {
            const int16* set = permutations + (block < 4 ? 0 : block < 6 ? 1 : 2) * 3 * TILE;
            const Samples forward = aie::load_v<TILE>(set);
            const Samples backward = aie::load_v<TILE>(set + TILE);
            const Samples first = aie::load_v<TILE>(set + 2 * TILE);
            const auto near = transposed(frames, block * BLOCK + plane * PLANE);
            const auto far = transposed(frames, (LAST_BLOCK - block) * BLOCK + plane * PLANE);
            int16* out = folded + (block * 4 * 2 + plane) * 2 * TILE;
            AIE_LOOP_UNROLL_FULL
            for (unsigned i = 0; i < 4; i++) {
                const Samples below = far.extract<TILE>(3 - i);
                Dft straight, mirrored;
                straight.mul(forward, near.extract<TILE>(i));
                mirrored.mul(backward, below);
                mirrored.mac(first, above);
                const Samples x = straight.to_vector<int16>(), y = mirrored.to_vector<int16>();
                aie::store_v(out, aie::add(x, y));
                aie::store_v(out + TILE, aie::sub(x, y));
                out += 4 * TILE;
                above = below;
            }
        }
    }
}

// Returns both planes of a product as one integer of 30 bits.
inline aie::vector<int32, 16> joined(const Dft& high, const Dft& low) {
    return aie::add(high.to_vector<int32>(KEEP_HIGH), low.to_vector<int32>(KEEP_LOW));
}

// Makes |X|^2 of eight bins at a time: 8 bins by 4 frames, the layout that the mel product takes.
inline void power_spectrum(const int16* __restrict table, const int16* __restrict folded, bfloat16* __restrict power) {
    for (unsigned block = 0; block < BIN_BLOCKS; block++) {
        const auto zero = aie::zeros<acc64, 16>();
        Dft re0_high(zero), re1_high(zero), im0_high(zero), im1_high(zero);
        Dft re0_low(zero), re1_low(zero), im0_low(zero), im1_low(zero);
        const int16* __restrict x = folded;
        AIE_LOOP_UNROLL(17)
        for (unsigned step = 0; step < STEPS; step++) {
            const Samples sum_high = aie::load_v<TILE>(x), difference_high = aie::load_v<TILE>(x + TILE);
            const Samples sum_low = aie::load_v<TILE>(x + 2 * TILE), difference_low = aie::load_v<TILE>(x + 3 * TILE);
            const Samples cos0 = aie::load_v<TILE>(table), cos1 = aie::load_v<TILE>(table + TILE);
            const Samples sin0 = aie::load_v<TILE>(table + 2 * TILE), sin1 = aie::load_v<TILE>(table + 3 * TILE);
            re0_high.mac(cos0, sum_high);
            re1_high.mac(cos1, sum_high);
            im0_high.mac(sin0, difference_high);
            im1_high.mac(sin1, difference_high);
            re0_low.mac(cos0, sum_low);
            re1_low.mac(cos1, sum_low);
            im0_low.mac(sin0, difference_low);
            im1_low.mac(sin1, difference_low);
            x += 4 * TILE;
            table += 4 * TILE;
        }
        const auto re = aie::to_float<bfloat16>(aie::concat(joined(re0_high, re0_low), joined(re1_high, re1_low)));
        const auto im = aie::to_float<bfloat16>(aie::concat(joined(im0_high, im0_low), joined(im1_high, im1_low)));
        const auto sum = aie::mac(aie::mul(re, re), im, im);
        aie::store_v(power, sum.to_vector<bfloat16>());
        power += sum.size();
    }
}

// Makes the energies of four bands by four frames at a time. Group g takes `spans[2 g + 1]` blocks of bins, from block
// `spans[2 g]` on; none if another core of the column has more groups than this one.
inline void mel_energies(const bfloat16* __restrict power, const bfloat16* __restrict weights,
                         const int32* __restrict spans, int32 groups, bfloat16* __restrict out) {
    for (int32 group = 0; group < groups; group++) {
        const bfloat16* bins = power + spans[2 * group] * Mel::size_B;
        Mel energy(aie::zeros<accfloat, 16>());
        for (int32 block = spans[2 * group + 1]; block > 0; block--) {
            energy.mac(aie::load_v<Mel::size_A>(weights), aie::load_v<Mel::size_B>(bins));
            weights += Mel::size_A;
            bins += Mel::size_B;
        }
        aie::store_v(out, energy.to_vector<bfloat16>());
        out += Mel::size_C;
    }
}

}  // namespace

// Turns `frames` frames of an object from int16 samples into bf16 energies, [frames / 4, rounded up][band groups]
// [4 bands][4 frames]. If the last group has fewer than four frames, the last frame takes the places of the missing ones.
extern "C" void mel_frames(const int16* __restrict samples, const int16* __restrict table,
                           const bfloat16* __restrict weights, const int32* __restrict spans, int16* __restrict folded,
                           bfloat16* __restrict power, bfloat16* __restrict out, int32 frames, int32 groups) {
    aie::set_rounding(aie::rounding_mode::conv_even);
    aie::set_saturation(aie::saturation_mode::saturate);
    const int16* permutations = table;
    table += 3 * 3 * TILE;
    for (int32 frame = 0; frame < frames; frame += 4) {
        const int16* four[4];
        for (int32 i = 0; i < 4; i++) four[i] = samples + (frame + i < frames ? frame + i : frames - 1) * HOP;
        fold(four, permutations, folded);
        power_spectrum(table, folded, power);
        mel_energies(power, weights, spans, groups, out);
        out += groups * Mel::size_C;
    }
}
