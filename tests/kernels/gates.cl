// Kernels that the host is in touch with while they run. The atomic operations are those of OpenCL C 1.2,
// which processors carry out for all devices: the runtime for them has no others on global memory.

// For one item: says in gate[1] that it runs, waits until gate[0] is set, and adds one to x[0].
kernel void hold(global volatile uint *gate, global uint *x) {
    atomic_xchg(gate + 1, 1);
    while (atomic_or(gate, 0) == 0) {
    }
    x[0] += 1;
}

// Each item adds one.
kernel void tally(global volatile uint *counter) {
    atomic_inc(counter);
}

// For one item: makes one number of another, unless it is a third by now.
kernel void step(global volatile uint *x, uint from, uint to) {
    uint found = atomic_or(x, 0);
    atomic_xchg(x, found == from ? to : 0xFFFFFFFF);
}
