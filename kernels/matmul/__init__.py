"""Matrix products of the encoder: bf16 and int8 blocks, bias and GELU in the epilogue."""
