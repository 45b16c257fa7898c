// Kernels that use every kind of argument that the driver takes.

kernel void saxpy(global float *y, global const float *x, float a, uint n) {
    size_t i = get_global_id(0);
    if (i < n)
        y[i] += a * x[i];
}

struct Mixed {
    char small;
    int whole;
    float real;
    long wide;
    float4 vector;
    short many[3];
};

kernel void by_value(global long *out, struct Mixed mixed, uchar byte, float3 three, double last) {
    out[0] = mixed.small;
    out[1] = mixed.whole;
    out[2] = (long)mixed.real;
    out[3] = mixed.wide;
    out[4] = (long)(mixed.vector.x + mixed.vector.y + mixed.vector.z + mixed.vector.w);
    out[5] = mixed.many[0] + mixed.many[1] + mixed.many[2];
    out[6] = byte;
    out[7] = (long)(three.x + three.y + three.z);
    out[8] = (long)last;
}

// The sum of each group's part of `in`; a power of two of items a group.
kernel void reduce(global uint *sums, global const uint *in, local uint *part) {
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

// Who ran: six numbers for each item of a grid of three dimensions.
kernel void ids(global uint *out) {
    size_t x = get_global_id(0) - get_global_offset(0);
    size_t y = get_global_id(1) - get_global_offset(1);
    size_t z = get_global_id(2) - get_global_offset(2);
    size_t item = (z * get_global_size(1) + y) * get_global_size(0) + x;
    for (uint axis = 0; axis < 3; axis++) {
        out[item * 6 + axis] = get_global_id(axis);
        out[item * 6 + 3 + axis] = get_local_id(axis);
    }
}

kernel void is_null(global int *out, global int *global_pointer, constant int *constant_pointer) {
    out[0] = global_pointer == 0;
    out[1] = constant_pointer == 0;
}

// Follows pointers that it finds in memory.
kernel void indirect(global ulong *table, uint count) {
    for (uint i = 0; i < count; i++) {
        global uint *entry = (global uint *)table[i];
        *entry += 1;
    }
}

kernel void count(global uint *counter) {
    atomic_inc(counter);
}

kernel __attribute__((reqd_work_group_size(4, 2, 1))) void required(global uint *out) {
    out[get_global_id(1) * get_global_size(0) + get_global_id(0)] = get_local_size(0) * 10 + get_local_size(1);
}

kernel __attribute__((work_group_size_hint(16, 1, 1)))
__attribute__((intel_reqd_sub_group_size(8))) void hinted(global uint *out) {
    out[get_global_id(0)] = 8;
}

kernel void no_arguments(void) {}

kernel void image(read_only image2d_t picture, sampler_t sampler, global float4 *out) {
    out[0] = read_imagef(picture, sampler, (float2)(0.0f, 0.0f));
}

kernel void fixed_local(global uint *out) {
    local uint part[1024];
    part[get_local_id(0)] = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    out[get_global_id(0)] = part[get_local_size(0) - 1 - get_local_id(0)];
}

// Every group waits for all others: only groups that run at one time come to the end.
kernel void meet(global volatile uint *arrived, global uint *out) {
    if (get_local_id(0) == 0) {
        atomic_inc(arrived);
        while (atomic_add(arrived, 0) < get_num_groups(0)) {
        }
        out[get_group_id(0)] = get_num_groups(0);
    }
}

// For as long as the program wants.
kernel void wait_for(global volatile uint *flag, global uint *out) {
    while (atomic_or(flag, 0) == 0) {
    }
    out[0] = 1;
}
