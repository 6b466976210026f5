// Element types, accumulator tags and the lane storage of the host implementation of aie_api (AIE2 subset).
//
// Signatures follow AMD's aie_api (include/aie_api/*.hpp@2a408059). Only what is exact on the host is here: an
// operation that is missing must not compile. Lanes hold raw bits (bfloat16 in 16, float in 32), so no host float rule
// leaks in.
#pragma once

#include <stdint.h>

#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

using int8 = int8_t;
using uint8 = uint8_t;
using int16 = int16_t;
using uint16 = uint16_t;
using int32 = int32_t;
using uint32 = uint32_t;

// A bfloat16 scalar: storage only. Conversion from float rounds to nearest even, as the compiler's scalar conversion
// does; vector conversions follow the rounding register instead (accum::to_vector).
struct bfloat16 {
    uint16_t bits = 0;
    bfloat16() = default;
    constexpr bfloat16(float value) : bits(round(std::bit_cast<uint32_t>(value))) {}
    constexpr operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
    static constexpr bfloat16 from_bits(uint16_t bits) {
        bfloat16 value;
        value.bits = bits;
        return value;
    }

  private:
    static constexpr uint16_t round(uint32_t b) {
        if ((b & 0x7fffffff) > 0x7f800000) return uint16_t(b >> 16 | 0x40);
        return uint16_t((b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
};

struct acc32;
struct acc64;
struct accfloat;
struct accauto;

#define HOST_INLINE inline __attribute__((always_inline))
#define HOST_LAMBDA __attribute__((always_inline))

namespace aie::host {

// The GCC vector of N lanes of the raw type R.
template <typename R, unsigned N>
struct native_type {
    typedef R type __attribute__((vector_size(sizeof(R) * N)));
};
template <typename R, unsigned N>
using native = typename native_type<R, N>::type;

// The raw type that carries an element or accumulator lane.
template <typename T>
struct raw_type;
// clang-format off
template <> struct raw_type<int8> { using type = int8_t; };
template <> struct raw_type<uint8> { using type = uint8_t; };
template <> struct raw_type<int16> { using type = int16_t; };
template <> struct raw_type<uint16> { using type = uint16_t; };
template <> struct raw_type<int32> { using type = int32_t; };
template <> struct raw_type<uint32> { using type = uint32_t; };
template <> struct raw_type<bfloat16> { using type = uint16_t; };
template <> struct raw_type<float> { using type = uint32_t; };
template <> struct raw_type<acc32> { using type = int32_t; };
template <> struct raw_type<acc64> { using type = int64_t; };
template <> struct raw_type<accfloat> { using type = uint32_t; };
// clang-format on
template <typename T>
using raw = typename raw_type<T>::type;

template <typename T>
inline constexpr bool is_float = std::is_same_v<T, bfloat16> || std::is_same_v<T, float>;
template <typename T>
inline constexpr bool is_element = is_float<T> || (std::is_integral_v<T> && sizeof(T) <= 4);

template <typename T>
HOST_INLINE raw<T> to_raw(T value) {
    return std::bit_cast<raw<T>>(value);
}
template <typename T>
HOST_INLINE T from_raw(raw<T> bits) {
    return std::bit_cast<T>(bits);
}

template <typename V>
using lane = std::remove_cvref_t<decltype(V{}[0])>;
template <typename V>
inline constexpr unsigned lane_count = sizeof(V) / sizeof(lane<V>);
// The vector of R that has as many lanes as V.
template <typename R, typename V>
using like = native<R, lane_count<V>>;

// Lane-wise value conversion of native vectors.
template <typename R, unsigned N, typename V>
HOST_INLINE native<R, N> convert(V v) {
    return __builtin_convertvector(v, native<R, N>);
}

// part() returns part `index` of v, M lanes wide; put() replaces that part of v.
template <typename R, unsigned M, unsigned N>
HOST_INLINE native<R, M> part(native<R, N> v, unsigned index) {
    static_assert(M <= N);
    native<R, M> out;
    std::memcpy(&out, reinterpret_cast<const char*>(&v) + index % (N / M) * sizeof(out), sizeof(out));
    return out;
}
template <typename R, unsigned M, unsigned N>
HOST_INLINE void put(native<R, N>& v, unsigned index, const native<R, M>& p) {
    static_assert(M <= N);
    std::memcpy(reinterpret_cast<char*>(&v) + index % (N / M) * sizeof(p), &p, sizeof(p));
}

#if !__has_builtin(__builtin_shufflevector)  // g++ 11
template <size_t... I, typename V>
HOST_INLINE native<lane<V>, sizeof...(I)> shuffled(V a, V b) {
    constexpr size_t n = lane_count<V>;
    return native<lane<V>, sizeof...(I)>{(I < n ? a[I % n] : b[I % n])...};
}
#define __builtin_shufflevector(a, b, ...) aie::host::shuffled<__VA_ARGS__>(a, b)
#endif

// Parts whose place the compiler knows, without memory: lanes_from() returns M lanes from lane `First` on, join() one
// vector of two halves.
template <unsigned M, unsigned First, typename V>
HOST_INLINE auto lanes_from(V v) {
    return [&]<size_t... I>(std::index_sequence<I...>) HOST_LAMBDA {
        return __builtin_shufflevector(v, v, (First + I)...);
    }
    (std::make_index_sequence<M>());
}
template <typename V>
HOST_INLINE auto join(V low, V high) {
    return [&]<size_t... I>(std::index_sequence<I...>) HOST_LAMBDA { return __builtin_shufflevector(low, high, I...); }
    (std::make_index_sequence<2 * lane_count<V>>());
}

#ifdef __AVX512F__
inline constexpr unsigned register_bytes = 64;
#else
inline constexpr unsigned register_bytes = 32;
#endif

// Applies f to groups of lanes and returns the results, of type R, as one vector. A group has as many lanes as fit into
// a register if the work on a lane takes Bytes; g++ would take longer vectors apart lane by lane.
template <typename R, unsigned Bytes, typename F, typename V, typename... More>
HOST_INLINE like<R, V> in_groups(F f, V v, More... more) {
    constexpr unsigned n = lane_count<V>, width = register_bytes / Bytes;
    if constexpr (n <= width) {
        return f(v, more...);
    } else {
        like<R, V> out;
        for (unsigned i = 0; i < n / width; i++)
            put<R, width, n>(out, i, f(part<lane<V>, width, n>(v, i), part<lane<More>, width, n>(more, i)...));
        return out;
    }
}

// Returns whether any lane of a comparison result is set.
template <typename R, unsigned N>
HOST_INLINE bool any(native<R, N> lanes) {
    uint64_t words[(sizeof(lanes) + 7) / 8] = {};
    std::memcpy(words, &lanes, sizeof(lanes));
    uint64_t set = 0;
    for (const uint64_t word : words) set |= word;
    return set != 0;
}

}  // namespace aie::host
