// A variable that lives as long as the module.
global uint counter = 40;
global uint table[4] = {1, 2, 3, 4};

kernel void next(global uint *out) {
    counter += 1;
    out[0] = counter;
    out[1] = table[3];
}
