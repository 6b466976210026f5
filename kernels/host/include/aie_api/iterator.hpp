// Iterators that step through memory one vector at a time. API: aie_api iterator.hpp@2a408059.
#pragma once

#include "vector.hpp"

namespace aie {

template <typename T, unsigned N>
class vector_iterator {
  public:
    struct reference {
        T* pointer;
        operator vector<std::remove_const_t<T>, N>() const { return load_v<N>(pointer); }
        reference& operator=(const vector<std::remove_const_t<T>, N>& v) {
            store_v(pointer, v);
            return *this;
        }
    };

    explicit vector_iterator(T* pointer) : pointer_(pointer) {}
    auto operator*() const {
        if constexpr (std::is_const_v<T>)
            return load_v<N>(pointer_);
        else
            return reference{pointer_};
    }
    vector_iterator& operator++() {
        pointer_ += N;
        return *this;
    }
    vector_iterator operator++(int) {
        vector_iterator before = *this;
        pointer_ += N;
        return before;
    }
    vector_iterator operator+(int n) const { return vector_iterator(pointer_ + n * int(N)); }
    vector_iterator& operator+=(int n) { return *this = *this + n; }
    bool operator==(const vector_iterator&) const = default;

  private:
    T* pointer_;
};

template <unsigned N, typename T>
vector_iterator<T, N> begin_vector(T* pointer) {
    return vector_iterator<T, N>(pointer);
}
template <unsigned N, typename T>
vector_iterator<T, N> begin_restrict_vector(T* pointer) {
    return vector_iterator<T, N>(pointer);
}
template <unsigned N, typename T>
vector_iterator<const T, N> cbegin_vector(const T* pointer) {
    return vector_iterator<const T, N>(pointer);
}
template <unsigned N, typename T>
vector_iterator<const T, N> cbegin_restrict_vector(const T* pointer) {
    return vector_iterator<const T, N>(pointer);
}

}  // namespace aie
