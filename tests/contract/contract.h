/* contract.h: what the contract tests share: a backend without a loop. Tests run straight on the
 * functions of platform/backend.h; each names its clause. */
#ifndef EDDY_TESTS_CONTRACT_H
#define EDDY_TESTS_CONTRACT_H

#include "backend.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOTH = EDDY_READ | EDDY_WRITE, RECORDS_MAX = 256 };

#define MS EDDY_NS_PER_MS

/* Memory that counts, and that fails when `left` has come to 0. */
struct counted_memory {
    eddy_allocator memory;
    unsigned calls;
    unsigned left;
};

static inline void *counted_resize(void *context, void *memory, size_t old_bytes,
                                   size_t new_bytes) {
    struct counted_memory *it = context;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(memory);
        return NULL;
    }
    it->calls++;
    if (it->left == 0) return NULL;
    it->left--;
    return realloc(memory, new_bytes);
}

struct tested {
    const struct eddy_backend *backend;
    void *state;
    struct counted_memory memory;
    struct eddy_record records[RECORDS_MAX];
    int count; /* records of the last wait */
};

static inline bool is_backend(const char *name) {
    return strcmp(test_backend, name) == 0;
}

static inline struct tested *tested_open_for(int capacity) {
    struct tested *it = calloc(1, sizeof *it);
    ck_assert_ptr_nonnull(it);
    for (size_t i = 0; eddy_backend_table[i] != NULL; i++)
        if (is_backend(eddy_backend_table[i]->name)) it->backend = eddy_backend_table[i];
    ck_assert_ptr_nonnull(it->backend);
    it->state = calloc(1, it->backend->state_bytes);
    ck_assert_ptr_nonnull(it->state);
    it->memory =
        (struct counted_memory){.memory = {counted_resize, &it->memory}, .left = UINT32_MAX};
    ck_assert_int_eq(it->backend->open(it->state, &it->memory.memory, capacity), 0);
    return it;
}

static inline struct tested *tested_open(void) {
    return tested_open_for(RECORDS_MAX);
}

static inline void tested_close(struct tested *it) {
    it->backend->close(it->state);
    free(it->state);
    free(it);
}

static inline bool can(const struct tested *it, unsigned capability) {
    return (it->backend->capabilities & capability) != 0;
}

/* As the loop makes them; tests that do not care about generations use 1. */
static inline eddy_token token_of(int fd, uint32_t generation) {
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

static inline void add(struct tested *it, int fd, unsigned events) {
    ck_assert_int_eq(it->backend->add(it->state, fd, events, token_of(fd, 1)), 0);
}

static inline void modify(struct tested *it, int fd, unsigned old_events, unsigned events) {
    ck_assert_int_eq(it->backend->modify(it->state, fd, old_events, events, token_of(fd, 1)), 0);
}

static inline void remove_fd(struct tested *it, int fd, unsigned events) {
    ck_assert_int_eq(it->backend->remove(it->state, fd, events), 0);
}

/* One wait; returns how many records came. */
static inline int wait_once(struct tested *it, int capacity, int64_t timeout_ns) {
    it->count = it->backend->wait(it->state, it->records, capacity, timeout_ns);
    ck_assert_int_ge(it->count, 0);
    ck_assert_int_le(it->count, capacity);
    return it->count;
}

/* What the last wait told of a token, its records merged. */
static inline unsigned told_token(const struct tested *it, eddy_token token) {
    unsigned events = 0;
    int records = 0;
    for (int i = 0; i < it->count; i++) {
        if (it->records[i].token != token) continue;
        ck_assert_int_eq(it->records[i].error, 0);
        ck_assert_uint_ne(it->records[i].events, 0);
        events |= it->records[i].events;
        records++;
    }
    ck_assert_int_le(records, can(it, BACKEND_CAN_SPLIT) ? 2 : 1);
    return events;
}

/* What one wait tells of `fd`, which is the only one to be told of. */
static inline unsigned told(struct tested *it, int fd, int64_t timeout_ns) {
    wait_once(it, RECORDS_MAX, timeout_ns);
    for (int i = 0; i < it->count; i++) ck_assert_uint_eq(it->records[i].token, token_of(fd, 1));
    return told_token(it, token_of(fd, 1));
}

static inline void ck_silent(struct tested *it) {
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, 0), 0);
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, 2 * MS), 0);
}

static inline void put(int fd, const char *text) {
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline void drain(int fd) {
    char buffer[4096];
    while (read(fd, buffer, sizeof buffer) > 0) continue;
}

/* Writes until the descriptor is full. */
static inline void fill(int fd) {
    char buffer[4096] = {0};
    while (write(fd, buffer, sizeof buffer) > 0) continue;
    while (write(fd, buffer, 1) > 0) continue;
}

static inline void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

#endif
