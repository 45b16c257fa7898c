// Kernels on pictures of `width` by `height` pixels, one item for each pixel; items beyond the
// picture do nothing. Beyond the edge of the picture is what is at the edge.
//
// A pixel is four bytes or floats: red, green, blue and alpha.

// The column or row `offset` from `at`, in a picture with `size` of them.
static long beside(long at, long offset, uint size) {
    return clamp(at + offset, 0L, (long)size - 1);
}

// The mean of `2 * radius + 1` pixels of a row, weighted.
kernel void blur_rows(global const uchar *source, global float *target, global const float *weights,
                      uint radius, uint width, uint height) {
    size_t x = get_global_id(0);
    size_t y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    float4 sum = 0;
    for (long k = -(long)radius; k <= (long)radius; k++) {
        global const uchar *p = source + 4 * (y * width + beside(x, k, width));
        sum += weights[k + radius] * (float4)(p[0], p[1], p[2], p[3]);
    }
    global float *out = target + 4 * (y * width + x);
    out[0] = sum.x;
    out[1] = sum.y;
    out[2] = sum.z;
    out[3] = sum.w;
}

// The mean of `2 * radius + 1` pixels of a column, weighted.
kernel void blur_columns(global const float *source, global uchar *target,
                         global const float *weights, uint radius, uint width, uint height) {
    size_t x = get_global_id(0);
    size_t y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    float4 sum = 0;
    for (long k = -(long)radius; k <= (long)radius; k++) {
        global const float *p = source + 4 * (beside(y, k, height) * width + x);
        sum += weights[k + radius] * (float4)(p[0], p[1], p[2], p[3]);
    }
    global uchar *out = target + 4 * (y * width + x);
    out[0] = convert_uchar_sat_rte(sum.x);
    out[1] = convert_uchar_sat_rte(sum.y);
    out[2] = convert_uchar_sat_rte(sum.z);
    out[3] = convert_uchar_sat_rte(sum.w);
}

// How bright a pixel is, from 0 to 255, by the weights of ITU-R BT.709.
static float brightness(global const uchar *picture, long x, long y, uint width, uint height) {
    global const uchar *p = picture + 4 * (beside(y, 0, height) * width + beside(x, 0, width));
    return 0.2126f * p[0] + 0.7152f * p[1] + 0.0722f * p[2];
}

// How steeply the brightness changes, by Sobel's operator: one byte for each pixel.
kernel void edges(global const uchar *source, global uchar *target, uint width, uint height) {
    size_t x = get_global_id(0);
    size_t y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    float across = 0;
    float down = 0;
    for (int k = -1; k <= 1; k++) {
        float weight = k == 0 ? 2 : 1;
        across += weight * (brightness(source, (long)x + 1, (long)y + k, width, height)
                            - brightness(source, (long)x - 1, (long)y + k, width, height));
        down += weight * (brightness(source, (long)x + k, (long)y + 1, width, height)
                          - brightness(source, (long)x + k, (long)y - 1, width, height));
    }
    target[y * width + x] = convert_uchar_sat_rte(sqrt(across * across + down * down));
}
