/*
 * hash.c - SipHash-2-4 (Aumasson and Bernstein), and the process's key.
 *
 * The key comes from the system's generator. Where that fails, addresses and clocks have to do: collisions are then
 * still hard to arrange from far away.
 */
#include "util/hash_internal.h"

#include <uv.h>

static uint64_t process_key[2];

static uint64_t rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* Little endian, whatever the machine; `len` of at most 8. */
static uint64_t read_word(const char *data, size_t len) {
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)(unsigned char)data[i] << (8 * i);
    return word;
}

uint64_t tc__siphash(const uint64_t key[2], tc_bytes_t bytes) {
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                      key[1] ^ 0x7465646279746573 };
    size_t whole = bytes.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(v, read_word(bytes.data + i, 8));
    uint64_t last = (uint64_t)bytes.len << 56;
    if (bytes.len > whole)
        last |= read_word(bytes.data + whole, bytes.len - whole);
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void make_process_key(void) {
    if (uv_random(NULL, NULL, process_key, sizeof(process_key), 0, NULL) == 0)
        return;
    process_key[0] = uv_hrtime() ^ (uint64_t)uv_os_getpid() << 32;
    process_key[1] = (uint64_t)(uintptr_t)&process_key ^ rotate(uv_hrtime(), 32);
}

uint64_t tc__hash(tc_bytes_t bytes) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, make_process_key);
    return tc__siphash(process_key, bytes);
}
