/* copy.h: structs that the library fills and that may grow: the caller's may be shorter than the
 * library's, of an older header, or longer. The policy is in docs/21-embedding.md. */
#ifndef EDDY_CORE_COPY_H
#define EDDY_CORE_COPY_H

#include <stddef.h>
#include <string.h>

/* Fills `to`, of `size` bytes, with as much of `from`; what only the caller knows is zeroed. */
static inline void copy_known(void *to, size_t size, const void *from, size_t from_bytes) {
    size_t known = size < from_bytes ? size : from_bytes;
    memcpy(to, from, known);
    memset((char *)to + known, 0, size - known);
}

#endif
