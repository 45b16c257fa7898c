extern uint nobody_has_this(uint value);

kernel void call(global uint *out, uint value) {
    out[0] = nobody_has_this(value);
}
