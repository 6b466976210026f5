// The kernels of scale.py, in plain C++.
#include <cstdint>

extern "C" {

void command(const int32_t *object, int32_t *prm) {
  for (int i = 0; i < 16; i++) prm[i] = object[i];
}

void scale(const int32_t *in, const int16_t *table, int32_t *out, const int32_t *prm, int32_t k, int32_t plus) {
  for (int i = 0; i < 64; i++) out[i] = in[i] * table[k % 8] + prm[3] + plus;
}
}
