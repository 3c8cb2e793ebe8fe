/* Ends what half_vectors.h began, so that it can be included for another processor. */
#undef LANES
#undef NAME
#undef FOR
#undef V
#undef D
#undef RAW
#undef SPREAD_F
#undef SPREAD_D
#undef LOAD_F
#undef LOAD_D
#undef STORE_F
#undef STORE_D
#undef LOAD_RAW
#undef STORE_RAW
#undef DOUBLES
