// One step of the heat equation on a plate of `width` by `height` cells, whose rim lets no heat
// through: each cell gives `rate` of what it is warmer than a neighbour to that neighbour.
//
// One item for each cell; items beyond the plate do nothing.
kernel void step_heat(global const float *now, global float *next, float rate, uint width,
                      uint height) {
    size_t x = get_global_id(0);
    size_t y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    size_t i = y * width + x;
    float here = now[i];
    // Beyond the rim is what is at the rim.
    float left = x > 0 ? now[i - 1] : here;
    float right = x + 1 < width ? now[i + 1] : here;
    float above = y > 0 ? now[i - width] : here;
    float below = y + 1 < height ? now[i + width] : here;
    next[i] = here + rate * (left + right + above + below - 4 * here);
}
