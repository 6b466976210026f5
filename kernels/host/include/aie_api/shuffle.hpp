// Rearranging lanes. API: aie_api aie.hpp@2a408059.
#pragma once

#include "accum.hpp"

namespace aie {

namespace host {
// out[i] = v[from(i)] for M lanes; a negative index leaves the lane zero (undefined on hardware).
template <unsigned M, typename T, unsigned N, typename F>
HOST_INLINE vector<T, M> gather(const vector<T, N>& v, F from) {
    raw<T> lanes[M] = {};
    for (unsigned i = 0; i < M; i++) {
        const int source = from(int(i));
        if (source >= 0 && source < int(N)) lanes[i] = v.data[unsigned(source)];
    }
    return vector<T, M>(std::bit_cast<native<raw<T>, M>>(lanes));
}
template <typename T, unsigned N>
HOST_INLINE vector<T, 2 * N> joined(const vector<T, N>& a, const vector<T, N>& b) {
    vector<T, 2 * N> out;
    return out.insert(0, a).insert(1, b);
}
}  // namespace host

template <typename T, unsigned N, typename... Rest>
HOST_INLINE auto concat(const vector<T, N>& first, const Rest&... rest) {
    static_assert(host::is_vector_size<T, N*(1 + sizeof...(Rest))>);
    vector<T, N*(1 + sizeof...(Rest))> out;
    unsigned index = 0;
    out.insert(index++, first);
    (out.insert(index++, rest), ...);
    return out;
}
template <typename Tag, unsigned N, typename... Rest>
HOST_INLINE auto concat(const accum<Tag, N>& first, const Rest&... rest) {
    accum<Tag, N*(1 + sizeof...(Rest))> out;
    unsigned index = 0;
    out.insert(index++, first);
    (out.insert(index++, rest), ...);
    return out;
}

// Chunks of `step` lanes taken in turn from a and b: the first and second N lanes of the result.
template <typename T, unsigned N>
HOST_INLINE std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N>& a, const vector<T, N>& b,
                                                                 unsigned step) {
    const int s = int(step);
    const auto zipped =
        host::gather<2 * N>(host::joined(a, b), [s](int i) { return i / s % 2 * int(N) + i / (2 * s) * s + i % s; });
    return {zipped.template extract<N>(0), zipped.template extract<N>(1)};
}
// The even and the odd chunks of `step` lanes of a followed by b.
template <typename T, unsigned N>
HOST_INLINE std::pair<vector<T, N>, vector<T, N>> interleave_unzip(const vector<T, N>& a, const vector<T, N>& b,
                                                                   unsigned step) {
    const int s = int(step);
    const auto joined = host::joined(a, b);
    return {host::gather<N>(joined, [s](int i) { return i / s * 2 * s + i % s; }),
            host::gather<N>(joined, [s](int i) { return i / s * 2 * s + s + i % s; })};
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N / 2> filter_even(const vector<T, N>& v, unsigned step = 1) {
    const int s = int(step);
    return host::gather<N / 2>(v, [s](int i) { return i / s * 2 * s + i % s; });
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N / 2> filter_odd(const vector<T, N>& v, unsigned step = 1) {
    const int s = int(step);
    return host::gather<N / 2>(v, [s](int i) { return i / s * 2 * s + s + i % s; });
}

// A row-major rows x cols matrix becomes the row-major cols x rows matrix; rows * cols == N.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> transpose(const vector<T, N>& v, unsigned rows, unsigned cols) {
    return host::gather<N>(v, [=](int i) { return i % int(rows) * int(cols) + i / int(rows); });
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> reverse(const vector<T, N>& v) {
    return host::gather<N>(v, [](int i) { return int(N) - 1 - i; });
}
// Towards higher (up) or lower (down) lanes by n; the lanes that enter are undefined on hardware, zero here.
template <typename T, unsigned N>
HOST_INLINE vector<T, N> shuffle_up(const vector<T, N>& v, unsigned n) {
    return host::gather<N>(v, [n](int i) { return i - int(n); });
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> shuffle_down(const vector<T, N>& v, unsigned n) {
    return host::gather<N>(v, [n](int i) { return i + int(n); });
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> shuffle_up_rotate(const vector<T, N>& v, unsigned n) {
    return host::gather<N>(v, [n](int i) { return (i + int(N) - int(n % N)) % int(N); });
}
template <typename T, unsigned N>
HOST_INLINE vector<T, N> shuffle_down_rotate(const vector<T, N>& v, unsigned n) {
    return host::gather<N>(v, [n](int i) { return (i + int(n)) % int(N); });
}

}  // namespace aie
