/* room.h: what <eddy/arena.h> says that things take is enough for them. */
#ifndef EDDY_CORE_ROOM_H
#define EDDY_CORE_ROOM_H

#include <eddy/arena.h>

#include <stddef.h>

/* A block of an arena that is free holds these. */
struct arena_block {
    size_t bytes;
    struct arena_block *next;
};

/* Blocks are multiples of it: good for any type, which is less than a free one on s390x. */
enum {
    ROOM_ALIGN = _Alignof(max_align_t),
    ROOM_UNIT = (sizeof(struct arena_block) + ROOM_ALIGN - 1) / ROOM_ALIGN * ROOM_ALIGN,
};

/* A block of so many bytes in an arena. */
#define ROOM_OF(bytes) (((bytes) + ROOM_UNIT - 1) / ROOM_UNIT * ROOM_UNIT)

#define ROOM_FITS(bytes, bound) _Static_assert(ROOM_OF(bytes) <= (bound), #bound " is too little")

#endif
