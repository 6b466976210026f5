// GELU as a kernel of its own, for tests. In a design GELU is part of a matrix product's epilogue (matmul/matmul.cc).
#include "gelu.h"

#include "loops.h"

// c[i] = gelu(x[i]), from fp32 to bf16 rounded to even. count is a multiple of 32.
extern "C" void gelu_f32(const float* __restrict x, bfloat16* __restrict c, int32_t count) {
    aie::set_rounding(aie::rounding_mode::conv_even);
    aie::set_saturation(aie::saturation_mode::symmetric);
    const gelu::Floats offset(aie::broadcast<float, 32>(gelu::OFFSET));
    AIE_PREPARE_FOR_PIPELINING
    AIE_LOOP_MIN_ITERATION_COUNT(1)
    for (int32_t i = 0; i < count; i += 32) {
        const gelu::Floats shifted = aie::add(gelu::Floats(aie::load_v<32>(x + i)), offset);
        aie::store_v(c + i, gelu::of_shifted(shifted).to_vector<bfloat16>());
    }
}
