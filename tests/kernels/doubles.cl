// What not every device has.

kernel void scale(global double *x, double factor) {
    size_t i = get_global_id(0);
    x[i] *= factor;
}
