/* path_key.h: a path to be looked for by its hash. Pure. */
#ifndef EDDY_CMD_SERVE_PATH_KEY_H
#define EDDY_CMD_SERVE_PATH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct path_key {
    const char *path; /* the caller's */
    size_t length;
    uint64_t hash;
};

/* FNV-1a. Only files that are there are kept under it, so that clients cannot choose names that
 * collide. */
static inline struct path_key path_key_of(const char *path) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const char *at = path;
    for (; *at != '\0'; at++) hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return (struct path_key){path, (size_t)(at - path), hash};
}

static inline bool path_key_is(const struct path_key *key, const struct path_key *other) {
    return key->hash == other->hash && key->length == other->length &&
           memcmp(key->path, other->path, key->length) == 0;
}

/* Its place in a table of so many, a power of two. */
static inline size_t path_key_place(const struct path_key *key, size_t places) {
    return (size_t)(key->hash ^ key->hash >> 32) & (places - 1);
}

#endif
