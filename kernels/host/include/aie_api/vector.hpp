// aie::vector, aie::accum and aie::mask, and moving them to and from memory.
//
// API: aie_api vector.hpp, accum.hpp, mask.hpp, aie.hpp@2a408059.
#pragma once

#include "float_fast.hpp"
#include "rounding.hpp"

namespace aie {

template <typename T, unsigned N>
class vector;
template <typename Tag, unsigned N>
class accum;

namespace host {
template <typename T>
struct lanes_of;  // element type or tag, and lane count, of a vector or accumulator
template <typename T, unsigned N>
struct lanes_of<vector<T, N>> {
    using type = T;
    static constexpr unsigned count = N;
};
template <typename X>
concept vector_type = requires {
    typename X::element_type;
};
template <typename X>
concept accum_type = requires {
    typename X::tag_type;
};

// Group `index` of W lanes; a shorter vector is padded with zeros.
template <unsigned W, typename R, unsigned N>
HOST_INLINE native<R, W> group(native<R, N> v, unsigned index) {
    if constexpr (N >= W) {
        return part<R, W, N>(v, index);
    } else {
        native<R, W> padded{};
        put<R, N, W>(padded, 0, v);
        return padded;
    }
}
template <unsigned W, typename R, unsigned N>
HOST_INLINE void put_group(native<R, N>& v, unsigned index, native<R, W> p) {
    if constexpr (N >= W)
        put<R, W, N>(v, index, p);
    else
        v = part<R, N, W>(p, 0);
}
template <unsigned W, unsigned N>
inline constexpr unsigned groups = N >= W ? N / W : 1;

// What AIE2 would do silently wrong stops the process.
extern "C" void abort();
HOST_INLINE void no_shift(int shift) {
    if (shift != 0) [[unlikely]]
        abort();  // aie_api ignores a shift between 32-bit integers and acc32
}
// AIE2 ignores the low address bits of an aligned access, up to 256 bits.
template <typename T, unsigned N>
HOST_INLINE void check_alignment(const T* pointer) {
    constexpr uintptr_t bytes = sizeof(T) * N < 32 ? sizeof(T) * N : 32;
    if (reinterpret_cast<uintptr_t>(pointer) % bytes) [[unlikely]]
        abort();
}
}  // namespace host

template <typename T, unsigned N>
class vector {
  public:
    using value_type = T;
    using element_type = T;
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

template <typename Tag, unsigned N>
class accum {
  public:
    using value_type = Tag;
    using tag_type = Tag;
    using raw_type = host::raw<Tag>;
    using native_type = host::native<raw_type, N>;
    static constexpr bool floating = std::is_same_v<Tag, accfloat>;

    native_type data{};

    accum() = default;
    explicit accum(native_type lanes) : data(lanes) {}
    template <typename T>
    explicit accum(const vector<T, N>& v, int shift = 0) {
        from_vector(v, shift);
    }

    static constexpr unsigned size() { return N; }

    template <unsigned M>
    accum<Tag, M> extract(unsigned index) const {
        return accum<Tag, M>(host::part<raw_type, M, N>(data, index));
    }
    template <unsigned M>
    accum& insert(unsigned index, const accum<Tag, M>& a) {
        host::put<raw_type, M, N>(data, index, a.data);
        return *this;
    }
    template <unsigned M>
    accum<Tag, M> grow() const {
        accum<Tag, M> out;
        return out.insert(0, *this);
    }
    template <typename Other>
    requires(sizeof(host::raw<Other>) == sizeof(raw_type)) accum<Other, N> cast_to()
    const { return accum<Other, N>(reinterpret_cast<typename accum<Other, N>::native_type>(data)); }

    // Float accumulators take bfloat16 or float as they are; integers are shifted up, and saturated to acc32 by the
    // register (seen on silicon without overflow only). 32-bit integers and acc32 are one another's bits: no shift.
    template <typename T>
    void from_vector(const vector<T, N>& v, int shift = 0) {
        static_assert(floating == host::is_float<T>, "AIE2 converts within integers or within floats only");
        if constexpr (std::is_same_v<T, bfloat16>) {
            data = host::convert<uint32_t, N>(v.data) << 16;
        } else if constexpr (floating) {
            data = v.data;
        } else if constexpr (sizeof(T) == sizeof(raw_type)) {
            host::no_shift(shift);
            data = native_type(v.data);
        } else {
            for (unsigned g = 0; g < host::groups<8, N>; g++) {
                auto wide = host::convert<int64_t, 8>(host::group<8, host::raw<T>, N>(v.data, g)) << shift;
                if constexpr (std::is_same_v<Tag, acc32>) wide = host::saturate_to<int32_t>(wide);
                host::put_group<8, raw_type, N>(data, g, host::convert<raw_type, 8>(wide));
            }
        }
    }

    template <typename T>
    vector<T, N> to_vector(int shift = 0) const {
        static_assert(floating == host::is_float<T>, "AIE2 converts within integers or within floats only");
        vector<T, N> out;
        if constexpr (std::is_same_v<T, bfloat16>) {
            out.data = host::float_to_bfloat16<N>(data);
        } else if constexpr (floating) {
            out.data = data;
        } else if constexpr (sizeof(T) == sizeof(raw_type)) {
            host::no_shift(shift);
            out.data = typename vector<T, N>::native_type(data);
        } else {
            for (unsigned g = 0; g < host::groups<8, N>; g++) {
                const auto wide = host::convert<int64_t, 8>(host::group<8, raw_type, N>(data, g));
                host::put_group<8, host::raw<T>, N>(out.data, g, host::shift_round_saturate<host::raw<T>>(wide, shift));
            }
        }
        return out;
    }
    auto to_vector() const requires(floating) { return to_vector<float>(); }

    template <typename T>
    requires(floating && host::is_float<T>) operator vector<T, N>() const { return to_vector<T>(); }
    template <typename T>
    accum& operator=(const vector<T, N>& v) {
        from_vector(v);
        return *this;
    }
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

template <typename T, unsigned N>
HOST_INLINE vector<T, N> broadcast(T value) {
    return vector<T, N>(typename vector<T, N>::native_type{} + host::to_raw(value));
}
template <typename T, unsigned N>
HOST_INLINE auto zeros() {
    if constexpr (std::is_same_v<T, acc32> || std::is_same_v<T, acc64> || std::is_same_v<T, accfloat>)
        return accum<T, N>();
    else
        return vector<T, N>();
}

// Pointers of any alignment; `aligned_elems` is a hint.
template <unsigned N, typename T>
HOST_INLINE vector<T, N> load_unaligned_v(const T* pointer, [[maybe_unused]] unsigned aligned_elems = 1) {
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
