// The words of the command in front of an op's data, by index: command.py describes the command.
// Generated: python -m kernels.command > kernels/command.h
#pragma once

namespace command {

constexpr int WORDS = 16;  // of 32 bits

namespace matmul {
constexpr int ROW_BLOCKS = 0;  // bf16 row blocks for each core
constexpr int ROW_BLOCKS_I8 = 1;  // int8 row blocks for each core
constexpr int K_BLOCKS = 5;  // blocks of the inner dimension K
constexpr int TABLE_OBJECTS = 6;  // B objects of bias (and scale) in front of the weights
constexpr int COLUMN_TILES = 8;  // column tiles for each row block
constexpr int FLAGS = 9;  // GELU or 0
constexpr int GELU = 1;  // bit of FLAGS: apply GELU to the result
}  // namespace matmul

namespace attention {
constexpr int QUERY_TILES = 2;  // query tiles for each core, over all heads of its column
constexpr int KEY_TILES = 5;  // tiles of 64 keys
constexpr int VALID_KEYS = 8;  // keys that count; the keys behind them are padding
}  // namespace attention

namespace rows {
constexpr int ROW_BLOCKS = 3;  // row blocks for each core
constexpr int COLUMN_GROUPS = 5;  // groups of COLS column blocks
constexpr int VALID_COLUMNS = 8;  // columns that count, a multiple of 64; the columns behind them are padding
constexpr int INVERSE_COLUMNS = 10;  // 1 / VALID_COLUMNS, float32
constexpr int EPSILON = 11;  // the layer norm's epsilon, float32
}  // namespace rows

namespace quantise {
constexpr int ROW_BLOCKS = 4;  // row blocks for each core
constexpr int COLUMN_BLOCKS = 5;  // column blocks of bf16
constexpr int PACKED_OBJECTS = 8;  // C objects of int8, each of eight column blocks
}  // namespace quantise

}  // namespace command
