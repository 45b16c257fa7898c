uint twice(uint value) {
    return value * 2;
}
