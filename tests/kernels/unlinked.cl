// A module that wants a function of another module.

uint elsewhere(uint x);

kernel void unlinked(global uint *out) {
    out[0] = elsewhere(out[0]);
}
