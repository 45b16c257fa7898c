// Kernels of every shape that a signature can have. None checks its bounds but where it says so.

kernel void twice(global uint *x) {
    size_t i = get_global_id(0);
    x[i] *= 2;
}

kernel void saxpy(global const float *x, global float *y, float a) {
    size_t i = get_global_id(0);
    y[i] += a * x[i];
}

// Leaves out the items beyond the end.
kernel void iota(global uint *out, uint n) {
    size_t i = get_global_id(0);
    if (i < n)
        out[i] = i;
}

struct Step {
    float3 direction;
    int count;
    short weight;
    char sign;
};

kernel void walk(global float *out, struct Step step) {
    size_t i = get_global_id(0);
    float sign = step.sign;
    out[i] = sign * step.count * step.weight * (step.direction.x + step.direction.y + step.direction.z);
}

kernel void scalars(global long *out, char c, uchar b, short s, ushort t, int i, uint u, long l, float f) {
    out[0] = c;
    out[1] = b;
    out[2] = s;
    out[3] = t;
    out[4] = i;
    out[5] = u;
    out[6] = l;
    out[7] = (long)f;
}

// The sum of each group's part of `in`; a power of two of items a group.
kernel void reduce(global const uint *in, global uint *sums, local uint *part) {
    size_t item = get_local_id(0);
    part[item] = in[get_global_id(0)];
    for (size_t half_size = get_local_size(0) / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_size)
            part[item] += part[item + half_size];
    }
    if (item == 0)
        sums[get_group_id(0)] = part[0];
}

// Which of the pointers are null: a bit for each.
kernel void nulls(global uint *out, global const uint *x, global uint *y, constant uint *z) {
    out[0] = (x == 0) | (y == 0) << 1 | (z == 0) << 2;
}

// Where each item is, and in what.
kernel void place(global uint *out) {
    size_t x = get_global_id(0);
    size_t y = get_global_id(1);
    size_t z = get_global_id(2);
    size_t item = (z * get_global_size(1) + y) * get_global_size(0) + x;
    for (uint axis = 0; axis < 3; axis++) {
        out[item * 6 + axis] = get_global_id(axis);
        out[item * 6 + 3 + axis] = get_local_size(axis);
    }
}

kernel __attribute__((reqd_work_group_size(4, 2, 1))) void required(global uint *out) {
    out[get_global_id(1) * get_global_size(0) + get_global_id(0)] = get_local_size(0) * 10 + get_local_size(1);
}

kernel void from_constant(constant uint *in, global uint *out) {
    size_t i = get_global_id(0);
    out[i] = in[i] + 1;
}

kernel void sixteen(global ulong *out, global const uint *x, uint a0, uint a1, uint a2, uint a3, uint a4, uint a5,
                    uint a6, uint a7, uint a8, uint a9, uint a10, uint a11, uint a12, ulong last) {
    size_t i = get_global_id(0);
    out[i] = x[i] + a0 + a1 * 2 + a2 * 3 + a3 * 4 + a4 * 5 + a5 * 6 + a6 * 7 + a7 * 8 + a8 * 9 + a9 * 10 + a10 * 11 +
             a11 * 12 + a12 * 13 + last;
}

kernel void nothing(void) {}
