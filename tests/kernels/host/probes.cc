// Small functions that hand each operation of the host's aie_api to the tests: pointers in, pointers out.
#include <stdint.h>

#include <aie_api/aie.hpp>

using aie::accum;
using aie::load_v;
using aie::store_v;
using aie::vector;

extern "C" {

void set_modes(int32_t rounding, int32_t saturation) {
    aie::set_rounding(static_cast<aie::rounding_mode>(rounding));
    aie::set_saturation(static_cast<aie::saturation_mode>(saturation));
}
int32_t get_modes() { return int32_t(aie::get_rounding()) * 16 + int32_t(aie::get_saturation()); }

// Sixteen lanes of an accumulator of RAW bits, narrowed to T.
#define NARROW(tag, raw, T)                                         \
    void narrow_##tag##_##T(const raw* in, T* out, int32_t shift) { \
        accum<tag, 16> acc;                                         \
        for (unsigned i = 0; i < 16; i++) acc.data[i] = in[i];      \
        store_v(out, acc.to_vector<T>(shift));                      \
    }
NARROW(acc32, int32_t, int8)
NARROW(acc32, int32_t, uint8)
NARROW(acc32, int32_t, int16)
NARROW(acc32, int32_t, uint16)
NARROW(acc64, int64_t, int8)
NARROW(acc64, int64_t, uint8)
NARROW(acc64, int64_t, int16)
NARROW(acc64, int64_t, uint16)
NARROW(acc64, int64_t, int32)
NARROW(acc64, int64_t, uint32)

void widen_int16(const int16* in, int32* out, int32_t shift) {
    store_v(out, accum<acc32, 16>(load_v<16>(in), shift).to_vector<int32>());
}
void upshift_int16(const int16* in, int16* out, int32_t n) { store_v(out, aie::upshift(load_v<32>(in), unsigned(n))); }
void downshift_int32(const int32* in, int32* out, int32_t n) {
    store_v(out, aie::downshift(load_v<16>(in), unsigned(n)));
}
void downshift_int8(const int8* in, int8* out, int32_t n) { store_v(out, aie::downshift(load_v<32>(in), unsigned(n))); }

#define FLOATS(name, N, expression)                                                 \
    void name(const float* acc, const bfloat16* a, const bfloat16* b, float* out) { \
        const accum<accfloat, N> c(load_v<N>(acc));                                 \
        const auto x = load_v<N>(a), y = load_v<N>(b);                              \
        store_v(out, accum<accfloat, N>(expression).to_vector<float>());            \
        (void)c, (void)y;                                                           \
    }
FLOATS(mac_16, 16, aie::mac(c, x, y))
FLOATS(mac_8, 8, aie::mac(c, x, y))
FLOATS(mac_32, 32, aie::mac(c, x, y))
FLOATS(mac_scalar_16, 16, aie::mac(c, x[0], y))
FLOATS(msc_16, 16, aie::msc(c, x, y))
FLOATS(mul_16, 16, aie::mul(x, y))
FLOATS(mul_scalar_16, 16, aie::mul(x, y[0]))
FLOATS(negmul_16, 16, aie::negmul(x, y))
FLOATS(add_vector_16, 16, aie::add(c, x))
FLOATS(sub_vector_16, 16, aie::sub(c, x))

void add_accums(const float* a, const float* b, float* out) {
    store_v(out, aie::add(accum<accfloat, 16>(load_v<16>(a)), accum<accfloat, 16>(load_v<16>(b))).to_vector<float>());
}
void sub_floats(const float* a, const float* b, float* out) { store_v(out, aie::sub(load_v<16>(a), load_v<16>(b))); }
void add_bfloat16(const bfloat16* a, const bfloat16* b, bfloat16* out) {
    store_v(out, aie::add(load_v<32>(a), load_v<32>(b)));
}
void to_bfloat16(const float* in, bfloat16* out) {
    store_v(out, accum<accfloat, 16>(load_v<16>(in)).to_vector<bfloat16>());
}
void neg_abs_bfloat16(const bfloat16* in, bfloat16* out) {
    store_v(out, aie::neg(load_v<16>(in)));
    store_v(out + 16, aie::abs(load_v<16>(in)));
}

// c += a @ b over `steps` tiles of K, one after the other; c starts at zero where `steps` is negative.
void mmul_bfloat16(const bfloat16* a, const bfloat16* b, float* c, int32_t steps) {
    using shape = aie::mmul<4, 8, 4, bfloat16, bfloat16>;
    shape tile(load_v<shape::size_C>(c));
    if (steps < 0) tile.mul(load_v<32>(a), load_v<32>(b));
    for (int32_t k = 0; k < steps; k++) tile.mac(load_v<32>(a + k * 32), load_v<32>(b + k * 32));
    store_v(c, tile.to_vector<float>());
}
void mmul_int8(const int8* a, const int8* b, int32* c) {
    aie::mmul<4, 8, 8, int8, int8> tile(accum<acc32, 32>(load_v<32>(c)));
    tile.mac(load_v<32>(a), load_v<64>(b));
    store_v(c, tile.to_vector<int32>());
}
void mmul_int16(const int16* a, const int16* b, const int32* c, int32* out, int32_t shift) {
    aie::mmul<4, 4, 4, int16, int16> tile(load_v<16>(c), shift);
    tile.mac(load_v<16>(a), load_v<16>(b));
    store_v(out, tile.to_vector<int32>(shift));
}
void mmul_int16_acc32(const int16* a, const int16* b, int32* out) {
    aie::mmul<4, 2, 8, int16, int16> tile;
    tile.mul(load_v<8>(a), load_v<16>(b));
    store_v(out, tile.to_vector<int32>());
}
void mac_int16(const int32* acc, const int16* a, const int16* b, int32* out) {
    const accum<acc32, 16> c(load_v<16>(acc));
    store_v(out, aie::mac(c, load_v<16>(a), load_v<16>(b)).to_vector<int32>());
    store_v(out + 16, aie::msc(c, load_v<16>(a), load_v<16>(b)).to_vector<int32>());
    store_v(out + 32, aie::mul<acc64>(load_v<16>(a), load_v<16>(b)).to_vector<int32>(1));
    store_v(out + 48, aie::negmul(load_v<16>(a), load_v<16>(b)).to_vector<int32>());
}

// lt le gt ge eq neq as 0/1 bytes, then max and min.
#define COMPARE(T, N)                                                                \
    void compare_##T(const T* a, const T* b, uint8* flags, T* extremes) {            \
        const auto x = load_v<N>(a), y = load_v<N>(b);                               \
        const aie::mask<N> masks[] = {aie::lt(x, y), aie::le(x, y), aie::gt(x, y),   \
                                      aie::ge(x, y), aie::eq(x, y), aie::neq(x, y)}; \
        for (unsigned m = 0; m < 6; m++)                                             \
            for (unsigned i = 0; i < N; i++) flags[m * N + i] = masks[m].test(i);    \
        store_v(extremes, aie::max(x, y));                                           \
        store_v(extremes + N, aie::min(x, y));                                       \
        store_v(extremes + 2 * N, aie::select(x, y, masks[0]));                      \
    }
COMPARE(bfloat16, 32)
COMPARE(int8, 32)
COMPARE(uint16, 32)
COMPARE(int32, 16)

#define REDUCE(T, N)                             \
    void reduce_##T##_##N(const T* in, T* out) { \
        const auto v = load_v<N>(in);            \
        out[0] = aie::reduce_add(v);             \
        out[1] = aie::reduce_max(v);             \
        out[2] = aie::reduce_min(v);             \
    }
REDUCE(bfloat16, 8)
REDUCE(bfloat16, 16)
REDUCE(bfloat16, 32)
REDUCE(bfloat16, 64)
REDUCE(int8, 16)
REDUCE(int8, 64)
REDUCE(int16, 32)
REDUCE(int32, 16)
REDUCE(int32, 32)
void reduce_float_16(const float* in, float* out) { out[0] = aie::reduce_add(load_v<16>(in)); }
void reduce_float_32(const float* in, float* out) { out[0] = aie::reduce_add(load_v<32>(in)); }

void inv_bfloat16(const bfloat16* in, bfloat16* out) { store_v(out, aie::inv(load_v<16>(in))); }
void invsqrt_bfloat16(const bfloat16* in, bfloat16* out) { store_v(out, aie::invsqrt(load_v<16>(in))); }
void to_float_int32(const int32* in, float* out, int32_t shift) { store_v(out, aie::to_float(load_v<16>(in), shift)); }
void to_float_int16(const int16* in, float* out, int32_t shift) { store_v(out, aie::to_float(load_v<16>(in), shift)); }
void to_fixed_int32(const float* in, int32* out, int32_t shift) {
    store_v(out, aie::to_fixed<int32>(load_v<16>(in), shift));
}
void to_fixed_int16(const float* in, int16* out, int32_t shift) {
    store_v(out, aie::to_fixed<int16>(load_v<16>(in), shift));
}

// Where lanes go: 16 lanes in (and 16 more), the results one after the other.
void moves(const int16* in, int16* out, int32_t step) {
    const auto a = load_v<16>(in), b = load_v<16>(in + 16);
    const unsigned n = unsigned(step);
    const auto [low, high] = aie::interleave_zip(a, b, n);
    const auto [even, odd] = aie::interleave_unzip(a, b, n);
    const vector<int16, 16> all[] = {low,
                                     high,
                                     even,
                                     odd,
                                     aie::concat(aie::filter_even(a, n), aie::filter_odd(a, n)),
                                     aie::transpose(a, 2, 8),
                                     aie::transpose(a, 8, 2),
                                     aie::transpose(a, 4, 4),
                                     aie::reverse(a),
                                     aie::shuffle_up(a, n),
                                     aie::shuffle_down(a, n),
                                     aie::shuffle_up_rotate(a, n),
                                     aie::shuffle_down_rotate(a, n)};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) store_v(out + 16 * i, all[i]);
}
void parts(const int16* in, int16* out) {
    vector<int16, 32> v = load_v<32>(in);
    store_v(out, v.extract<8>(3));
    v.insert(2, v.extract<8>(0));
    v[1] = v[0];
    v.set(v.get(31), 30);
    store_v(out + 32, v);
    auto it = aie::begin_vector<8>(out + 64);
    auto from = aie::cbegin_vector<8>(in);
    for (unsigned i = 0; i < 4; i++) *it++ = aie::add(*from++, int16(1));
    aie::store_unaligned_v(out + 97, aie::load_unaligned_v<8>(in + 3));
}
void bits(const int16* a, const int16* b, int16* out) {
    const auto x = load_v<16>(a), y = load_v<16>(b);
    const vector<int16, 16> all[] = {aie::bit_and(x, y), aie::bit_or(x, y), aie::bit_xor(x, y), aie::bit_not(x),
                                     aie::add(x, y),     aie::sub(x, y),    aie::neg(x),        aie::abs(x)};
    for (unsigned i = 0; i < 8; i++) store_v(out + 16 * i, all[i]);
}
}
