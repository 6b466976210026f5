// aie::vector and aie::mask, and moving vectors to and from memory.
//
// API: aie_api vector.hpp, mask.hpp, aie.hpp@2a408059.
#pragma once

#include "types.hpp"

namespace aie {

namespace host {
// refuse() stops the process where a core would silently do something wrong. dprintf is declared here, because kernels
// see no C library.
extern "C" int dprintf(int file, const char* format, ...);
[[gnu::cold, gnu::noinline]] inline void refuse(const char* what) {
    dprintf(2, "A kernel asks for what AIE2 does not do: %s\n", what);
    __builtin_abort();
}
HOST_INLINE void no_shift(int shift) {
    if (shift != 0) [[unlikely]]
        refuse("between 32-bit integers and acc32 the shift is ignored");
}
// AIE2 ignores the low address bits of an aligned access, up to 256 bits.
template <typename T, unsigned N>
HOST_INLINE void check_alignment(const T* pointer) {
    constexpr uintptr_t bytes = sizeof(T) * N < 32 ? sizeof(T) * N : 32;
    if (reinterpret_cast<uintptr_t>(pointer) % bytes) [[unlikely]]
        refuse("the low bits of a vector's address are ignored");
}
}  // namespace host

template <typename T, unsigned N>
class vector {
  public:
    using value_type = T;
    using raw_type = host::raw<T>;
    using native_type = host::native<raw_type, N>;

    native_type data{};

    vector() = default;
    explicit vector(native_type lanes) : data(lanes) {}

    static constexpr unsigned size() { return N; }
    static constexpr unsigned bits() { return N * sizeof(T) * 8; }

    T get(unsigned i) const { return host::from_raw<T>(data[i]); }
    void set(T value, unsigned i) { data[i] = host::to_raw(value); }

    struct element_ref {
        vector& parent;
        unsigned index;
        operator T() const { return parent.get(index); }
        element_ref& operator=(const element_ref& other) { return *this = T(other); }
        element_ref& operator=(T value) {
            parent.set(value, index);
            return *this;
        }
    };
    T operator[](unsigned i) const { return get(i); }
    element_ref operator[](unsigned i) { return {*this, i}; }

    template <unsigned M>
    vector<T, M> extract(unsigned index) const {
        return vector<T, M>(host::part<raw_type, M, N>(data, index));
    }
    template <unsigned M>
    vector& insert(unsigned index, const vector<T, M>& v) {
        host::put<raw_type, M, N>(data, index, v.data);
        return *this;
    }
    // The added lanes are undefined on hardware, zero here.
    template <unsigned M>
    vector<T, M> grow(unsigned index = 0) const {
        vector<T, M> out;
        return out.insert(index, *this);
    }
    template <typename U>
    auto cast_to() const {
        using V = vector<U, N * sizeof(T) / sizeof(U)>;
        return V(reinterpret_cast<typename V::native_type>(data));
    }
    void load(const T* pointer) { std::memcpy(&data, pointer, sizeof(data)); }
    void store(T* pointer) const { std::memcpy(static_cast<void*>(pointer), &data, sizeof(data)); }
};

template <unsigned N>
class mask {
  public:
    host::native<int8_t, N> data{};  // -1 where set

    mask() = default;
    explicit mask(host::native<int8_t, N> lanes) : data(lanes) {}
    static constexpr unsigned size() { return N; }
    bool test(unsigned i) const { return data[i] != 0; }
    void set(unsigned i) { data[i] = -1; }
    void clear(unsigned i) { data[i] = 0; }
    unsigned count() const {
        unsigned set = 0;
        for (unsigned i = 0; i < N; i++) set += data[i] != 0;
        return set;
    }
    bool empty() const { return count() == 0; }
    bool full() const { return count() == N; }
    static mask from_uint32(uint32_t word) requires(N <= 32) {
        mask m;
        for (unsigned i = 0; i < N; i++) m.data[i] = -int8_t(word >> i & 1);
        return m;
    }
    mask operator~() const { return mask(~data); }
    mask operator&(const mask& other) const { return mask(data & other.data); }
    mask operator|(const mask& other) const { return mask(data | other.data); }
    mask operator^(const mask& other) const { return mask(data ^ other.data); }
    bool operator==(const mask& other) const { return (*this ^ other).empty(); }
};

namespace host {
// AIE2 has vectors of 128, 256, 512 and 1024 bits (detail/aie2/vector_native_types.hpp).
template <typename T, unsigned N>
inline constexpr bool is_vector_size = std::has_single_bit(N) && sizeof(T) * N >= 16 && sizeof(T) * N <= 128;
}  // namespace host

template <typename T, unsigned N>
HOST_INLINE vector<T, N> broadcast(T value) {
    static_assert(host::is_vector_size<T, N>);
    return vector<T, N>(typename vector<T, N>::native_type{} + host::to_raw(value));
}
// Pointers of any alignment; `aligned_elems` is a hint.
template <unsigned N, typename T>
HOST_INLINE vector<T, N> load_unaligned_v(const T* pointer, [[maybe_unused]] unsigned aligned_elems = 1) {
    static_assert(host::is_vector_size<T, N>);
    vector<T, N> out;
    out.load(pointer);
    return out;
}
template <typename T, unsigned N>
HOST_INLINE T* store_unaligned_v(T* pointer, const vector<T, N>& v, [[maybe_unused]] unsigned aligned_elems = 1) {
    v.store(pointer);
    return pointer;
}

template <unsigned N, typename T>
HOST_INLINE vector<T, N> load_v(const T* pointer) {
    host::check_alignment<T, N>(pointer);
    return load_unaligned_v<N>(pointer);
}
template <typename T, unsigned N>
HOST_INLINE T* store_v(T* pointer, const vector<T, N>& v) {
    host::check_alignment<T, N>(pointer);
    return store_unaligned_v(pointer, v);
}

}  // namespace aie
