#undef LANES
#undef SUMS
#undef VECTORS
#undef TARGET
#undef NAME
