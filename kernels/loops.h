// Loop hints for the AIE2 compiler; nothing on the host. Names as in mlir-aie aie_kernels/aie_kernel_utils.h@979629649.
#pragma once

#if defined(__AIECC__) && !defined(__chess__)
#define LOOPS_TEXT(x) #x
#define LOOPS_PRAGMA(x) _Pragma(LOOPS_TEXT(clang loop x))
#define AIE_LOOP_UNROLL(n) LOOPS_PRAGMA(unroll_count(n))
#define AIE_LOOP_UNROLL_FULL LOOPS_PRAGMA(unroll(full))
#define AIE_LOOP_NO_UNROLL LOOPS_PRAGMA(unroll(disable))
#define AIE_LOOP_MIN_ITERATION_COUNT(n) LOOPS_PRAGMA(min_iteration_count(n))
#define AIE_LOOP_MAX_ITERATION_COUNT(n) LOOPS_PRAGMA(max_iteration_count(n))
#define AIE_LOOP_RANGE(low, high) AIE_LOOP_MIN_ITERATION_COUNT(low) AIE_LOOP_MAX_ITERATION_COUNT(high)
#else
#define AIE_LOOP_UNROLL(n)
#define AIE_LOOP_UNROLL_FULL
#define AIE_LOOP_NO_UNROLL
#define AIE_LOOP_MIN_ITERATION_COUNT(n)
#define AIE_LOOP_MAX_ITERATION_COUNT(n)
#define AIE_LOOP_RANGE(low, high)
#endif
#define AIE_PREPARE_FOR_PIPELINING
