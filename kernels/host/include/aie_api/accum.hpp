// aie::accum: lanes of 32 or 64 bit integers or of fp32, and their conversions from and to vectors.
//
// API: aie_api accum.hpp@2a408059, conversions detail/aie2/accum.hpp.
#pragma once

#include "detail/rounding.hpp"
#include "vector.hpp"

namespace aie {

template <typename Tag, unsigned N>
class accum {
  public:
    using value_type = Tag;
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
    requires(floating && host::is_float<T>) operator vector<T, N>() const { return to_vector<T>(); }
    template <typename T>
    accum& operator=(const vector<T, N>& v) {
        from_vector(v);
        return *this;
    }
};

template <typename T, unsigned N>
HOST_INLINE auto zeros() {
    if constexpr (std::is_same_v<T, acc32> || std::is_same_v<T, acc64> || std::is_same_v<T, accfloat>)
        return accum<T, N>();
    else
        return vector<T, N>();
}

}  // namespace aie
