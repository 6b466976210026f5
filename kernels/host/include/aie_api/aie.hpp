// Host implementation of the subset of AMD's aie_api that this project's AIE2 kernels use, exact to the bit.
//
// A kernel includes <aie_api/aie.hpp>: with Peano that is AMD's library, with g++ it is this one. Numeric rules and
// their sources stand beside each part; kernels/host/numerics.py states them a second time and the tests compare the
// two.
#pragma once

#include "accum.hpp"
#include "arithmetic.hpp"
#include "compare.hpp"
#include "elementary.hpp"
#include "iterator.hpp"
#include "mmul.hpp"
#include "modes.hpp"
#include "reduce.hpp"
#include "shuffle.hpp"
#include "types.hpp"
#include "vector.hpp"
