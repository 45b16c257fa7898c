// What no signature has.

kernel void image(read_only image2d_t picture, sampler_t sampler, global float4 *out) {
    out[0] = read_imagef(picture, sampler, (float2)(0.0f, 0.0f));
}
