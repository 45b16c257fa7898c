extern uint twice(uint value);

kernel void call(global uint *out, uint value) {
    out[0] = twice(value);
}
