// Multiply a block of 256 bf16 values by 256 gains, element by element.
#include <aie_api/aie.hpp>
#include <stdint.h>

#include "loops.h"

// y[i] = x[i] * gains[i], rounded to even. The product of two bf16 values is exact in the fp32 accumulator.
extern "C" void gain(const bfloat16* __restrict x, const bfloat16* __restrict gains, bfloat16* __restrict y) {
    aie::set_rounding(aie::rounding_mode::conv_even);
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_MIN_ITERATION_COUNT(16)
    for (int32_t i = 0; i < 256; i += 16) {
        const auto product = aie::mul(aie::load_v<16>(x + i), aie::load_v<16>(gains + i));
        aie::store_v(y + i, product.to_vector<bfloat16>());
    }
}
