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

// What would silently go wrong on a core stops the process. Declared here, for kernels see no C library.
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
            const auto widen = [shift](auto lanes) HOST_LAMBDA {
                auto wide = __builtin_convertvector(lanes, host::like<int64_t, decltype(lanes)>) << shift;
                if constexpr (std::is_same_v<Tag, acc32>) wide = host::saturate_to<int32_t>(wide);
                return __builtin_convertvector(wide, host::like<raw_type, decltype(lanes)>);
            };
            data = host::in_groups<raw_type, 8>(widen, v.data);
        }
    }

    template <typename T>
    vector<T, N> to_vector(int shift = 0) const {
        static_assert(floating == host::is_float<T>, "AIE2 converts within integers or within floats only");
        vector<T, N> out;
        if constexpr (std::is_same_v<T, bfloat16>) {
            out.data =
                host::in_groups<uint16_t, 4>([](auto x) HOST_LAMBDA { return host::float_to_bfloat16(x); }, data);
        } else if constexpr (floating) {
            out.data = data;
        } else if constexpr (sizeof(T) == sizeof(raw_type)) {
            host::no_shift(shift);
            out.data = typename vector<T, N>::native_type(data);
        } else {
            const auto narrow = [shift](auto lanes) HOST_LAMBDA {
                const auto wide = __builtin_convertvector(lanes, host::like<int64_t, decltype(lanes)>);
                return host::shift_round_saturate<host::raw<T>>(wide, shift);
            };
            out.data = host::in_groups<host::raw<T>, 8>(narrow, data);
        }
        return out;
    }
    auto to_vector() const requires(floating) { return to_vector<float>(); }

    template <typename T>
    requires(floating&& host::is_float<T>) operator vector<T, N>() const { return to_vector<T>(); }
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
